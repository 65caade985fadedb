"""What the campaigns of many small cases share: the limits of a case, and the options of the command."""

import argparse
import resource
import signal
from pathlib import Path

SECONDS, PATIENCE, MEMORY = 5, 60, 1 << 30  # of processor time, of the clock, bytes


def limit_memory() -> None:
    """Of this process, to so much more than it has now: beyond it MemoryError is raised."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))


def start_clocks() -> None:
    """From now on: SIGPROF ends a process that works for too long, SIGALRM one that waits for too long."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of all threads, user and system
    signal.alarm(PATIENCE)


def stop_clocks() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.alarm(0)


def command_line(about: str | None, cases: int) -> tuple[range, int]:
    """The numbers of the cases and the seed, from the command line; so many cases if it does not say."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=cases)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    return range(given.first, given.first + given.cases), given.seed
