"""Measures how many texts a second `rnnnlp serve` classifies over HTTP, beside `predict` on the same machine.

    python scripts/load_server.py RUN --data reviews.csv [--connections 64] [--seconds 10]

Needs `wrk` and rnnnlp[web]. The server runs in a process of its own. All connections first send as fast as they can,
then with pauses that make half that load. The memory of the server is printed before and after.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from rnnnlp.cli.main import reported
from rnnnlp.tasks.sentiment.ensemble import load_predictor
from rnnnlp.text import load_plain_texts

LUA = """
local bodies = {}
for line in io.lines("BODIES") do bodies[#bodies + 1] = line end
local k = 0
function init(args) math.randomseed(os.time()) k = math.random(#bodies) end
function request()
  k = k % #bodies + 1
  return wrk.format("POST", "/v1/predict", {["content-type"] = "application/json"}, bodies[k])
end
DELAY
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests - errors.status, summary.duration,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.status + errors.read + errors.timeout))
end
"""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("--data", required=True, help="texts, cut to --words")
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args(words)
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is not installed")
    return reported(lambda: measure(wrk, options))


def measure(wrk: str, options: argparse.Namespace) -> None:
    """Prints what the model does in Python, as a command, and behind the server."""
    texts = [" ".join(text.split()[: options.words]) for text in load_plain_texts(options.data) if text]
    texts = texts[: options.texts]
    alone, cpu_alone = rate_alone(options.run_folder, texts)
    print(f"in Python: {alone:.0f} texts a second, {1000 * cpu_alone:.2f} ms of CPU a text")
    command = rate_of_command(options.run_folder, texts)
    print(f"rnnnlp predict: {command:.0f} texts a second, with its start")
    server = [sys.executable, "-m", "rnnnlp.cli.main", "serve", options.run_folder, "--port", "0"]
    with (
        subprocess.Popen(server, stderr=subprocess.PIPE, text=True) as process,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            address = address_of(process)
            bodies = Path(folder) / "bodies"
            bodies.write_text("".join(json.dumps({"texts": [text]}) + "\n" for text in texts))
            load(wrk, folder, bodies, address, options.connections, 3, 0)
            before = resident(process.pid)
            used = cpu_seconds(process.pid)
            full = load(wrk, folder, bodies, address, options.connections, options.seconds, 0)
            cpu = (cpu_seconds(process.pid) - used) / full["requests"]
            print(
                f"the server: {1000 * cpu:.2f} ms of CPU a text, {cpu_alone / cpu:.0%} of the work in Python per second"
            )
            print(
                f"full load: {full['rate']:.0f} texts a second, {full['rate'] / alone:.0%} of those in Python, "
                f"{full['rate'] / command:.0%} of rnnnlp predict; {full}"
            )
            pause = 1000 * options.connections / (full["rate"] / 2)
            half = load(wrk, folder, bodies, address, options.connections, options.seconds, pause)
            print(f"half load: {half['rate']:.0f} texts a second; {half}")
            print(f"memory: {before} kB before, {resident(process.pid)} kB after")
        finally:
            process.terminate()
            print("exit code of the server:", process.wait(30))


def rate_alone(run_folder: str, texts: list[str]) -> tuple[float, float]:
    """The texts a second of a model in memory, and the CPU seconds of a text."""
    model = load_predictor(run_folder)
    model.probabilities_and_unknown(texts[:100])
    began, used = time.perf_counter(), time.process_time()
    model.probabilities_and_unknown(texts)
    return len(texts) / (time.perf_counter() - began), (time.process_time() - used) / len(texts)


def rate_of_command(run_folder: str, texts: list[str], times: int = 10) -> float:
    """The texts a second of `rnnnlp predict`, for a file with `times` times these texts."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts) * times)
        command = [sys.executable, "-m", "rnnnlp.cli.main", "predict", run_folder, "--file", str(file)]
        began = time.perf_counter()
        subprocess.run([*command, "--json", f"{folder}/found.jsonl"], check=True, capture_output=True)
        return times * len(texts) / (time.perf_counter() - began)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"serving at (\S+)/", line):
            break
    else:
        sys.exit("the server did not start")
    for _ in range(100):
        try:
            urllib.request.urlopen(found[1] + "/healthz")  # nosec B310: our own server
            return found[1]
        except OSError:
            time.sleep(0.1)
    sys.exit("the server does not answer")


def load(
    wrk: str, folder: str, bodies: Path, address: str, connections: int, seconds: int, pause: float
) -> dict[str, float]:
    """What wrk measures.

    A request that the server refuses is an error, and counts in neither `requests` nor `rate`. `pause` is the mean time
    between two requests of a connection, in milliseconds.
    """
    delay = f"function delay() return math.random(0, {2 * int(pause)}) end" if pause else ""
    script = Path(folder) / "load.lua"
    script.write_text(LUA.replace("BODIES", str(bodies)).replace("DELAY", delay))
    command = [
        wrk,
        "-t",
        "1",
        "-c",
        str(connections),
        "-d",
        f"{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(script),
        address,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+) (\S+)", said)
    assert numbers, said
    requests, microseconds, p50, p99, errors = map(float, numbers.groups())
    return {"rate": requests / microseconds * 1e6, "p50_ms": p50, "p99_ms": p99, "errors": errors, "requests": requests}


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """The memory of a process in kB; 0 once it has ended."""
    try:
        found = re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
