"""Folders whose content is replaced as a whole: a process that is killed at any moment leaves the old or the new one.

The new content is written into a hidden folder inside of the old one, which is then renamed to NEXT: from that moment
on it is what the folder holds, and `current` finds it. Then it takes the place of the old content, entry by entry. NEXT
stays complete meanwhile, because its files are linked (hard links), not moved. Whoever writes next finishes the work.
"""

import os
import re
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from rnnnlp import locks
from rnnnlp.errors import UserError
from rnnnlp.files import GUARDED, TEMPORARY, own_folder, replace, sync_folder, temporary_name, writing

Content = TypeVar("Content")

NEXT = ".rnnnlp-next"
ATTEMPTS = 20  # to read a folder that others replace


def current(folder: Path) -> Path:
    """Where the content of a folder is: in NEXT if a process was killed before that was in place."""
    waiting = folder / NEXT
    return waiting if os.path.isdir(waiting) and not os.path.islink(waiting) else folder


def read_whole(folder: Path, read: Callable[[Path], Content]) -> Content:
    """What is read from a folder: all of it from the old content or from the new one, while others replace it.

    Args:
        folder: The folder.
        read: Reads the content at the place that it is given. It is called again if it failed and the folder has
            changed meanwhile.
    """
    for _ in range(ATTEMPTS):
        before = _entries(folder)
        try:
            return read(current(folder))
        except (UserError, OSError):
            if _entries(folder) == before:
                raise
    return read(current(folder))


def _entries(folder: Path) -> set[tuple[str, int]]:
    """The names in a folder, and which files they are."""
    try:
        with os.scandir(folder) as found:
            return {(entry.name, entry.inode()) for entry in found}
    except OSError:
        return set()


@contextmanager
def replacement(
    folder: Path, entries: Collection[str], *, keep: Collection[str] = (), check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """A context that gives a new, empty folder whose content then replaces that of `folder`, whole or not at all.

    Args:
        folder: The folder; it is made if it is not there.
        entries: The names that are replaced, or removed where the new folder lacks them. Everything else stays.
        keep: Those of `entries` that stay where the new folder lacks them.
        check: Called before anything is changed, when nobody else writes there; it may refuse, or add to `entries`.

    Raises:
        WriteError: If it cannot be written.
        UserError: If another process or thread writes there, or NEXT is a link.
    """
    is_new = not folder.exists()
    with writing(folder):
        make_folder(folder)
        with alone(folder):
            check()
            finish_replacement(folder, entries)
            remove_unfinished(folder)
            new = temporary_name(folder / "next")
            new.mkdir()
            try:
                yield new
                for name in keep:
                    if os.path.lexists(folder / name) and not os.path.lexists(new / name):
                        link_tree(folder / name, new / name)
                sync_tree(new)
                new.rename(folder / NEXT)
                sync_folder(folder)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                if is_new:
                    with suppress(OSError):
                        folder.rmdir()
                raise
            finish_replacement(folder, entries)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A context in which no other process or thread replaces the content of a folder, if there are locks.

    Raises:
        UserError: If another one does already.
        OSError: If the folder cannot be opened.
    """
    try:
        descriptor = _lock(folder, os.O_RDONLY, locks.take_soon)
    except BlockingIOError:
        raise UserError(
            f"{folder} is in use: another process or thread writes a model there; wait, or give another folder"
        ) from None
    try:
        yield
    finally:
        if descriptor is not None:
            locks.release(descriptor)
            os.close(descriptor)


def hold(folder: Path) -> int | None:
    """Locks a temporary folder for as long as this process lives, or until the descriptor that is returned is closed.

    None if another process holds it, or if there are no locks here.
    """
    try:
        return _lock(folder, os.O_RDONLY | GUARDED)
    except OSError:
        return None


def _lock(folder: Path, flags: int, take: Callable[[int], None] = locks.take) -> int | None:
    """The descriptor of a folder, locked; None if there are no locks. BlockingIOError if another one has the lock."""
    if not locks.can_lock_folders():
        return None
    descriptor = os.open(folder, flags)
    try:
        take(descriptor)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def remove_unfinished(folder: Path) -> None:
    """Removes what killed processes were writing or removing in a folder, which is locked."""
    for path in folder.iterdir():
        if re.fullmatch(TEMPORARY, path.name):
            remove(path)


def finish_replacement(folder: Path, entries: Collection[str]) -> None:
    """Puts the content of NEXT in its place, if there is any. The folder is locked."""
    waiting = own_folder(folder / NEXT)
    if not waiting.is_dir():
        return
    for name in entries:
        if os.path.lexists(waiting / name):
            temporary = temporary_name(folder / name)
            link_tree(waiting / name, temporary)
            if temporary.is_dir() or not is_plain_file(folder / name):
                remove(folder / name)
            replace(temporary, folder / name)
            temporary.unlink(missing_ok=True)  # it is still there if both are one file
        elif os.path.lexists(waiting):
            remove(folder / name)
        else:  # where there are no locks, another process has finished this
            return
    sync_folder(folder)
    remove(waiting)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, if they are not there; their names are then on the disk."""
    missing = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.absolute().parent)


def publish_folder(temporary: Path, final: Path) -> None:
    """Renames a filled folder so that `final` is either missing or complete, even if the process or the machine stops.

    Args:
        temporary: The folder with its content, on the same disk.
        final: Its new name.

    Raises:
        OSError: If `final` exists and is not empty, or cannot be written.
    """
    sync_tree(temporary)
    temporary.rename(final)
    sync_folder(final.parent)


def sync_tree(folder: Path) -> None:
    """Waits until a folder and everything in it are on the disk; links are not followed."""
    for path in [*folder.rglob("*"), folder]:
        if is_plain_file(path):
            sync_file(path)
        elif path.is_dir() and not path.is_symlink():
            sync_folder(path)


def sync_file(path: Path) -> None:
    """Waits until the content of a file is on the disk."""
    with open(path, "rb" if os.name == "posix" else "r+b") as file:  # Windows syncs only what it may write
        os.fsync(file.fileno())


def link_tree(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, or a folder with the same files; links are not followed."""
    if source.is_dir() and not source.is_symlink():
        target.mkdir()
        for entry in sorted(source.iterdir()):
            link_tree(entry, target / entry.name)
        sync_folder(target)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):  # a file system without hard links, or without those of links
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        if is_plain_file(target):  # a copy is not on the disk as the source is
            sync_file(target)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all its content, if it exists. What is half removed has a temporary name.

    That name is on the disk before anything is removed, so a power cut does not leave a half-empty folder under `path`.
    """
    if path.is_dir() and not path.is_symlink():
        gone = path
        if not re.fullmatch(TEMPORARY, path.name):
            gone = temporary_name(path)
            path.rename(gone)
            sync_folder(path.parent)
        shutil.rmtree(gone)
    else:
        path.unlink(missing_ok=True)


def is_plain_file(path: Path) -> bool:
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)
