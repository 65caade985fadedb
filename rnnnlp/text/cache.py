"""The cache: a folder of entries that are written whole or not at all, by any number of processes at once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError

_UNFINISHED = ".unfinished-"
_ABANDONED_SECONDS = 24 * 3600


def cache_folder() -> Path:
    """`$RNNNLP_CACHE`, else `rnnnlp` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if given := os.environ.get("RNNNLP_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "rnnnlp"


def cache_key(**parts: Any) -> str:
    """A key that is the same for equal parts (anything JSON can write) and different for different ones."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def cached(folder: Path, key: str, write: Callable[[Path], None]) -> Path:
    """The entry `key`, a folder; if there is none yet, `write` is given an empty folder to fill first.

    `UserError` if the cache cannot be written.
    """
    entry = folder / key
    if entry.is_dir():
        return entry
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        try:
            write(unfinished)
            _publish(unfinished, entry)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot write the cache {folder} ({error.strerror or error}); "
            "set RNNNLP_CACHE to a folder that can be written and has room"
        ) from error
    return entry


def _publish(unfinished: Path, entry: Path) -> None:
    for path in [*unfinished.iterdir(), unfinished]:
        _sync(path)
    try:
        unfinished.rename(entry)
    except OSError:
        if not entry.is_dir():  # otherwise another process was first, with the same content
            raise
    _sync(entry.parent)


def _sync(path: Path) -> None:
    """Make sure that a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed processes have left behind."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path)
        except OSError:
            continue  # another process is removing it too
