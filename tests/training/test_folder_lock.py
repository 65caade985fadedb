"""The lock of a run folder: to look at it takes nothing, and its file is never emptied."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rnnnlp import folders, locks
from rnnnlp.errors import UserError
from rnnnlp.training.folder_lock import LOCK, FolderLock, holder, refuse_in_use
from rnnnlp.training.run_folder import RunFolder

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the locks of Linux")


@needs_linux
def test_looking_at_the_lock_never_makes_a_start_fail(tmp_path: Path):
    stop, looks = threading.Event(), 0

    def look() -> None:
        nonlocal looks
        while not stop.is_set():
            RunFolder(tmp_path).process()
            looks += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(1000):
            FolderLock(tmp_path).release()
    finally:
        stop.set()
        thread.join()
    assert looks


@contextmanager
def locked_by_another(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A context in which another process holds the lock of a folder."""
    code = """
import sys
from pathlib import Path
from rnnnlp.training.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"locked\n"
            yield other
        finally:
            other.kill()


@needs_linux
def test_the_process_is_known_while_it_trains(tmp_path: Path):
    with locked_by_another(tmp_path) as other:
        assert holder(tmp_path) == other.pid
        with pytest.raises(UserError, match=f"is in use: process {other.pid} trains in it"):
            FolderLock(tmp_path)
    assert holder(tmp_path) is None
    FolderLock(tmp_path).release()
    assert holder(tmp_path) is None


@needs_linux
def test_a_process_that_is_ending_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with locked_by_another(tmp_path) as other:
        looks = []

        def look(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 3:  # a killed process keeps its locks until it has ended
                other.kill()
                other.wait()

        monkeypatch.setattr(locks.time, "sleep", look)
        FolderLock(tmp_path).release()
        assert len(looks) == 3


@needs_linux
def test_a_process_that_is_ending_while_it_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    other = folders._lock(tmp_path, os.O_RDONLY)
    assert other is not None
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: locks.release(other))
    with folders.alone(tmp_path):
        os.close(other)


@needs_linux
def test_a_run_of_an_earlier_version_is_seen(tmp_path: Path):
    """Versions before 0.3 only have a `flock`. They see the runs of this one, too."""
    with open(tmp_path / LOCK, "w+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write("12345")
        file.flush()
        with pytest.raises(UserError, match="process 12345 trains in it"):
            FolderLock(tmp_path)
        if os.stat(tmp_path).st_dev == os.stat(file.fileno()).st_dev and holder(tmp_path) is not None:
            assert holder(tmp_path) == 12345  # where the file system is one that /proc/locks names
    lock = FolderLock(tmp_path)
    with open(tmp_path / LOCK) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    lock.release()


@needs_linux
@pytest.mark.parametrize(
    ("kind", "is_held"),
    [("FLOCK  ADVISORY  WRITE", True), ("FLOCK  ADVISORY  READ", False), ("POSIX  ADVISORY  WRITE", False)],
)
def test_a_lock_that_linux_lists(kind: str, is_held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / LOCK).write_text("12345")
    status = (tmp_path / LOCK).stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    listed = tmp_path / "locks"
    listed.write_text(f"1: {kind} 12345 {device}:{status.st_ino + 1} 0 EOF\n")
    monkeypatch.setattr(locks, "Path", lambda name: listed)
    assert holder(tmp_path) is None
    listed.write_text(listed.read_text() + f"2: {kind} 12345 {device}:{status.st_ino} 0 EOF\n")
    assert holder(tmp_path) == (12345 if is_held else None)


@pytest.mark.parametrize("content", [b"my thesis", b"", b"123456789\n5", b"9" * 100])
def test_a_lock_file_of_other_content_stays(content: bytes, tmp_path: Path):
    (tmp_path / LOCK).write_bytes(content)
    FolderLock(tmp_path).release()
    found = (tmp_path / LOCK).read_bytes()
    if set(content) - set(b"0123456789\n"):
        assert found == content
    else:
        assert found.startswith(b"%d\n" % os.getpid())
        assert len(found) >= len(content)


def test_a_process_that_is_not_known_has_no_number(tmp_path: Path):
    with pytest.raises(UserError, match="is in use: another process trains in it; wait, stop it, or give"):
        refuse_in_use(tmp_path, 0)


def test_a_lock_file_with_a_second_name_stays(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("12")
    os.link(tmp_path / "notes.txt", tmp_path / LOCK)
    FolderLock(tmp_path).release()
    assert (tmp_path / "notes.txt").read_text() == "12"


def test_a_file_system_without_locks_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def without(*arguments) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    monkeypatch.setattr(fcntl, "fcntl", without)
    with RunFolder.create(tmp_path / "run", overwrite=False) as run:
        assert run.process() is None
    assert "this file system has no locks; train only one run at a time in that folder" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_copy_of_the_descriptor_in_a_child_does_not_keep_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock = FolderLock(tmp_path)
    monkeypatch.setattr(FolderLock, "_held", set())  # as of a child that was not made by Python
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        lock.release()
        FolderLock(tmp_path).release()
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_lock_file_that_was_just_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another process ends without a run, and removes the file between opening and locking."""
    real, removed = fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append((tmp_path / LOCK).unlink())
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = FolderLock(tmp_path)
    monkeypatch.undo()
    with pytest.raises(UserError, match="is in use"):
        FolderLock(tmp_path)
    lock.release()


def test_a_folder_that_was_just_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another process that made it ends without a run, and removes it while this one waits for the lock."""
    real, folder = fcntl.flock, tmp_path / "run"
    other = RunFolder.create(folder, overwrite=False)

    def flock(descriptor: int, operation: int) -> None:
        monkeypatch.undo()
        other.__exit__(KeyboardInterrupt)
        assert not folder.exists()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with RunFolder.create(folder, overwrite=False):
        assert holder(folder) == os.getpid()


def test_a_lock_file_that_is_removed_each_time_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is locked then keeps nobody out."""
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        (tmp_path / LOCK).unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match=r"\.lock cannot be locked: it is removed or replaced each time; stop what"):
        FolderLock(tmp_path)


def test_create_looks_again_once_it_has_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    taken = RunFolder._take_lock

    def late(self: RunFolder, *, make: bool) -> None:
        (tmp_path / "letter.txt").write_text("written meanwhile")
        taken(self, make=make)

    monkeypatch.setattr(RunFolder, "_take_lock", late)
    with pytest.raises(UserError, match="is not empty and not a run"):
        RunFolder.create(tmp_path, overwrite=False)
    assert holder(tmp_path) is None


def test_a_run_does_not_write_into_a_folder_that_took_its_place(tmp_path: Path):
    with RunFolder.create(tmp_path / "run", overwrite=False) as first:
        first.log({"step": 1})
        (tmp_path / "run").rename(tmp_path / "moved")
        with pytest.raises(UserError, match="was moved or removed while a run trained there"):
            first.log({"step": 2})
        with RunFolder.create(tmp_path / "run", overwrite=False) as second:
            second.log({"step": 1})
            with pytest.raises(UserError, match="was moved or removed while a run trained there"):
                first.log({"step": 2})
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"step": 1}\n'
