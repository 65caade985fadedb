"""Memory that is free goes back to the system."""

import ctypes


def return_freed() -> None:
    """Gives back what the C library keeps of freed memory, where it is glibc; elsewhere nothing.

    An evaluation or a checkpoint leaves holes between what stays, which the steps after it fill in another way each
    time: the process would seem to grow and shrink by tens of MiB for as long as it runs.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    trim(0)
