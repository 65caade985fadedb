"""The cache: a folder of entries, each written whole or not at all, by any number of processes at once.

An entry is a folder with a manifest: its key, and the size and SHA-256 digest of each of its files. All of them are
verified whenever the entry is opened. A damaged or unreadable entry is ignored and written again.

The modification time of an entry is the time of its last use. When a new entry makes the cache larger than its limit,
the least recently used entries are removed.
"""

import errno
import getpass
import hashlib
import json
import logging
import math
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from rnnnlp.errors import UserError
from rnnnlp.files import TEMPORARY, open_regular, size_and_sha256, temporary_name
from rnnnlp.folders import hold, publish_folder, remove

log = logging.getLogger(__name__)

Content = TypeVar("Content")

_MANIFEST = "manifest.json"
_LONGEST_MANIFEST = 1 << 16  # bytes
_UNLOCKED = ".unfinished-"  # begins the name of an unfinished entry without a lock; earlier versions made only these
_ABANDONED_SECONDS = 24 * 3600  # after which those are removed
_IN_USE_SECONDS = 3600  # entries used more recently than this stay: a process may be about to open them
_LIMIT = 20.0  # GB
_KEY = re.compile(r"[0-9a-f]{32}")  # names of entries; besides these, only unfinished ones are removed
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # say nothing about the file


def cache_folder() -> Path:
    """The folder of the cache: `$RNNNLP_CACHE`, or else `rnnnlp` in `$XDG_CACHE_HOME` or `~/.cache`.

    If there is no home folder, or it cannot be written, the cache is a folder of this user in the temporary folder.

    Raises:
        UserError: If another user has made that folder.
    """
    if given := os.environ.get("RNNNLP_CACHE"):
        with suppress(RuntimeError):
            return Path(given).expanduser()
        raise UserError(f"RNNNLP_CACHE is {given}, and this user has no home folder; give a full path")
    with suppress(RuntimeError):  # no home folder
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "rnnnlp"
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if os.access(nearest, os.W_OK | os.X_OK):
            return folder
    return _temporary_cache()


def _temporary_cache() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"rnnnlp-cache-{user}"
    log.info("there is no home folder that can be written: the cache is %s", folder)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise _cannot_write(folder, error) from error
    if hasattr(os, "getuid") and (found.st_uid != user or found.st_mode & 0o077 or not stat.S_ISDIR(found.st_mode)):
        raise UserError(f"the cache {folder} is not private to this user; remove it, or set RNNNLP_CACHE")
    return folder


def cache_limit() -> float:
    """The maximum size of the cache in bytes: `$RNNNLP_CACHE_LIMIT`, which is in GB, or 20 GB.

    Raises:
        UserError: If the variable is not a number of at least 0.
    """
    given = os.environ.get("RNNNLP_CACHE_LIMIT") or _LIMIT
    try:
        limit = float(given)
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise UserError(f"RNNNLP_CACHE_LIMIT is {given}; it must be a number of GB, at least 0")
    return limit * 1e9


def cache_key(**parts: Any) -> str:
    """A key for these parts, which may be anything that JSON can write. Equal parts have equal keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]  # as in _KEY


def cached(folder: Path, key: str, write: Callable[[Path], None], read: Callable[[Path], Content]) -> Content:
    """The content of an entry, which is written first if the cache does not have it whole.

    Where the cache cannot be written, the content is written into a temporary folder, which is logged.

    Args:
        folder: The folder of the cache.
        key: The key of the entry, as from `cache_key`.
        write: Fills an empty folder with the content of the entry.
        read: Reads what `write` wrote; an exception means that the entry is damaged, unless memory or open files ran
            out.

    Raises:
        UserError: If neither the cache nor the temporary folder can be written.
    """
    entry = folder / key
    if os.path.lexists(entry):
        try:
            return _opened(entry, read)
        except Exception as error:  # whatever is wrong with it
            if isinstance(error, MemoryError) or getattr(error, "errno", None) in _EXHAUSTED:
                raise
            reason = str(error) or type(error).__name__
            log.warning("%s in the cache is not used (%s); it is written again", entry, reason)
        with suppress(OSError):  # another user's may have to stay
            remove(entry)
    limit = cache_limit()
    try:
        content = _added(folder, key, write, read)
        _remove_beyond(folder, limit)
        return content
    except OSError as error:
        return _not_kept(folder, key, write, read, error)


def _opened(entry: Path, read: Callable[[Path], Content]) -> Content:
    """The content of an entry that is there. Any exception means that it is damaged, or cannot be read."""
    _verify(entry)
    content = read(entry)
    with suppress(OSError):  # the cache may be read-only for this user
        os.utime(entry)
    return content


def _added(folder: Path, key: str, write: Callable[[Path], None], read: Callable[[Path], Content]) -> Content:
    """The content of a new entry. OSError if the cache cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    with _unfinished(folder) as new:
        written = _filled(new, key, write)
        with suppress(OSError):  # another process was first, or another user's entry cannot be replaced
            publish_folder(written, folder / key)
            written = folder / key
        return read(written)


def _not_kept(
    folder: Path, key: str, write: Callable[[Path], None], read: Callable[[Path], Content], problem: OSError
) -> Content:
    """The content of an entry that cannot be kept because of a problem with the cache."""
    log.warning(
        "the cache %s cannot be written (%s): each run encodes the text again; set RNNNLP_CACHE to another folder",
        *(folder, problem.strerror or problem),
    )
    try:
        with tempfile.TemporaryDirectory(prefix="rnnnlp-", ignore_cleanup_errors=True) as temporary:
            written = _filled(Path(temporary) / "content", key, write)
            return read(written)  # mapped files stay readable when it is removed
    except OSError:
        raise _cannot_write(folder, problem) from problem


def _verify(entry: Path) -> None:
    """Checks an entry: that it has the files of its manifest and no others, each as it was written.

    Any exception means that it is damaged, or cannot be read.
    """
    if entry.is_symlink():
        raise ValueError("it is a link")
    key, files = _manifest(entry)
    if key != entry.name:
        raise ValueError("it is another entry")
    if {path.name for path in entry.iterdir()} - {_MANIFEST} != set(files):
        raise ValueError("its files are not those of its manifest")
    for name, recorded in files.items():
        with open_regular(entry / name, follow_links=False) as file:
            if os.fstat(file.fileno()).st_size != recorded[0]:
                raise ValueError(f"{name} has another size")
            if size_and_sha256(file) != recorded:
                raise ValueError(f"{name} has another checksum")


def digests_of_files(entry: Path) -> dict[str, str]:
    """The SHA-256 digest of each file of an entry, as its manifest says."""
    return {name: digest for name, (_, digest) in _manifest(entry)[1].items()}


def _manifest(entry: Path) -> tuple[str, dict[str, list[Any]]]:
    """The key of an entry, and the size and the SHA-256 digest of each of its files."""
    with open_regular(entry / _MANIFEST, follow_links=False) as file:
        content = file.read(_LONGEST_MANIFEST)
    manifest = json.loads(content)
    key, files = manifest["key"], manifest["files"]
    if content != _manifest_of(key, files):
        raise ValueError("its manifest is not as it was written")
    return key, files


def _manifest_of(key: str, files: dict[str, list[Any]]) -> bytes:
    return json.dumps({"key": key, "files": files}).encode()


def _filled(new: Path, key: str, write: Callable[[Path], None]) -> Path:
    """A new folder with what `write` writes, and its manifest."""
    new.mkdir()
    write(new)
    files = {}
    for path in sorted(new.iterdir()):
        with path.open("rb") as file:
            files[path.name] = size_and_sha256(file)
    (new / _MANIFEST).write_bytes(_manifest_of(key, files))
    return new


def _cannot_write(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write the cache {folder} ({error.strerror or error}), nor the temporary folder; "
        "set RNNNLP_CACHE to a folder that can be written and has room"
    )


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """The name of a folder to fill, in a folder that is locked, and that is removed in the end.

    Both have the permissions that the umask gives, so that others can read a shared cache.
    """
    outer = folder / f"{_UNLOCKED}{secrets.token_hex(8)}"
    outer.mkdir()
    held = hold(outer)
    try:
        if held is not None:
            outer = outer.rename(temporary_name(folder / "entry"))
        _remove_abandoned(folder, has_locks=held is not None)
        yield outer / "content"
    finally:
        shutil.rmtree(outer, ignore_errors=True)
        if held is not None:
            os.close(held)


def _remove_abandoned(folder: Path, *, has_locks: bool) -> None:
    """Removes what killed processes left unfinished, and what remains of entries that were not wholly removed."""
    for path in folder.glob(".*"):
        with suppress(OSError):  # another process is removing it, too, or it is another user's
            if _is_abandoned(path, has_locks):
                remove(path)


def _is_abandoned(path: Path, has_locks: bool) -> bool:
    is_temporary = re.fullmatch(TEMPORARY, path.name) is not None
    if is_temporary and has_locks:
        held = hold(path)
        if held is not None:
            os.close(held)
        return held is not None
    of_ours = is_temporary or path.name.startswith(_UNLOCKED)
    return of_ours and time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS


def _remove_beyond(folder: Path, limit: float) -> None:
    """Removes the least recently used entries until the rest has at most `limit` bytes; entries in use stay.

    A process that has a removed file open or mapped can still read it.
    """
    entries = []
    for path in folder.iterdir():
        with suppress(OSError):  # another process is removing it
            if _KEY.fullmatch(path.name) and path.is_dir():
                size = sum(file.stat().st_size for file in path.iterdir())
                entries.append((path.stat().st_mtime, size, path))
    total = sum(size for _, size, _ in entries)
    for used, size, path in sorted(entries):
        if total <= limit or time.time() - used < _IN_USE_SECONDS:
            return
        with suppress(OSError):  # another user's may have to stay
            remove(path)
        if not path.exists():
            log.info("%s has more than its %g GB: removed an entry of %.2g GB", folder, limit / 1e9, size / 1e9)
            total -= size
