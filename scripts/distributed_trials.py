"""Several processes train one model: the same bits for any number of them, and after whatever ends them.

    python scripts/distributed_trials.py bits            # W = 1, 2, 3, 4, 8 processes, and resumed with other numbers
    python scripts/distributed_trials.py bits --hosts 4  # the same over four computers
    python scripts/distributed_trials.py ends --times 5  # each kind of end 5 times; each run is resumed to its end
    python scripts/distributed_trials.py speed --times 3 # two processes of a thread, one process of two threads
    python scripts/distributed_trials.py files           # predicts a hundred files with four processes, and kills two
    python scripts/distributed_trials.py messages        # what a sum takes between 2 and 4 computers at 1 Gbit/s
    python scripts/distributed_trials.py slow            # how fast 2 computers at 1 Gbit/s train together

`--reviews imdb.parquet` gives `speed` and `files` more than the few bundled reviews.

It needs the extra `mpi`, and prints a line for each trial. The exit code is 1 if one of them fails. Cut cables,
messages and slow networks need root, for network namespaces: see `several_hosts.py`.
"""

import argparse
import hashlib
import json
import math
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from process_tree import descendants, kill
from safetensors import SafetensorError
from safetensors.numpy import load_file
from several_hosts import Hosts, mpiexec

SHARDS = 24
SIZES = "--hidden-size 12 --embedding-size 8 --evaluations 3 --checkpoint-every 7 --seed 5 --batch-size 48 --threads 1"
REVIEWS = f"train sentiment {SIZES} --data sample-reviews --patience 0 --epochs"
RUNS = {
    "charlm": f"train charlm {SIZES} --data {{text}} --steps 30 --bptt 16 --dropout 0.2 --num-layers 2",
    "sentiment": f"{REVIEWS} 2 --dropout 0.3 --bidirectional",
    "n-grams": f"{REVIEWS} 2 --ngram-buckets 256 --class-weights balanced --adversarial 0.1",
    "virtual": f"{REVIEWS} 1 --virtual-adversarial 0.1",
    "pretraining": f"{REVIEWS} 1 --pretraining 1",
    "pretrain": f"pretrain {SIZES} --data {{text}} --steps 30 --bptt 8 --samples 16",
    "local steps": f"train charlm {SIZES} --data {{text}} --steps 30 --bptt 16 --sync-every 4 --wire bf16",
    "local steps of a classifier": f"{REVIEWS} 2 --dropout 0.3 --sync-every 4",
    "bfloat16": f"{REVIEWS} 2 --dropout 0.3 --wire bf16",
}
LARGE = "train charlm --data {text} --steps 50 --embedding-size 64 --evaluations 1 --seed 1"
SPEEDS = {
    "charlm 64 x 128, 512 units": f"{LARGE} --batch-size 64 --bptt 128 --hidden-size 512",
    "charlm 64 x 64, 256 units": f"{LARGE} --batch-size 64 --bptt 64 --hidden-size 256",
    "sentiment, bidirectional": "train sentiment --data {reviews} --steps 60 --batch-size 64 --hidden-size 128 "
    "--embedding-size 128 --bidirectional --patience 0 --evaluations 1 --seed 1",
}
STEPS = 300  # of a run that is ended
ENDED = f"train charlm --data {{text}} --hidden-size 24 --embedding-size 8 --steps {STEPS} --evaluations 4 --seed 1"
ENDED += " --checkpoint-every 5 --batch-size 24 --bptt 16 --threads 1 --shards 12 --dropout 0.2"
ENDS = ("kill", "SIGTERM", "SIGINT", "exception", "full disk", "cut cable")
RESUMABLE = ("SIGTERM", "SIGINT", "exception", "full disk")  # after these a run prints the command that resumes it
GONE_SECONDS = 15.0
PATIENCE = 180.0  # seconds after which a trial, or the run that resumes it, counts as hung
MOST_HOSTS = 4
PAUSED_SECONDS = 14.0  # longer than a computer is waited for that cannot be reached
MESSAGES = (1_000_000, 5_000_000)  # numbers in a sum
BANDWIDTH, LATENCY = 117e6, 60e-6  # bytes a second of 1 Gbit/s in TCP, and seconds of a message
REVIEWS_FILE = Path(__file__).parents[1] / "data/sample-reviews/train.jsonl"
FILES, PARTS = 100, 4  # of `files`, and the processes that share them
WORKER = "RNNNLP_TRIAL"  # environment variable of the processes of a trial: how one of them fails, and which


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("bits", "ends", "speed", "files", "messages", "slow"))
    parser.add_argument("--times", type=int, default=6, help="number of times that each kind of end is tried")
    parser.add_argument("--backend", nargs="+", default=["native", "numpy"])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2, 3, 4, 8])
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=RUNS)
    parser.add_argument("--ends", nargs="+", default=[*ENDS, "pause"], choices=[*ENDS, "pause"])
    parser.add_argument("--wire", nargs="+", default=["float32", "bf16"])
    parser.add_argument("--hosts", type=int, default=0, help="number of computers for `bits` (default: this one)")
    parser.add_argument(
        "--reviews", default=REVIEWS_FILE, metavar="FILE", help="for `speed` and `files` (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    trials = {"bits": bits, "ends": ends, "speed": speed, "files": files, "messages": messages, "slow": slow}
    with tempfile.TemporaryDirectory(prefix="rnnnlp-trials-") as temporary:
        folder = Path(temporary)
        text = folder / "text.txt"
        text.write_text("".join(f"line {i} of a text, as long as {i * i} grains of sand.\n" for i in range(600)))
        failed = trials[options.what](folder, text, options)
    return int(failed > 0)


def command(processes: int, words: Sequence[str], hosts: Hosts | None = None) -> list[str]:
    """The command that trains with this number of processes, on one host or each on a host of its own."""
    launcher = [mpiexec(), "-n", str(processes)] if processes > 1 else []
    if hosts is not None:
        launcher = hosts.launcher(processes)
    return [*launcher, sys.executable, __file__, *words]


def run(
    processes: int,
    words: Sequence[str],
    hosts: Hosts | None = None,
    *,
    worker: str = "train",
    patient: bool = True,
    seconds: float | None = None,
) -> None:
    """Trains; an error if the exit code is not that of the worker, or if it takes more than these seconds."""
    given = command(processes, words, hosts)
    with launched(given, worker, patient=patient, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, error = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{shlex.join(words)}: hung") from None
    if process.returncode != (128 + signal.SIGTERM if worker.startswith("stop") else 0):
        raise RuntimeError(f"{shlex.join(words)}: exit code {process.returncode}\n{error}")


@contextmanager
def launched(
    given: Sequence[str], worker: str, *, patient: bool = True, **streams: Any
) -> Iterator["subprocess.Popen[str]"]:
    """A process. If it still runs when the context is left, it is killed with all processes below it."""
    process = subprocess.Popen(given, env=environment(worker, patient=patient), **streams)
    try:
        yield process
    finally:
        if process.poll() is None:
            kill([*descendants(process.pid), process.pid])
        process.wait()


def environment(worker: str, *, patient: bool = True) -> dict[str, str]:
    """The environment of the processes of a trial.

    Where they are more than the cores, those that wait must be patient and leave the cores to others. Where each has a
    core, as usually, that would only cost time.
    """
    waiting = {"MPIR_CVAR_ENABLE_HEAVY_YIELD": "1"} if patient else {}
    return os.environ | waiting | {WORKER: worker, "OMP_NUM_THREADS": "1"}


def digest(run: Path) -> str:
    """The sha256 of the model, and of what a resume reads."""
    newest = max(run.glob("checkpoints/step-*"))
    sha = hashlib.sha256()
    for file in (run / "model.safetensors", newest / "model.safetensors", newest / "training_state.safetensors"):
        for name, tensor in sorted(load_file(file).items()):
            sha.update(name.encode() + tensor.tobytes())
    return f"{newest.name} {sha.hexdigest()[:16]}"


def bits(folder: Path, text: Path, options: argparse.Namespace) -> int:
    """Trains each run with each number of processes; returns how many differ."""
    failed = 0
    with Hosts(options.hosts) if options.hosts else nullcontext() as hosts:
        for backend in options.backend:
            for name in options.runs:
                words = [*RUNS[name].format(text=text).split(), "--shards", str(SHARDS), "--backend", backend]
                found = {}
                for processes in options.processes:
                    out = folder / f"{backend}-{name}-{processes}".replace(" ", "-")
                    run(processes, [*words, "--out", str(out)], hosts)
                    found[str(processes)] = digest(out)
                out = folder / f"{backend}-{name}-resumed".replace(" ", "-")
                found["4, 2, 1"] = resumed(out, words, (4, 2, 1), hosts)
                same = len(set(found.values())) == 1
                failed += not same
                print(f"{backend} {name}: {next(iter(found.values())) if same else found}", flush=True)
    print(f"{failed} of {len(options.backend) * len(options.runs)} runs depend on the number of processes")
    return failed


def resumed(out: Path, words: list[str], sizes: Sequence[int], hosts: Hosts | None) -> str:
    """The digest of a run that is stopped twice and goes on with other numbers of processes."""
    again = ["pretrain"] if words[0] == "pretrain" else words[:2]
    for part, processes in enumerate(sizes):
        given = [*words, "--out", str(out)] if part == 0 else [*again, "--resume", str(out)]
        stopped = part < len(sizes) - 1
        run(processes, given, hosts, worker=f"stop {3 + 4 * part}" if stopped else "train")
    return digest(out)


def ends(folder: Path, text: Path, options: argparse.Namespace) -> int:
    """Ends runs in each way, resumes them, and compares; returns how many trials failed."""
    words = ENDED.format(text=text).split()
    run(1, [*words, "--out", str(folder / "whole")])
    expected, failed = digest(folder / "whole"), 0
    rng = random.Random(options.seed)
    on_hosts = any(kind in options.ends for kind in ("cut cable", "pause"))
    with Hosts(MOST_HOSTS) if on_hosts else nullcontext() as hosts:
        for number in range(options.times):
            for kind in options.ends:
                out, processes = folder / f"{kind}-{number}".replace(" ", "-"), rng.choice((2, 3, 4))
                seconds, said, code = ended(kind, processes, [*words, "--out", str(out)], out, rng, hosts)
                problem = "hung, " if code is None else ""
                problem += "too slow, " if code is not None and seconds >= GONE_SECONDS and kind != "pause" else ""
                again = command_to_resume(kind, said)
                problem += "" if again else "no command to resume, "
                problem += "" if code is None or (code == 0) == (kind == "pause") else "wrong exit code, "
                temporary = [path.name for path in (*out.glob("*"), *out.glob("checkpoints/*")) if ".tmp" in path.name]
                try:
                    if kind != "pause":
                        resume = again or ["train", "charlm", "--resume", str(out)]
                        run(rng.choice((1, 2, 4)), resume, seconds=PATIENCE)
                    problem += "" if digest(out) == expected else "other bits, "
                except (RuntimeError, OSError, ValueError, SafetensorError) as error:
                    problem += f"not resumed ({str(error).strip().splitlines()[-1]}), "
                failed += bool(problem)
                left = f", left: {', '.join(temporary)}" if temporary else ""
                last = said.splitlines()[-1] if said else ""
                print(
                    f"{kind}, {processes} processes: exit code {code}, gone in {seconds:.2f} s, "
                    f"{problem or 'the same bits in the end'}{left}; {last if problem else ''}",
                    flush=True,
                )
    print(f"{failed} of {options.times * len(options.ends)} trials failed")
    return failed


def command_to_resume(kind: str, said: str) -> list[str]:
    """The words of the last command to resume that a run printed; none if it printed none.

    At its start, each run prints one for a process that is lost without a word. It does not count for other ends.
    """
    lines = said.splitlines()
    if kind in RESUMABLE:
        lines = [line for line in lines if not line.startswith("if a process is lost,")]
    found = re.findall(r"resume with: (?:mpiexec -n \d+ )?rnnnlp (.*)", "\n".join(lines))
    return shlex.split(found[-1]) if found else []


def messages(folder: Path, text: Path, options: argparse.Namespace) -> int:
    """Measures the sum of a step over several hosts, and compares it with the bandwidth; returns how many are slow."""
    failed = 0
    with Hosts(MOST_HOSTS) as hosts:
        for wire in options.wire:
            for processes in (2, 4):
                for length in MESSAGES:
                    given = command(processes, [str(length), str(options.times)], hosts)
                    environ = environment(f"sum {wire}", patient=False)
                    done = subprocess.run(given, env=environ, capture_output=True, text=True)
                    if done.returncode:
                        raise RuntimeError(done.stderr)
                    found = json.loads(done.stdout)
                    size = 2 if wire == "bf16" else 4
                    expected = 2 * (processes - 1) / processes * size * length / BANDWIDTH
                    expected += 2 * math.log2(processes) * LATENCY
                    least, median = min(found), sorted(found)[len(found) // 2]
                    failed += median > 1.15 * expected
                    print(
                        f"{processes} hosts, {length / 1e6:g} million {wire}: median {1e3 * median:.1f} ms, least "
                        f"{1e3 * least:.1f} ms, formula {1e3 * expected:.1f} ms ({median / expected - 1:+.0%})",
                        flush=True,
                    )
    return failed


def slow(folder: Path, text: Path, options: argparse.Namespace) -> int:
    """Measures a step of two processes at 1 Gbit/s beside that of one alone with half the streams, with options."""
    words = f"{LARGE} --steps 96 --bptt 128 --hidden-size 512 --threads 1 --batch-size".format(text=text).split()
    more = {"without options": [], "--wire bf16": ["--wire", "bf16"], "--sync-every 32": ["--sync-every", "32"]}
    run(1, [*words, "32", "--out", str(folder / "alone")], patient=False)
    alone, _ = measured_step(folder / "alone")
    print(f"one process: {1000 * alone:.1f} ms a step", flush=True)
    with Hosts(2) as hosts:
        for number, (name, given) in enumerate(more.items()):
            out = folder / f"together-{number}"
            run(2, [*words, "64", *given, "--out", str(out)], hosts, patient=False)
            seconds, share = measured_step(out)
            print(
                f"two computers, {name}: {1000 * seconds:.1f} ms a step, {share:.0%} in messages, "
                f"efficiency {alone / seconds:.2f}",
                flush=True,
            )
    return 0


def measured_step(run: Path) -> tuple[float, float]:
    """Seconds of a step after the first ten, and the share of messages in all."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = {line["step"]: line for line in lines if "loss" in line}
    first, last = min(step for step in found if step >= 10), max(found)
    seconds = (found[last]["seconds"] - found[first]["seconds"]) / (last - first)
    return seconds, found[last].get("share_of_messages", 0.0)


def sums(words: list[str], wire: str) -> int:
    """One process of `messages`: prints the seconds of each sum."""
    from rnnnlp.training.distributed import working_with
    from rnnnlp.training.gradient_sum import Gradient, sum_of_shards
    from rnnnlp.training.mpi import OverMPI
    from rnnnlp.training.wire import WIRES

    length, times = map(int, words)
    job = OverMPI.started()
    gradient = np.random.default_rng(job.rank).normal(size=(length, 1)).astype(np.float32)
    found = []
    with working_with(job):
        for _ in range(times):
            job.exchange(None)
            begin = time.perf_counter()
            sum_of_shards(job.size, lambda shard: ([Gradient(None, gradient)], None), [gradient], WIRES[wire])
            found.append(max(job.exchange(time.perf_counter() - begin)))
    if job.rank == 0:
        print(json.dumps(found))
    return 0


def speed(folder: Path, text: Path, options: argparse.Namespace) -> int:
    """Measures the time of a step with two processes of a thread each, and with one of two threads, in turns."""
    for name, arguments in SPEEDS.items():
        words = arguments.format(text=text, reviews=options.reviews).split()
        found: dict[int, list[float]] = {1: [], 2: []}
        for number in range(options.times):
            for processes in found:
                out = folder / f"{name}-{number}-{processes}"
                threads = ["--threads", str(3 - processes), "--out", str(out)]
                run(processes, [*words, *threads], patient=False)
                found[processes].append(measured_step(out)[0])
        alone, together = min(found[1]), min(found[2])
        shown = "; ".join(f"{n}: {', '.join(f'{1000 * t:.1f}' for t in times)} ms" for n, times in found.items())
        print(f"{name}: two processes have {alone / together:.3f} of the speed of one ({shown})", flush=True)
    return 0


def files(folder: Path, text: Path, options: argparse.Namespace) -> int:
    """Predicts a hundred files by four processes and kills two of them, which start again; returns what differs."""
    from load_server import resident

    from rnnnlp.text import load_plain_texts

    texts = load_plain_texts(options.reviews)
    (folder / "in").mkdir()
    for number in range(FILES):
        lines = (json.dumps({"text": text}) for text in texts[number::FILES])
        (folder / f"in/{number:03}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    words = ["predict", "--model", "reviews-en", "--files", str(folder / "in/*.jsonl"), "--threads", "1"]
    run(1, [*words, "--out", str(folder / "alone")])
    expected = contents(folder / "alone")

    out = folder / "together"
    parts = [command(1, [*words, "--out", str(out), "--part", f"{part}/{PARTS}"]) for part in range(1, PARTS + 1)]
    environ = environment("train")
    quiet = {"env": environ, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(part, **quiet) for part in parts]
    memory: list[list[tuple[int, int]]] = [[] for _ in parts]
    killed = 0
    while any(process.poll() is None for process in started):
        done = len(list(out.glob("*.jsonl")))
        for part, process in enumerate(started):
            if resident_kb := resident(process.pid):
                memory[part].append((done, resident_kb >> 10))
        if killed < 2 and done >= (20, 50)[killed]:
            started[killed].kill()
            started[killed].wait()
            started[killed] = subprocess.Popen(parts[killed], **quiet)
            memory[killed].clear()
            killed += 1
        time.sleep(0.02)
    found = contents(out)
    wrong = [name for name in expected | found if expected.get(name) != found.get(name)]
    print(f"{len(found)} files, {killed} processes killed: {len(wrong)} differ from those of one process", flush=True)
    for part, seen in enumerate(memory, 1):
        middle = max(mib for done, mib in seen if done <= FILES * 3 // 4)
        print(f"part {part}: at most {middle} MiB up to three quarters of the files, {max(seen)[1]} MiB at the end")
    return len(wrong) + (killed < 2) + any(process.returncode != 0 for process in started)


def contents(folder: Path) -> dict[str, bytes]:
    """The predictions in a folder, by the names of their files."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".jsonl"}


def ended(
    kind: str, processes: int, words: list[str], out: Path, rng: random.Random, hosts: Hosts | None
) -> tuple[float, str, int | None]:
    """Starts a run and ends it.

    Returns:
        The seconds until all its processes are gone, its last words, and its exit code: None if it hung.
    """
    step, rank = rng.randrange(10, STEPS - 40), rng.randrange(processes)
    worker = {"exception": f"raise {step} {rank}", "full disk": f"disk {step} 0"}.get(kind, "train")
    given = command(processes, words, hosts if kind in ("cut cable", "pause") else None)
    begin = time.monotonic()
    deadline = begin + PATIENCE
    code: int | None = None
    workers: list[int] = []
    with open(out.with_suffix(".log"), "w+") as log:
        try:
            with launched(given, worker, stderr=log, stdout=log) as started:
                while started.poll() is None and not has_come_to(step, out, worker):
                    wait_until(deadline, 0.002)
                begin, workers = time.monotonic(), [pid for pid in descendants(started.pid) if is_worker(pid)]
                chosen = workers[rank : rank + 1]  # none if the run has ended
                if kind == "cut cable" and hosts is not None:
                    hosts.cut(1 + rank)
                elif kind == "kill":
                    kill(chosen)
                elif kind == "pause":
                    kill(chosen, signal.SIGSTOP)
                    time.sleep(PAUSED_SECONDS)
                    kill(chosen, signal.SIGCONT)
                elif worker == "train":
                    started.send_signal(getattr(signal, kind))
                found = started.wait(timeout=max(0.0, deadline - time.monotonic()))
                while any(is_worker(pid) for pid in workers):
                    wait_until(deadline, 0.01)
                code = found
        except (TimeoutError, subprocess.TimeoutExpired):
            pass
        finally:
            kill([pid for pid in workers if is_worker(pid)])
            if kind == "cut cable" and hosts is not None:
                hosts.mend(1 + rank)
        seconds = time.monotonic() - begin
        log.seek(0)
        return seconds, log.read(), code


def has_come_to(step: int, out: Path, worker: str) -> bool:
    """Whether a run has a checkpoint of about this step, or has failed there, as its worker should."""
    if worker == "train":
        return (out / f"checkpoints/step-{step // 5 * 5:08d}").exists()
    return "trial: " in out.with_suffix(".log").read_text()


def wait_until(deadline: float, seconds: float) -> None:
    """Waits for some seconds; TimeoutError after the deadline."""
    if time.monotonic() > deadline:
        raise TimeoutError
    time.sleep(seconds)


def is_worker(pid: int) -> bool:
    """Whether a process trains."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        return state != "Z" and Path(__file__).name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def worker(how: str, words: list[str]) -> int:
    """One process of a trial: the command `rnnnlp`, which fails at a step, or stops there."""
    from rnnnlp.cli.main import main as rnnnlp
    from rnnnlp.training import loop, run_folder
    from rnnnlp.training.launcher import launched_rank
    from rnnnlp.training.local_steps import LocalSteps

    kind, *numbers = how.split()
    if kind == "train":
        return rnnnlp(words)
    if kind == "sum":
        return sums(words, *numbers)
    at, rank = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0
    original, save = loop.gradients_of_batch, run_folder.save_tensors

    def gradients(*args: object, step: int, **kwargs: object) -> object:
        if kind == "stop" and step == at and launched_rank() == rank:
            signal.raise_signal(signal.SIGTERM)
        if kind == "raise" and step >= at and launched_rank() == rank:
            print("trial: an exception", file=sys.stderr, flush=True)
            raise RuntimeError("this process fails")
        return original(*args, step=step, **kwargs)  # type: ignore[arg-type]

    def full(path: Path, *args: object, **kwargs: object) -> None:
        steps = re.findall(r"step-(\d{8})", str(path))
        if kind == "disk" and steps and int(steps[0]) >= at:
            print("trial: a full disk", file=sys.stderr, flush=True)
            raise OSError(28, "No space left on device")
        save(path, *args, **kwargs)  # type: ignore[arg-type]

    train = LocalSteps.train

    def local_steps(self: LocalSteps, *args: object, **kwargs: object) -> object:
        if kind == "stop" and self.optimizer.steps <= at < self.optimizer.steps + 4 and launched_rank() == rank:
            signal.raise_signal(signal.SIGTERM)
        return train(self, *args, **kwargs)  # type: ignore[arg-type]

    loop.gradients_of_batch, run_folder.save_tensors = gradients, full  # type: ignore[assignment]
    LocalSteps.train = local_steps  # type: ignore[assignment,method-assign]
    return rnnnlp(words)


if __name__ == "__main__":
    sys.exit(worker(how, sys.argv[1:]) if (how := os.environ.get(WORKER)) else main())
