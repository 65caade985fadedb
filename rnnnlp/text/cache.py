"""The cache: a folder of entries, each written whole or not at all, by any number of processes at once.

The modification time of an entry is the time of its last use. When a new entry makes the cache larger than its limit,
the least recently used entries are removed.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import math
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.folders import publish_folder

logger = logging.getLogger(__name__)

_UNFINISHED = ".unfinished-"
_ABANDONED_SECONDS = 24 * 3600
_IN_USE_SECONDS = 3600  # entries used more recently than this stay: a process may be about to open them
_LIMIT = 20.0  # GB
_KEY = re.compile(r"[0-9a-f]{32}")  # names of entries; nothing else in the folder is removed


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
    logger.info("there is no home folder that can be written: the cache is %s", folder)
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


def cached(folder: Path, key: str, write: Callable[[Path], None]) -> Path:
    """The folder of an entry, which is written first if the cache does not have it.

    Args:
        folder: The folder of the cache.
        key: The key of the entry, as from `cache_key`.
        write: Fills an empty folder with the content of the entry.

    Raises:
        UserError: If the cache cannot be written.
    """
    entry = folder / key
    if entry.is_dir():
        with suppress(OSError):  # the cache may be read-only for this user
            os.utime(entry)
        return entry
    limit = cache_limit()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        try:
            write(unfinished)
            _publish(unfinished, entry)
            _remove_beyond(folder, limit)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return entry


def _cannot_write(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write the cache {folder} ({error.strerror or error}); "
        "set RNNNLP_CACHE to a folder that can be written and has room"
    )


def _publish(unfinished: Path, entry: Path) -> None:
    try:
        publish_folder(unfinished, entry)
    except OSError:
        if not entry.is_dir():  # otherwise another process was first, with the same content
            raise


def _remove_abandoned(folder: Path) -> None:
    """Removes unfinished entries of processes that were killed."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path)
        except OSError:
            continue  # another process is removing it, too


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
        doomed = path.with_name(_UNFINISHED + path.name)
        with suppress(OSError):
            path.rename(doomed)  # in one step, so that no process finds half an entry
            shutil.rmtree(doomed)
            logger.info("%s has more than its %g GB: removed an entry of %.2g GB", folder, limit / 1e9, size / 1e9)
            total -= size
