"""Trains a language model for a long time and watches it: does its memory stay flat, and its speed the same?

    python scripts/soak.py --data shakespeare.txt --budget 1h --threads 2 --hidden-size 256 --json soak.json

The run is a real `rnnnlp train charlm` in a process of its own. Every 10 seconds its resident memory is read from /proc
(so Linux is needed), and its progress from metrics.jsonl while that is being written. Options that are not listed below
go to the training as they are. A machine shared with others is now fast, now slow, so in the middle of each tenth of
the time another, fresh process trains the same way beside it: what the long run does for each step of the fresh one is
its own speed. Figures leave out the first tenth of the run. If the training fails, or Ctrl-C ends it, what was measured
until then is still given, and the exit code is 1.
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

from rnnnlp.cli.options import seconds

EVERY = 10.0  # seconds
MEMORY_LIMIT, SPEED_LIMIT = 0.01, 0.05  # how much may differ, as a share
MIB = 1 << 20
ALWAYS = ["--patience", "0", "--evaluations", "10"]  # it does not stop early, and each tenth has an evaluation
FRESH_BEGIN, FRESH_END = 0.35, 0.6  # of a tenth: when there is a fresh process


class Sample(NamedTuple):
    seconds: float  # since the process began
    anonymous: int  # bytes of resident memory that are no pages of files
    resident: int  # bytes
    step: int  # the last in metrics.jsonl, 0 if there is none yet
    fresh: int = 0  # the same of the fresh process beside it, 0 if there is none


class Tenth(NamedTuple):
    """Of the run: the medians of its samples, the steps a second, and the steps for each of the fresh process."""

    anonymous: float
    resident: float
    steps_per_second: float
    steps_per_fresh_step: float


class Metrics:
    """Reads what was added to a metrics.jsonl since the last time."""

    def __init__(self, path: Path):
        self.path, self.read, self.step, self.lines, self.cut = path, 0, 0, 0, 0

    def update(self) -> None:
        """ValueError if a whole line is no JSON."""
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


def sample(process: int, seconds: float, step: int, fresh: int) -> Sample:
    """OSError or LookupError if the process has ended."""
    lines = (line.split() for line in Path(f"/proc/{process}/status").read_text().splitlines())
    memory = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words and words[-1] == "kB"}
    return Sample(seconds, memory["RssAnon"], memory["VmRSS"], step, fresh)


def tenths(samples: Sequence[Sample]) -> list[Tenth]:
    """The run in ten parts of the same time, from the first logged step on. ValueError if there are too few samples."""
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
                per_fresh_step(within),
            )
        )
    return table


def per_fresh_step(samples: Sequence[Sample]) -> float:
    """Steps for each of the fresh process, while both trained; not a number if they never did."""
    both = [(a, b) for a, b in itertools.pairwise(samples) if 0 < a.fresh < b.fresh]
    fresh = sum(b.fresh - a.fresh for a, b in both)
    return sum(b.step - a.step for a, b in both) / fresh if fresh else math.nan


def spread(values: Sequence[float]) -> float:
    """How far apart the smallest and the largest are, as a share of the median; not a number if one is not."""
    if any(map(math.isnan, values)):
        return math.nan
    return (max(values) - min(values)) / statistics.median(values)


def figures(table: Sequence[Tenth], samples: Sequence[Sample]) -> dict[str, Any]:
    """What is promised, measured after the first tenth."""
    spreads = {f"spread_of_{name}": spread([getattr(tenth, name) for tenth in table[1:]]) for name in Tenth._fields}
    return spreads | {
        "most_anonymous": max(s.anonymous for s in samples),
        "memory_is_flat": spreads["spread_of_anonymous"] <= MEMORY_LIMIT,
        "speed_is_even": spreads["spread_of_steps_per_second"] <= SPEED_LIMIT,
        "speed_beside_a_fresh_process_is_even": spreads["spread_of_steps_per_fresh_step"] <= SPEED_LIMIT,
    }


def report(table: Sequence[Tenth], found: dict[str, Any]) -> str:
    """For a person."""
    lines = [f"{'tenth':>5} {'anonymous MiB':>14} {'resident MiB':>13} {'steps/s':>9} {'fresh':>7}"]
    for number, tenth in enumerate(table, 1):
        lines.append(
            f"{number:5d} {tenth.anonymous / MIB:14.2f} {tenth.resident / MIB:13.2f} {tenth.steps_per_second:9.2f} "
            f"{tenth.steps_per_fresh_step:7.3f}"
        )
    yes = {True: "yes", False: "NO"}
    lines += [
        "after the first tenth, largest less smallest tenth, as a share of the median:",
        f"  anonymous memory {found['spread_of_anonymous']:.2%}: flat within {MEMORY_LIMIT:.0%}? "
        f"{yes[found['memory_is_flat']]} (all resident memory, with pages of files: "
        f"{found['spread_of_resident']:.2%}; the most at any moment: {found['most_anonymous'] / MIB:.2f} MiB)",
        f"  speed by the clock {found['spread_of_steps_per_second']:.2%}: even within {SPEED_LIMIT:.0%}? "
        f"{yes[found['speed_is_even']]}",
        f"  speed beside a fresh process {found['spread_of_steps_per_fresh_step']:.2%}: even within {SPEED_LIMIT:.0%}? "
        f"{yes[found['speed_beside_a_fresh_process_is_even']]}",
    ]
    return "\n".join(lines)


class Training:
    """A `rnnnlp train charlm` in a process of its own."""

    def __init__(self, words: Sequence[str], out: Path):
        self.metrics = Metrics(out / "metrics.jsonl")
        command = [sys.executable, "-m", "rnnnlp.cli.main", "train", "charlm", "--out", str(out), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def step(self) -> int:
        """The last in metrics.jsonl; 0 if there is none, or none any more because the process has ended."""
        self.metrics.update()
        return self.metrics.step if self.process.poll() is None else 0

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def soak(words: list[str], out: Path, every: float, budget: float) -> tuple[list[Sample], Metrics, str]:
    """Runs the training and watches it, to its end or to Ctrl-C. The last of the result says what went wrong, if so."""
    samples, trouble, fresh = [], "", None
    started = time.monotonic()
    long = Training(words, out)
    try:
        with tempfile.TemporaryDirectory(prefix="rnnnlp-soak-") as temporary:
            while long.process.poll() is None:
                now = time.monotonic() - started
                tenth, place = divmod(10 * now / budget, 1)
                if not FRESH_BEGIN <= place < FRESH_END and fresh:
                    fresh.end()
                    fresh = None
                elif FRESH_BEGIN <= place < FRESH_END and not fresh:
                    fresh = Training([*words, "--evaluations", "1"], Path(temporary) / f"{tenth:.0f}")
                step, fresh_step = long.step(), fresh.step() if fresh else 0
                try:
                    samples.append(sample(long.process.pid, now, step, fresh_step))
                except (OSError, LookupError):  # it has just ended
                    break
                time.sleep(max(0.0, started + every * len(samples) - time.monotonic()))
            if long.process.wait():
                trouble = f"the training ended with exit code {long.process.returncode}"
    except KeyboardInterrupt:
        trouble = "interrupted before the training ended"
    except ValueError as error:
        trouble = f"a line of {long.metrics.path} is no JSON: {error}"
    finally:
        for training in (long, fresh):
            if training:
                training.end()
    return samples, long.metrics, trouble


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="what to train on, as for rnnnlp train charlm")
    parser.add_argument("--budget", default="1h", help="how long (default: 1h)")
    parser.add_argument("--threads", default="1", help="processor threads (default: 1)")
    parser.add_argument("--hidden-size", default="128", help="units of a layer (default: 128)")
    parser.add_argument("--out", type=Path, help="the new folder of the run (default: a temporary one)")
    parser.add_argument("--every", type=float, default=EVERY, help=f"seconds between samples (default: {EVERY:g})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures and all samples")
    given, more = parser.parse_known_args()
    options = ["--data", given.data, "--budget", given.budget, "--threads", given.threads]
    options += ["--hidden-size", given.hidden_size, *ALWAYS, *more]
    with tempfile.TemporaryDirectory(prefix="rnnnlp-soak-") as temporary:
        samples, metrics, trouble = soak(
            options, given.out or Path(temporary) / "run", given.every, seconds(given.budget)
        )
    print(f"rnnnlp train charlm {' '.join(options)}")
    print(f"{samples[-1].seconds if samples else 0:.0f} seconds, {metrics.step:,} steps, {len(samples)} samples;")
    print(
        f"{metrics.lines:,} lines of metrics.jsonl were read while it was written, {metrics.cut} cut off at that moment"
    )
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
        even = found["memory_is_flat"] and (found["speed_is_even"] or found["speed_beside_a_fresh_process_is_even"])
    if given.json:
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    sys.exit(trouble or not even)


if __name__ == "__main__":
    main()
