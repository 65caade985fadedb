"""The lock of a run folder. The process that trains there holds it; the system releases it however that process ends.

`flock` keeps other processes out, also those of earlier versions. To look at it one would have to take it, and a start
at that moment would fail. So the same file has a second lock, of the kind that can be looked at (OFD locks of Linux).
"""

import errno
import logging
import os
import re
import struct
import weakref
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from rnnnlp.errors import UserError
from rnnnlp.files import open_inside, writing

LOCK = ".lock"
ATTEMPTS = 5  # to lock a file that others remove
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # of file systems that have none

log = logging.getLogger(__name__)


class FolderLock:
    """The lock of a run folder, held from now until `release`.

    Raises:
        UserError: If another process holds it, `.lock` is a link or not a regular file, or the system has no locks.
    """

    _held: ClassVar[weakref.WeakSet["FolderLock"]] = weakref.WeakSet()
    _descriptor: int | None

    def __init__(self, folder: Path):
        try:
            import fcntl
        except ModuleNotFoundError:
            raise UserError(
                "this system cannot lock a run folder, so rnnnlp cannot train here; "
                "train on Linux or macOS (on Windows: in WSL), and use the trained model anywhere"
            ) from None
        self._path, self._descriptor = folder / LOCK, None
        with writing(folder):
            for _ in range(ATTEMPTS):
                self._descriptor = self._opened(folder)
                if _is_at(self._descriptor, folder / LOCK):
                    break
                self._close()  # a process that ended without a run has just removed the file
            else:  # others would lock another file of that name
                raise UserError(
                    f"{folder / LOCK} cannot be locked: it is removed or replaced each time; stop what does that, or "
                    "give another folder"
                )
        if hasattr(fcntl, "F_OFD_SETLK"):
            with suppress(OSError):  # this lock is only there to be looked at
                fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        with suppress(OSError):
            _write_number(self._descriptor)
        self._held.add(self)

    @staticmethod
    def _opened(folder: Path) -> int:
        """The descriptor of the file, locked."""
        import fcntl

        descriptor = open_inside(folder / LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in NO_LOCKS:
                log.warning("%s: this file system has no locks; train only one run at a time in that folder", folder)
                return descriptor
            process = said_number(descriptor)
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                refuse_in_use(folder, process)
            raise
        return descriptor

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is locked is still the one in the folder. It is not after the folder was moved."""
        return self._descriptor is not None and _is_at(self._descriptor, self._path)

    def release(self) -> None:
        """Lets another process train in the folder."""
        import fcntl

        if self._descriptor is not None:
            with suppress(OSError):  # a copy of the descriptor in a child may stay open
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                if hasattr(fcntl, "F_OFD_SETLK"):
                    fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_UNLCK))
        self._close()

    def _close(self) -> None:
        self._held.discard(self)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @classmethod
    def _after_fork(cls) -> None:
        """Closes the parent's locks in a child, which would otherwise hold them after the parent has ended."""
        for lock in list(cls._held):
            lock._close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FolderLock._after_fork)


def holder(folder: Path) -> int | None:
    """The number of the process that trains in a folder now, 0 if it is not known, or None. The lock is left alone.

    Raises:
        UserError: If `.lock` is a link or not a regular file.
    """
    try:
        descriptor = open_inside(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        return said_number(descriptor) if _is_locked(descriptor) else None
    except (ModuleNotFoundError, OSError):
        return None
    finally:
        os.close(descriptor)


def refuse_in_use(folder: Path, process: int | None) -> None:
    """UserError if a process, as `holder` gives it, trains in a folder."""
    if process is not None:
        raise UserError(
            f"{folder} is in use: process {process} trains in it; wait, stop it, or give another folder"
        ) from None


def said_number(descriptor: int) -> int:
    """The number of the process that a lock file names; 0 if it names none."""
    line = os.pread(descriptor, 20, 0).partition(b"\n")[0]
    return int(line) if line.isdigit() else 0


def _write_number(descriptor: int) -> None:
    """Writes the number of this process into a lock file, unless it has other content or a second name."""
    if os.fstat(descriptor).st_nlink == 1 and re.fullmatch(rb"[0-9\n]*", os.pread(descriptor, 64, 0)):
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_locked(descriptor: int) -> bool:
    """Whether a process holds a lock on a file; this takes none."""
    import fcntl

    asked = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)
    found = fcntl.fcntl(descriptor, asked, _whole_file(fcntl.F_WRLCK))
    return _kind(found) != fcntl.F_UNLCK or _is_in_proc_locks(descriptor)


def _is_in_proc_locks(descriptor: int) -> bool:
    """Whether Linux lists a `flock` on a file, such as that of a run of version 0.2."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
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
