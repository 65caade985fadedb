"""The processes below a process on Linux, and signals to them: for trials that end whole runs."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def kill(pids: Sequence[int], number: int = signal.SIGKILL) -> None:
    """Sends a signal to those of the processes that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [found for child in children for found in (child, *descendants(child))]
