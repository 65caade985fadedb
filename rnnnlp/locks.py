"""Locks on open files: `flock` on Linux and macOS, locks of bytes on Windows. The system ends them with the process.

To look at a `flock` one would have to take it, and a start at that moment would fail. So on Linux the file also has a
second lock, of the kind that can be looked at (OFD locks).
"""

import errno
import os
import struct
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

NONE = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # of file systems that have none
_FAR = 1 << 30  # the byte that is locked on Windows: where nothing is written, because others cannot read it
END_SECONDS = 1.0  # that a killed process may take to end; until then it keeps its locks
_LOOKS = 5  # on Windows, to lock what another process may only be looking at


def _module(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return None


def can_lock_folders() -> bool:
    """Whether a folder can be opened and locked, as a file can."""
    return _module("fcntl") is not None


def take(descriptor: int) -> None:
    """Locks a file for the process that opened it.

    Raises:
        BlockingIOError: If another one has locked it.
        OSError: If it cannot be locked; `errno` is one of `NONE` where there are no locks.
    """
    if fcntl := _module("fcntl"):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if hasattr(fcntl, "F_OFD_SETLK"):
            with suppress(OSError):  # this lock is only there to be looked at
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
    elif msvcrt := _module("msvcrt"):
        for look in range(_LOOKS):
            time.sleep(0.01 * look)
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except PermissionError:
                pass
        raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def take_soon(descriptor: int) -> None:
    """Locks a file as `take` does, but first waits a moment for another process: it may have been killed just now."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            return take(descriptor)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def release(descriptor: int) -> None:
    """Ends the lock of a file. Closing it would not, if a child has a copy of the descriptor."""
    with suppress(OSError):
        if fcntl := _module("fcntl"):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            if hasattr(fcntl, "F_OFD_SETLK"):
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_UNLCK))
        elif msvcrt := _module("msvcrt"):
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


def is_taken(descriptor: int) -> bool:
    """Whether a process has locked a file. On Linux and macOS this takes no lock.

    Raises:
        OSError: If that cannot be known.
    """
    if fcntl := _module("fcntl"):
        asked = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)
        found = fcntl.fcntl(descriptor, asked, _whole_file(fcntl.F_WRLCK))
        return _kind(found) != fcntl.F_UNLCK or _is_in_proc_locks(descriptor)
    try:
        take(descriptor)
    except BlockingIOError:
        return True
    release(descriptor)
    return False


def _is_in_proc_locks(descriptor: int) -> bool:
    """Whether Linux lists a `flock` on a file, such as that of a run of version 0.2."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return any({"FLOCK", "WRITE", place} <= set(line.split()) for line in lines)


# struct flock; on other systems than Linux, type and whence are at its end, and F_GETLK also sees `flock`.
_IS_LINUX = os.uname().sysname == "Linux" if hasattr(os, "uname") else False


def _whole_file(kind: int) -> bytes:
    """A lock on a whole file, as `fcntl` takes it."""
    return struct.pack("hhqqi", kind, 0, 0, 0, 0) if _IS_LINUX else struct.pack("qqihh", 0, 0, 0, kind, 0)


def _kind(lock: bytes) -> int:
    return int(struct.unpack("hhqqi", lock)[0] if _IS_LINUX else struct.unpack("qqihh", lock)[3])
