"""The lock of a run folder. The process that trains there holds it, and the system ends it with the process."""

import logging
import os
import re
import weakref
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from rnnnlp import locks
from rnnnlp.errors import UserError
from rnnnlp.files import open_inside, writing
from rnnnlp.folders import make_folder

LOCK = ".lock"
ATTEMPTS = 5  # to lock a file that others remove

log = logging.getLogger(__name__)


class FolderLock:
    """The lock of a run folder, held from now until `release`.

    Args:
        folder: The run folder.
        make: Whether to make the folder if it is not there.

    Raises:
        UserError: If another process holds it, or `.lock` is a link or not a regular file.
    """

    _held: ClassVar[weakref.WeakSet["FolderLock"]] = weakref.WeakSet()
    _descriptor: int | None

    def __init__(self, folder: Path, *, make: bool = False):
        self._path, self._descriptor = folder / LOCK, None
        with writing(folder):
            for _ in range(ATTEMPTS):
                if make:
                    make_folder(folder)
                try:
                    self._descriptor = self._opened(folder)
                except FileNotFoundError:
                    if not make:
                        raise
                    continue  # a process that ended without a run has just removed the folder
                if _is_at(self._descriptor, folder / LOCK):
                    break
                self._close()  # or the file
            else:  # others would lock another file of that name
                raise UserError(
                    f"{folder / LOCK} cannot be locked: it is removed or replaced each time; stop what does that, or "
                    "give another folder"
                )
        with suppress(OSError):
            _write_pid(self._descriptor)
        self._held.add(self)

    @staticmethod
    def _opened(folder: Path) -> int:
        """The descriptor of the file, locked."""
        descriptor = open_inside(folder / LOCK, os.O_RDWR | os.O_CREAT)
        try:
            locks.take_soon(descriptor)
        except OSError as error:
            if error.errno in locks.NONE:
                log.warning("%s: this file system has no locks; train only one run at a time in that folder", folder)
                return descriptor
            process = recorded_pid(descriptor)
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
        if self._descriptor is not None:
            locks.release(self._descriptor)
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
    """The process ID (PID) that trains in a folder now, 0 if it is not known, or None. The lock is left alone.

    Raises:
        UserError: If `.lock` is a link or not a regular file.
    """
    try:
        descriptor = open_inside(folder / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        return recorded_pid(descriptor) if locks.is_taken(descriptor) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def refuse_in_use(folder: Path, process: int | None) -> None:
    """UserError if a process, as `holder` gives it, trains in a folder."""
    if process is not None:
        who = f"process {process}" if process else "another process"
        raise UserError(f"{folder} is in use: {who} trains in it; wait, stop it, or give another folder") from None


def recorded_pid(descriptor: int) -> int:
    """The process ID that a lock file names; 0 if it names none."""
    line = _content(descriptor)[:20].partition(b"\n")[0]
    return int(line) if line.isdigit() else 0


def _write_pid(descriptor: int) -> None:
    """Writes the ID of this process into a lock file, unless it has other content or a second name."""
    if os.fstat(descriptor).st_nlink == 1 and re.fullmatch(rb"[0-9\n]*", _content(descriptor)):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, b"%d\n" % os.getpid())


def _content(descriptor: int) -> bytes:
    """What a lock file begins with."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 64)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
