"""Returns freed memory to the system."""

import contextlib
import ctypes
import time
from typing import Any

INTERVAL = 10.0  # seconds


class MallocTrimmer:
    """Calls `malloc_trim` of glibc every `INTERVAL` seconds; with another C library, it does nothing.

    An evaluation or a checkpoint leaves holes in the heap. Without trimming, the memory of the process would grow and
    shrink by many MiB for as long as it runs.
    """

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.malloc_trim: Any = None
        with contextlib.suppress(AttributeError, OSError, TypeError):  # not glibc
            self.malloc_trim = ctypes.CDLL(None).malloc_trim

    def trim_if_due(self) -> None:
        """Trims the heap, unless it did so less than INTERVAL seconds ago."""
        now = time.monotonic()
        if self.malloc_trim is not None and now - self.last >= INTERVAL:
            self.malloc_trim(0)
            self.last = now
