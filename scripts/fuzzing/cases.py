"""What the campaigns of many small cases share: their options, their environment, and the limits of a case."""

import argparse
import os
import resource
import signal
from pathlib import Path

SECONDS, PATIENCE, MEMORY = 5, 60, 1 << 30  # of processor time, of the clock, bytes


def parse(about: str | None, cases: int) -> tuple[range, int]:
    """The numbers of the cases and the seed, from the command line.

    Args:
        about: The help text.
        cases: The default number of cases.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=cases, metavar="N", help=f"number of cases (default: {cases})")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first case (default: 0)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    given = parser.parse_args()
    return range(given.first, given.first + given.cases), given.seed


def set_environment() -> None:
    """One thread, and no network. It must be set before NumPy and tokenizers are imported."""
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def limit_memory() -> None:
    """Limits this process to MEMORY more than it has now; beyond that, MemoryError is raised."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))


def start_clocks() -> None:
    """Limits the time from now on: SIGPROF ends a process that computes for too long, SIGALRM one that waits."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of all threads, user and system
    signal.alarm(PATIENCE)


def stop_clocks() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.alarm(0)
