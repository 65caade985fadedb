"""What the campaigns share: their options, a process with limits for each case, and how the case ended.

The process of a case is a fork of one that has imported everything. It has

- an address space (RLIMIT_AS) of 1 GiB more than that of this process: that is what Python and the imports take,
- 5 seconds of processor time (RLIMIT_CPU), counted from the fork,
- 60 seconds of the clock (SIGALRM),
- no capabilities: where the campaign runs as root, the case can still not read what its mode forbids,
- a standard output that says it is a terminal.

RNNNLP_CASE_SECONDS and RNNNLP_CASE_PATIENCE replace the 5 and the 60 seconds, for a slow or busy machine.
"""

import argparse
import ctypes
import io
import json
import os
import resource
import shlex
import signal
import sys
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SECONDS = int(os.environ.get("RNNNLP_CASE_SECONDS", "5"))  # of processor time
PATIENCE = int(os.environ.get("RNNNLP_CASE_PATIENCE", "60"))  # seconds of the clock
MEMORY = 1 << 30  # bytes
FAILED = "FAILED: "
ERROR = "rnnnlp: error: "
_BIDIRECTIONAL = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


class Options(NamedTuple):
    """What the command line of a campaign says.

    Attributes:
        cases: The numbers of the cases.
        seed: Seed and number determine a case.
        jobs: Number of processes that run cases.
        only: The only kind of case, or None.
        keep: Where the folder of each failed case is kept, or None.
    """

    cases: range
    seed: int
    jobs: int
    only: str | None
    keep: Path | None


def parse(about: str | None, count: int, kinds: Iterable[str]) -> Options:
    """The options of a campaign, from the command line.

    Args:
        about: The help text.
        count: The default number of cases.
        kinds: The kinds of cases.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count, metavar="N", help=f"number of cases (default: {count})")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first case (default: 0)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cases at the same time (default: 1)")
    parser.add_argument("--only", choices=list(kinds), metavar="KIND", help=f"one kind: {', '.join(kinds)}")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the folders of failed cases here")
    given = parser.parse_args()
    cases = range(given.first, given.first + given.count)
    return Options(cases, given.seed, given.jobs, given.only, given.keep)


def set_environment() -> None:
    """One thread, no network, no colours. It must be set before NumPy and tokenizers are imported."""
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}


# ------------------------------------------------------------------------------------------------------------ a process


class Ended(NamedTuple):
    """How the process of a case ended.

    Attributes:
        code: Its exit code; -n if signal n ended it.
        out: Standard output.
        error: Standard error.
        seconds: Processor time.
        memory: Peak resident memory in bytes.
    """

    code: int
    out: str
    error: str
    seconds: float
    memory: int


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def in_child(
    action: Callable[[], int],
    scratch: Path,
    *,
    seconds: int = SECONDS,
    patience: float = PATIENCE,
    memory: int | None = MEMORY,
    meanwhile: Callable[[int], object] = lambda child: None,
) -> Ended:
    """Runs an action in a process of its own.

    Args:
        action: Gives the exit code. An exception that it raises is printed, as Python does.
        scratch: A folder for what it prints.
        seconds: Limit of processor time.
        patience: Limit of time by the clock, in seconds.
        memory: Limit of address space beyond that of this process, in bytes, or None.
        meanwhile: Is called with the number of the process when the action begins.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    scratch.mkdir(exist_ok=True)
    ready, begins = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _prepare(scratch, seconds, patience, memory)
            os.close(begins)
            code = action()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    os.close(begins)
    os.read(ready, 1)  # until the child is prepared, or has ended
    os.close(ready)
    meanwhile(child)
    _, status, usage = os.wait4(child, 0)
    out, error = (str((scratch / name).read_bytes(), "utf-8", "replace") for name in ("out", "error"))
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, out, error, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _prepare(scratch: Path, seconds: int, patience: float, memory: int | None) -> None:
    """Sets the streams and the limits of a new process."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "out"), (2, "error")):
        os.dup2(os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _Terminal(open(1, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    _drop_capabilities()
    if memory is not None:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + memory, size + memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, patience)


def _drop_capabilities() -> None:
    """Takes the rights of root from this process, which keeps its user."""
    version = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * 6)())


# ---------------------------------------------------------------------------------------------------------- the verdict


def verdict(ended: Ended) -> str:
    """How a command ended: "done", "refused" in one line, or "FAILED: ..."."""
    if ended.code == -signal.SIGALRM:
        return FAILED + "hung"
    if ended.code in (-signal.SIGXCPU, -signal.SIGKILL) or ended.seconds > SECONDS + 0.5:
        return FAILED + "too slow"
    if ended.memory > MEMORY + own_memory() or "not enough memory" in ended.error:
        return FAILED + "too much memory"
    if "Traceback" in ended.error:
        return FAILED + "traceback: " + ended.error.strip().splitlines()[-1][:200]
    if ended.code not in (0, 2):
        return FAILED + f"ended with {ended.code}"
    if shown := controls(ended.out + ended.error):
        return FAILED + f"control characters: {shown!r}"
    if ended.code == 0:
        return "done"
    errors = [line for line in ended.error.splitlines() if line.startswith(ERROR)]
    return "refused" if len(errors) == 1 and errors[0] == ended.error.splitlines()[-1] else FAILED + "not one line"


def controls(text: str) -> str:
    """The characters of a text that command a terminal: control characters, and those that turn its direction."""
    found = {c for c in text if (unicodedata.category(c) == "Cc" and c not in "\n\t") or c in _BIDIRECTIONAL}
    return "".join(sorted(found))


def own_memory() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# -------------------------------------------------------------------------------------------------------- all the cases


class Outcome(NamedTuple):
    """What came of a case.

    Attributes:
        case: Its number.
        kind: What was tried; the table has a line for each kind.
        what: What was done, in detail.
        ended: "refused", "as whole", ..., or "FAILED: ...".
        seconds: Processor time of its process.
        memory: Peak resident memory of its process in bytes.
        error: What it printed on standard error, if it failed.
    """

    case: int
    kind: str
    what: str
    ended: str
    seconds: float = 0.0
    memory: int = 0
    error: str = ""

    @property
    def failed(self) -> bool:
        return self.ended.startswith(FAILED)


def in_parallel(options: Options, work: Callable[[Iterable[int], int], Iterable[Outcome]]) -> Iterator[Outcome]:
    """The outcomes of all cases, from `options.jobs` processes.

    Args:
        options: Which cases.
        work: Runs the cases with these numbers; it is called with them and the number of the process.
    """
    reading, writing = os.pipe()
    children = []
    for job in range(options.jobs):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reading)
                for outcome in work(options.cases[job :: options.jobs], job):
                    os.write(writing, json.dumps(shortened(outcome)).encode() + b"\n")  # below PIPE_BUF: atomic
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    os.close(writing)
    with open(reading, "rb") as results:
        for line in results:
            yield Outcome(*json.loads(line))
    for child in children:
        if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit(f"a process of the campaign ended with {code}")


def shortened(outcome: Outcome) -> Outcome:
    """The outcome with the last lines of its error, in ASCII."""
    lines = "\n".join(map(printable, outcome.error.splitlines()[-8:]))
    return outcome._replace(what=ascii(outcome.what)[1:-1][:300], error=ascii(lines)[1:-1].replace("\\n", "\n")[-1200:])


def report(outcomes: Iterable[Outcome], options: Options) -> int:
    """Prints failures as they come, and then a table by kind; returns the exit code of the campaign."""
    started = time.monotonic()
    counts: dict[str, Counter[str]] = {}
    slowest: dict[str, float] = {}
    largest: dict[str, int] = {}
    only = f" --only {shlex.quote(options.only)}" if options.only else ""
    for outcome in outcomes:
        kind = outcome.kind
        counts.setdefault(kind, Counter())["failed" if outcome.failed else outcome.ended] += 1
        slowest[kind] = max(slowest.get(kind, 0.0), outcome.seconds)
        largest[kind] = max(largest.get(kind, 0), outcome.memory)
        if outcome.failed:
            print(f"case {outcome.case}: {kind}, {outcome.what}: {printable(outcome.ended)}", flush=True)
            print(f"    repeat: python {sys.argv[0]} --seed {options.seed} --first {outcome.case} --count 1{only}")
            print("".join(f"    {line}\n" for line in outcome.error.splitlines()), end="", flush=True)
    total: Counter[str] = sum(counts.values(), Counter())
    ends = sorted(total.keys() - {"failed"})
    rows = [["kind", *ends, "failed", "cases", "slowest, s", "most memory, MiB"]]
    for kind in sorted(counts):
        numbers = [counts[kind][end] for end in (*ends, "failed")] + [counts[kind].total()]
        rows.append([kind, *map(str, numbers), f"{slowest[kind]:.2f}", f"{largest[kind] / 2**20:.0f}"])
    numbers = [total[end] for end in (*ends, "failed")] + [total.total()]
    rows.append(["all", *map(str, numbers), f"{max(slowest.values()):.2f}", f"{max(largest.values()) / 2**20:.0f}"])
    print(as_table(rows))
    print(f"{total.total()} cases in {time.monotonic() - started:.0f} s, {total['failed']} failed")
    return int(total["failed"] > 0)


def as_table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line) for line in lines)


def printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
