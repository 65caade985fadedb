"""Locks of files on systems without `flock`: those of Windows, imitated here, and none at all."""

import os
import sys
import types
from pathlib import Path

import pytest

from rnnnlp import locks
from rnnnlp.errors import UserError
from rnnnlp.folders import alone
from rnnnlp.training.folder_lock import LOCK, FolderLock, holder
from rnnnlp.training.run_folder import RunFolder


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Imitates `msvcrt`: one descriptor has the lock of a byte; another is refused. Gives the locks, by file."""
    held: dict[int, int] = {}

    def locking(descriptor: int, mode: int, number: int) -> None:
        assert (os.lseek(descriptor, 0, os.SEEK_CUR), number) == (1 << 30, 1)
        file = os.fstat(descriptor).st_ino
        if mode == msvcrt.LK_UNLCK:
            if held.pop(file, None) != descriptor:
                raise PermissionError(13, "Permission denied")
        elif held.setdefault(file, descriptor) != descriptor:
            raise PermissionError(13, "Permission denied")

    msvcrt = types.ModuleType("msvcrt")
    msvcrt.__dict__.update(LK_NBLCK=2, LK_UNLCK=0, locking=locking)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: None)
    return held


def test_on_windows_one_process_trains_in_a_folder(windows: dict[int, int], tmp_path: Path):
    with RunFolder.create(tmp_path / "run", overwrite=False) as run:
        run.log({"step": 1})
        assert holder(tmp_path / "run") == os.getpid()
        with pytest.raises(UserError, match=f"is in use: process {os.getpid()} trains in it"):
            FolderLock(tmp_path / "run")
        assert len(windows) == 1
    assert windows == {}
    assert holder(tmp_path / "run") is None
    FolderLock(tmp_path / "run").release()
    assert (tmp_path / "run" / LOCK).read_text() == f"{os.getpid()}\n"


def test_on_windows_a_look_at_a_lock_does_not_stop_a_start(windows: dict[int, int], tmp_path: Path):
    (tmp_path / LOCK).touch()
    looks = [1, 1]
    file = (tmp_path / LOCK).stat().st_ino
    windows[file] = -1  # another process looks
    locks.time.sleep = lambda seconds: (looks.pop(), looks or windows.pop(file, None))  # type: ignore[assignment]
    FolderLock(tmp_path).release()


def test_on_windows_folders_are_not_locked(windows: dict[int, int], tmp_path: Path):
    with alone(tmp_path):
        assert windows == {}


def test_where_there_are_no_locks_one_can_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    with RunFolder.create(tmp_path / "run", overwrite=False) as run:
        assert run.process() is None
    assert "has no locks; train only one run at a time in that folder" in caplog.text
