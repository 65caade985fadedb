"""Memory that is free goes back to the system."""

import contextlib
import ctypes
import time
from typing import Any

EVERY = 10.0  # seconds


class FreedMemory:
    """Gives back, now and then, what the C library keeps of freed memory, if it is glibc; elsewhere it does nothing.

    An evaluation or a checkpoint leaves holes between what stays, which the steps after it fill in another way each
    time: the process would seem to grow and shrink by many MiB for as long as it runs.
    """

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.trim: Any = None
        with contextlib.suppress(AttributeError, OSError, TypeError):  # not glibc
            self.trim = ctypes.CDLL(None).malloc_trim

    def give_back(self) -> None:
        """Once in EVERY seconds, however often it is called."""
        now = time.monotonic()
        if self.trim is not None and now - self.last >= EVERY:
            self.trim(0)
            self.last = now
