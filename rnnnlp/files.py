"""Files that are written whole or not at all, and checked when they are read."""

import errno
import hashlib
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from rnnnlp.errors import UserError

JSON_LIMIT, TOKENIZER_LIMIT = 1 << 24, 1 << 26  # bytes; larger files are neither written nor read
MOST_PARTS = 100_000  # objects and lists in a JSON file
_PATIENCE = 1.0 if os.name == "nt" else 0.0  # seconds: Windows replaces no file that a program has open
REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk",
    errno.EFBIG: "make room on that disk",
}
# Flags with which no pipe is waited for and no child inherits the file, and no link is followed; Windows lacks some.
_NOT_WAITING = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
GUARDED = _NOT_WAITING | getattr(os, "O_NOFOLLOW", 0)
TEMPORARY = r"\.[^/]{0,40}\.[0-9a-f]{16}\.tmp"  # the names that `temporary_name` gives


# Files that this process has open, by number; to open these names again would empty them.
_OPENED = re.compile(r"/dev/(stdout|stderr)|(?:/dev/fd|/proc/self/fd)/([0-9]{1,9})", re.ASCII)


class CorruptFileError(UserError):
    """A file of a model or a checkpoint is missing or damaged, or another file has taken its place."""


class SpecialFileError(OSError):
    """A pipe or a device stands where a file is expected."""


class WriteError(UserError):
    """A file cannot be written: the disk is full, or there is no permission."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context that turns an `OSError` into a `WriteError`, which names `path`, the reason and the remedy.

    A `RecursionError` comes from folders that are nested too deeply.
    """
    try:
        yield
    except (OSError, RecursionError) as error:
        number, reason = (error.errno or 0, error.strerror) if isinstance(error, OSError) else (0, "too deep")
        remedy = REMEDIES.get(number, "make it writable, or use another folder")
        raise WriteError(f"{path} cannot be written ({reason or error}); {remedy}") from None


def temporary_name(path: Path) -> Path:
    """A name beside `path` that nobody can guess, for what will be renamed to `path`."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")


def open_inside(path: Path, flags: int) -> int:
    """Opens a file in a folder that may have come from elsewhere. A link in its place is not followed.

    Args:
        path: The file.
        flags: Of `os.open`, such as `os.O_RDWR | os.O_CREAT`.

    Returns:
        The descriptor.

    Raises:
        UserError: If there is a link, a pipe, a device or a folder.
        OSError: If it cannot be opened.
    """
    descriptor = None
    try:
        descriptor = os.open(path, flags | GUARDED, 0o666)
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        if not os.path.lexists(path) or stat.S_ISREG(os.lstat(path).st_mode):
            raise
        is_file = False
    if not is_file:
        if descriptor is not None:
            os.close(descriptor)
        raise UserError(f"{path} is a link, a folder or a special file; a regular file is expected: remove it")
    assert descriptor is not None
    return descriptor


def own_folder(path: Path) -> Path:
    """`path`, a folder inside of another one that may have come from elsewhere.

    Raises:
        UserError: If there is a link.
    """
    if path.is_symlink():
        raise UserError(f"{path} is a link to another folder, which is not followed: put the folder itself there")
    return path


def write_atomically(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Writes a file so that `path` has either the old or the new content, even if the process or the machine stops.

    Args:
        path: The file.
        content: Its new content.
        sync: Whether to wait for the disk. Files in a folder that is then synced as a whole need not wait.

    Raises:
        WriteError: If it cannot be written; `path` then has the old content.
    """
    with writing(path), _replaced(path, sync=sync) as file:
        file.write(content)


def create_atomically(path: Path, content: bytes) -> bool:
    """As `write_atomically`, unless there is such a file: of several processes, one makes it.

    Returns:
        Whether this call made it.

    Raises:
        WriteError: If it cannot be written.
    """
    with writing(path), suppress(FileExistsError):
        with _replaced(path, sync=True, is_new=True) as file:
            file.write(content)
        return True
    return False


@contextmanager
def _replaced(path: Path, *, sync: bool, mode: int | None = None, is_new: bool = False) -> Iterator[IO[bytes]]:
    """A context that gives a temporary file, which becomes `path` if nothing fails; `mode` is its permissions.

    With `is_new`, a file that is there stays, and `FileExistsError` is raised.
    """
    temporary = temporary_name(path)
    try:
        with open(open_inside(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        if is_new:
            _rename_to_new(temporary, path)
        else:
            replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _rename_to_new(source: Path, target: Path) -> None:
    """Renames a file; FileExistsError if there is a `target`. Without hard links, one that is made now is replaced."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        replace(source, target)
    else:
        source.unlink()


def replace(source: Path, target: Path) -> None:
    """Renames a file, and replaces `target`. On Windows, it waits a moment for others that have `target` open."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def open_regular(path: str | Path, *, follow_links: bool = True) -> BinaryIO:
    """Opens a file to read. A pipe is not waited for, and a device, which may have no end, is not read.

    Raises:
        OSError: If it is not a regular file, a link where none is followed, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | (_NOT_WAITING if follow_links else GUARDED))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise SpecialFileError(errno.EINVAL, "it is a pipe or a device", str(path))
    return open(descriptor, "rb")


@contextmanager
def replaced_file(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A context that gives a file for the output of a command. `path` has the old content until it is left.

    `sync` is whether to wait for the disk.

    Pipes, devices, and files in a folder without write permission are written directly, and `/dev/stdout` continues
    what was printed before. A link stays, and what it links to changes.

    Raises:
        OSError: If it cannot be written.
    """
    if opened := _OPENED.fullmatch(str(path)):
        names = {"stdout": 1, "stderr": 2}
        with open(os.dup(names.get(opened[1]) or int(opened[2])), "wb") as file:
            yield file
        return
    real = Path(os.path.realpath(path))
    exists = os.path.exists(path)  # `real` does not exist if it is the name of a pipe in /proc
    if exists and not (os.path.isfile(path) and os.access(real.parent, os.W_OK)):
        with open(path, "wb") as file:
            yield file
        return
    with _replaced(real, sync=sync, mode=stat.S_IMODE(real.stat().st_mode) if exists else None) as file:
        yield file


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk, on systems that can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot
            raise
    finally:
        os.close(descriptor)


def unreadable(path: Path, error: OSError) -> CorruptFileError:
    """The error for what this user may not read, or the disk does not give."""
    return CorruptFileError(f"{path} cannot be read ({error.strerror}); make it readable, or give another folder")


def require_file(path: Path, limit: int | None = None) -> None:
    """Checks that `path` is a file.

    Args:
        path: The file.
        limit: Maximum size in bytes; None means no limit.

    Raises:
        CorruptFileError: If it is missing, larger, or cannot be read.
    """
    try:
        found = path.stat()
    except PermissionError as error:
        raise unreadable(path, error) from None
    except OSError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise CorruptFileError(f"{path} is missing; the folder does not hold a (complete) model: give another one")
    if limit is not None and found.st_size > limit:
        raise CorruptFileError(f"{path} is damaged (it has {found.st_size} bytes); restore it or train again")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        CorruptFileError: If it is missing or damaged, or has a key twice.
    """

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            raise ValueError("it has a key twice")
        return content

    require_file(path, JSON_LIMIT)
    try:
        with open_regular(path) as file:
            content = file.read(JSON_LIMIT)
        if (parts := parts_of(content)) > MOST_PARTS:
            raise ValueError(f"it has {parts} parts")
        return json.loads(content, object_pairs_hook=without_duplicates)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); restore it or train again") from None


def parts_of(content: bytes) -> int:
    """An upper bound of the number of objects and lists in a JSON file: brackets in strings count, too."""
    return content.count(b"{") + content.count(b"[")


def size_and_sha256(file: BinaryIO) -> list[Any]:
    """The size and the SHA-256 digest of an open file."""
    return [os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()]  # type: ignore[arg-type]
