"""Trains a character model for a long time and measures whether its memory stays flat and its speed the same.

    python scripts/soak.py --data shakespeare.txt --budget 1h --threads 2 --hidden-size 256 --json soak.json

The run is `rnnnlp train charlm` in a process of its own. Every 10 seconds the script reads its resident memory from
/proc (so it needs Linux), and its step from metrics.jsonl, while that is being written. Options that are not listed
below are passed on to the training.

The speed of a shared machine varies. So in the middle of each tenth of the time, a new process trains in the same way
beside the run. The number of steps of the run for each step of the new process does not depend on the machine.

The figures leave out the first tenth of the run. If the training fails or Ctrl-C stops it, the script still prints what
it has measured, and the exit code is 1.
"""

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rnnnlp.cli.main import reported
from rnnnlp.config import seconds

EVERY = 10.0  # seconds
MEMORY_LIMIT, SPEED_LIMIT = 0.01, 0.05  # maximum spread, as a fraction of the median
MIB = 1 << 20
ALWAYS = ["--patience", "0", "--evaluations", "10"]  # no early stopping, and an evaluation in each tenth
NEW_BEGIN, NEW_END = 0.35, 0.6  # of a tenth: when there is a new process


class Sample(NamedTuple):
    """One measurement of the run.

    Attributes:
        seconds: Since the process began.
        anonymous: Bytes of resident memory that are not pages of files.
        resident: Bytes of resident memory.
        step: The last step in metrics.jsonl; 0 before the first.
        new_step: The same of the new process beside the run; 0 if there is none.
    """

    seconds: float
    anonymous: int
    resident: int
    step: int
    new_step: int = 0


class Tenth(NamedTuple):
    """A tenth of the run.

    Attributes:
        anonymous: Median of the samples.
        resident: Median of the samples.
        steps_per_second: Speed by the clock.
        steps_per_new_step: The number of steps for each step of the new process.
    """

    anonymous: float
    resident: float
    steps_per_second: float
    steps_per_new_step: float


class Metrics:
    """Reads a metrics.jsonl while it is being written.

    Attributes:
        read: The number of bytes read.
        step: The last step.
        lines: The number of lines read.
        cut: How often the last line was incomplete.
    """

    def __init__(self, path: Path):
        self.path, self.read, self.step, self.lines, self.cut = path, 0, 0, 0, 0

    def update(self) -> None:
        """Reads what was added since the last time.

        Raises:
            ValueError: If a complete line is not JSON.
        """
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(self.read)
            whole, end, rest = file.read().rpartition(b"\n")
        self.read += len(whole) + len(end)
        self.cut += bool(rest)
        for line in whole.splitlines():
            self.step = json.loads(line)["step"]
            self.lines += 1


def sample(process: int, seconds: float, step: int, new_step: int) -> Sample:
    """Measures the memory of a process.

    Raises:
        OSError: If the process has ended.
        LookupError: If it is ending.
    """
    lines = (line.split() for line in Path(f"/proc/{process}/status").read_text().splitlines())
    memory = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words and words[-1] == "kB"}
    return Sample(seconds, memory["RssAnon"], memory["VmRSS"], step, new_step)


def tenths(samples: Sequence[Sample]) -> list[Tenth]:
    """Cuts the run into ten parts of the same time, from the first logged step on.

    Raises:
        ValueError: If there are too few samples.
    """
    running = [s for s in samples if s.step]
    if len(running) < 11:
        raise ValueError(f"{len(running)} samples of the training are too few for a table of ten; train for longer")
    first, length = running[0].seconds, running[-1].seconds - running[0].seconds
    edges = [first + length * i / 10 for i in range(11)]
    marks = [min(running, key=lambda s: abs(s.seconds - edge)) for edge in edges]
    table = []
    for begin, end in itertools.pairwise(marks):
        within = [s for s in running if begin.seconds < s.seconds <= end.seconds]
        steps = end.step - begin.step
        table.append(
            Tenth(
                statistics.median(s.anonymous for s in within),
                statistics.median(s.resident for s in within),
                steps / (end.seconds - begin.seconds),
                per_new_step(within),
            )
        )
    return table


def per_new_step(samples: Sequence[Sample]) -> float:
    """The number of steps for each step of the new process, while both trained; NaN if they never did."""
    both = [(a, b) for a, b in itertools.pairwise(samples) if 0 < a.new_step < b.new_step]
    new_steps = sum(b.new_step - a.new_step for a, b in both)
    return sum(b.step - a.step for a, b in both) / new_steps if new_steps else math.nan


def spread(values: Sequence[float]) -> float:
    """The difference of the largest and the smallest value, as a fraction of the median; NaN if one is NaN."""
    if any(map(math.isnan, values)):
        return math.nan
    return (max(values) - min(values)) / statistics.median(values)


def figures(table: Sequence[Tenth], samples: Sequence[Sample]) -> dict[str, Any]:
    """The figures after the first tenth, and whether they are within the limits."""
    spreads = {f"spread_of_{name}": spread([getattr(tenth, name) for tenth in table[1:]]) for name in Tenth._fields}
    return spreads | {
        "max_anonymous": max(s.anonymous for s in samples),
        "memory_is_flat": spreads["spread_of_anonymous"] <= MEMORY_LIMIT,
        "speed_is_even": spreads["spread_of_steps_per_second"] <= SPEED_LIMIT,
        "speed_beside_a_new_process_is_even": spreads["spread_of_steps_per_new_step"] <= SPEED_LIMIT,
    }


def report(table: Sequence[Tenth], found: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{'tenth':>5} {'anonymous MiB':>14} {'resident MiB':>13} {'steps/s':>9} {'per new':>8}"]
    for number, tenth in enumerate(table, 1):
        lines.append(
            f"{number:5d} {tenth.anonymous / MIB:14.2f} {tenth.resident / MIB:13.2f} {tenth.steps_per_second:9.2f} "
            f"{tenth.steps_per_new_step:8.3f}"
        )
    yes = {True: "yes", False: "NO"}
    lines += [
        "after the first tenth, largest minus smallest tenth, as a fraction of the median:",
        f"  anonymous memory {found['spread_of_anonymous']:.2%}: flat within {MEMORY_LIMIT:.0%}? "
        f"{yes[found['memory_is_flat']]} (all resident memory, with pages of files: "
        f"{found['spread_of_resident']:.2%}; maximum: {found['max_anonymous'] / MIB:.2f} MiB)",
        f"  speed by the clock {found['spread_of_steps_per_second']:.2%}: even within {SPEED_LIMIT:.0%}? "
        f"{yes[found['speed_is_even']]}",
        f"  speed beside a new process {found['spread_of_steps_per_new_step']:.2%}: even within {SPEED_LIMIT:.0%}? "
        f"{yes[found['speed_beside_a_new_process_is_even']]}",
    ]
    return "\n".join(lines)


class Training:
    """`rnnnlp train charlm` in a process of its own."""

    def __init__(self, words: Sequence[str], out: Path):
        self.metrics = Metrics(out / "metrics.jsonl")
        command = [sys.executable, "-m", "rnnnlp.cli.main", "train", "charlm", "--out", str(out), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def step(self) -> int:
        """The last step in metrics.jsonl; 0 before the first, and after the process has ended."""
        self.metrics.update()
        return self.metrics.step if self.process.poll() is None else 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def soak(words: list[str], out: Path, every: float, budget: float) -> tuple[list[Sample], Metrics, str]:
    """Runs the training and takes samples, to its end or to Ctrl-C.

    Args:
        words: The options of the training.
        out: Its run folder.
        every: Seconds between samples.
        budget: Seconds of the training.

    Returns:
        The samples, the metrics that were read, and what went wrong, or "".
    """
    samples, trouble, new = [], "", None
    started = time.monotonic()
    long = Training(words, out)
    try:
        with tempfile.TemporaryDirectory(prefix="rnnnlp-soak-") as temporary:
            try:
                while long.process.poll() is None:
                    now = time.monotonic() - started
                    tenth, fraction = divmod(10 * now / budget, 1)
                    if not NEW_BEGIN <= fraction < NEW_END and new:
                        new.end()
                        new = None
                    elif NEW_BEGIN <= fraction < NEW_END and not new:
                        new = Training([*words, "--evaluations", "1"], Path(temporary) / f"{tenth:.0f}")
                    step, new_step = long.step(), new.step() if new else 0
                    try:
                        samples.append(sample(long.process.pid, now, step, new_step))
                    except (OSError, LookupError):  # it has just ended
                        break
                    time.sleep(max(0.0, started + every * len(samples) - time.monotonic()))
            finally:  # before its folder is removed
                if new:
                    new.end()
            if long.process.wait():
                trouble = f"the training ended with exit code {long.process.returncode}"
    except KeyboardInterrupt:
        trouble = "interrupted before the training ended"
    except ValueError as error:
        trouble = f"a line of {long.metrics.path} is not JSON: {error}"
    finally:
        long.end()
    return samples, long.metrics, trouble


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the text: as for rnnnlp train charlm")
    parser.add_argument("--budget", default="1h", metavar="TIME", help="training time (default: 1h)")
    parser.add_argument("--threads", default="1", metavar="N", help="number of threads (default: 1)")
    parser.add_argument("--hidden-size", default="128", metavar="N", help="number of hidden units (default: 128)")
    parser.add_argument("--out", type=Path, metavar="RUN", help="the new run folder (default: temporary)")
    parser.add_argument(
        "--every", type=float, default=EVERY, metavar="X", help=f"seconds between samples (default: {EVERY:g})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures and all samples")
    given, more = parser.parse_known_args()
    return reported(lambda: measure(given, more))


def measure(given: argparse.Namespace, more: list[str]) -> int:
    """Trains, prints the figures and writes them; returns 1 if they are not even."""
    options = ["--data", given.data, "--budget", given.budget, "--threads", given.threads]
    options += ["--hidden-size", given.hidden_size, *ALWAYS, *more]
    with tempfile.TemporaryDirectory(prefix="rnnnlp-soak-") as temporary:
        samples, metrics, trouble = soak(
            options, given.out or Path(temporary) / "run", given.every, seconds(given.budget)
        )
    print(f"rnnnlp train charlm {' '.join(options)}")
    print(f"{samples[-1].seconds if samples else 0:.0f} seconds, {metrics.step:,} steps, {len(samples)} samples;")
    print(f"{metrics.lines:,} lines of metrics.jsonl were read while it was written, {metrics.cut} were incomplete")
    content: dict[str, Any] = {"options": options, "trouble": trouble, "samples": [s._asdict() for s in samples]}
    even = False
    try:
        table = tenths(samples)
    except ValueError as error:
        trouble = trouble or str(error)
    else:
        found = figures(table, samples)
        print(report(table, found), flush=True)
        content |= {"figures": found, "tenths": [tenth._asdict() for tenth in table]}
        even = found["memory_is_flat"] and (found["speed_is_even"] or found["speed_beside_a_new_process_is_even"])
    if given.json:
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    if trouble:
        sys.exit(trouble)
    return int(not even)


if __name__ == "__main__":
    sys.exit(main())
