"""Disks that are full or cannot be written, and processes that are killed while they write: checkpoints stay whole."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rnnnlp import folders
from rnnnlp.cli.main import main
from rnnnlp.files import create_atomically
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.training.run_folder import RunFolder

LONG = "--hidden-size 16 --embedding-size 4 --evaluations 1 --batch-size 4 --bptt 16 --steps 100000".split()
SHORT = ["6" if word == "100000" else word for word in LONG]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("It is a truth universally acknowledged.\n" * 60)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a few checkpoints."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a file system: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def train(text: Path, folder: Path) -> subprocess.Popen:
    words = ["train", "charlm", "--data", str(text), "--out", str(folder), "--checkpoint-every", "3", *LONG]
    return subprocess.Popen([sys.executable, "-m", "rnnnlp.cli.main", *words], stderr=subprocess.PIPE, text=True)


def after_some_checkpoints(folder: Path, process: subprocess.Popen, do: Callable[[], object]) -> str:
    """Does `do` again and again from the fourth checkpoint on until the process has ended; returns what it said."""
    while process.poll() is None:
        if any(int(path.stem[5:]) > 9 for path in folder.glob("checkpoints/step-*")):
            do()
        time.sleep(0.001)
    return process.communicate()[1]


def assert_whole(folder: Path) -> None:
    """Every checkpoint can be read, and the newest can be resumed."""
    checkpoints = RunFolder(folder).checkpoints()
    assert checkpoints
    for checkpoint in checkpoints:
        RunFolder.load_checkpoint(checkpoint)
        CharLMNetwork.from_pretrained(checkpoint)
    with RunFolder.reopen(folder):
        assert not list(folder.glob("**/.*.tmp"))


def test_a_full_disk_ends_the_run_and_leaves_the_checkpoints(text: Path, small_disk: Path):
    folder, filler = small_disk / "run", small_disk / "filler"
    process = train(text, folder)

    def fill() -> None:
        with open(filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    said = after_some_checkpoints(folder, process, fill)
    assert process.returncode == 2, said
    assert "cannot be written (No space left on device); make room on that disk, then resume with: rnnnlp train" in said
    assert "Traceback" not in said
    filler.unlink()
    assert_whole(folder)


def test_a_file_that_may_not_grow_ends_the_run_and_leaves_the_checkpoints(text: Path, tmp_path: Path):
    folder = tmp_path / "run"
    process = train(text, folder)
    limit = (2000, resource.RLIM_INFINITY)
    said = after_some_checkpoints(
        folder, process, lambda: resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit) and time.sleep(0.1)
    )
    assert process.returncode == 2, said
    assert "cannot be written (File too large)" in said
    assert_whole(folder)


def test_a_folder_that_cannot_be_written_is_named(text: Path, small_disk: Path, capsys: pytest.CaptureFixture):
    folder = small_disk / "run"
    assert main(["train", "charlm", "--data", str(text), "--out", str(folder), *SHORT]) == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for words in (["--resume", str(folder)], ["--data", str(text), "--out", str(small_disk / "other"), *SHORT]):
        capsys.readouterr()
        assert main(["train", "charlm", *words]) == 2
        assert "(Read-only file system)" in capsys.readouterr().err
    assert main(["generate", str(folder), "--length", "5"]) == 0
    assert main(["status", str(folder)]) == 0


def test_a_process_killed_while_it_writes_leaves_the_checkpoints(text: Path, tmp_path: Path):
    folder = tmp_path / "run"
    process = train(text, folder)

    def kill_while_writing() -> None:
        if list(folder.glob("checkpoints/.step-*.tmp")):
            process.send_signal(signal.SIGKILL)

    after_some_checkpoints(folder, process, kill_while_writing)
    assert process.returncode == -signal.SIGKILL
    assert_whole(folder)


def test_two_runs_in_one_folder_are_refused(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tmp_path / "run"
    begin = ["train", "charlm", "--data", str(text), "--out", str(folder), *SHORT]
    assert main(begin) == 0
    with RunFolder.reopen(folder):
        for words in (["train", "charlm", "--resume", str(folder)], [*begin, "--overwrite"]):
            capsys.readouterr()
            assert main(words) == 2
            assert f"{folder} is in use: process {os.getpid()} trains in it" in capsys.readouterr().err
        assert main(["status", str(folder)]) == 0
        assert f"{os.getpid()} is training in it" in capsys.readouterr().out
    assert main(["train", "charlm", "--resume", str(folder)]) == 0


def test_what_killed_processes_left_is_removed(text: Path, tmp_path: Path):
    folder = tmp_path / "run"
    begin = ["train", "charlm", "--data", str(text), "--out", str(folder), *SHORT]
    folder.mkdir()
    (folder / ".config.json.1.tmp").write_text("half a")  # killed before the run had begun
    assert main(begin) == 0
    (folder / ".model.safetensors.1.tmp").write_text("half a")
    (folder / "checkpoints" / ".step-00000009.tmp").mkdir()
    (folder / "language_model" / "checkpoints" / ".step-00000001.tmp").mkdir(parents=True)
    (folder / "checkpoints" / "step-00000006").rename(folder / "checkpoints" / "step-00000006.old")
    assert main(["train", "charlm", "--resume", str(folder)]) == 0
    assert not list(folder.glob("**/.*.tmp"))


def test_as_many_checkpoints_are_kept_as_wanted(text: Path, tmp_path: Path):
    folder = tmp_path / "run"
    often = ["--checkpoint-every", "1", "--keep-checkpoints", "3"]
    assert main(["train", "charlm", "--data", str(text), "--out", str(folder), *SHORT, *often]) == 0
    assert [path.name for path in RunFolder(folder).checkpoints()] == [f"step-0000000{i}" for i in (4, 5, 6)]


def test_status_says_where_a_run_is(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tmp_path / "run"
    steps = [*SHORT[:-1], "20"]
    assert main(["train", "charlm", "--data", str(text), "--out", str(folder), *steps]) == 0
    assert main(["status", str(folder)]) == 0
    said = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert said["model"] == "char_lm, cell lstm_rms_norm, hidden_size 16, num_layers 1"
    assert said["process"] == "none"
    assert said["step"] == "20, 100% of the run"
    assert said["checkpoints"] == "step-00000000, step-00000020"
    assert said["losses"].count(",") == 1
    assert said["best"].startswith("nats_per_char ")
    path = folder / "checkpoints/step-00000020/training_state.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"spent": 4500.0}))  # in pretraining and folds
    assert main(["status", str(folder)]) == 0
    said = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert int(said["time"].removesuffix(" seconds")) >= 4500


def test_of_several_processes_one_makes_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file"
    assert create_atomically(path, b"first")
    assert not create_atomically(path, b"second")
    assert path.read_bytes() == b"first"

    def link(*names: Path) -> None:
        raise OSError(errno.EPERM, "there are no hard links here")

    monkeypatch.setattr(os, "link", link)
    assert create_atomically(tmp_path / "other", b"third")
    assert (tmp_path / "other").read_bytes() == b"third"
    assert set(os.listdir(tmp_path)) == {"file", "other"}


def test_a_folder_is_removed_under_another_name_that_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else a power cut could leave the folder without some of its files, under its own name."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    synced: list[list[str]] = []
    monkeypatch.setattr(folders, "sync_folder", lambda path: synced.append(os.listdir(path)))
    rmtree = shutil.rmtree

    def removed(path: Path) -> None:
        assert synced == [[path.name]]
        rmtree(path)

    monkeypatch.setattr(shutil, "rmtree", removed)
    folders.remove(folder)
    assert synced
    assert not os.listdir(tmp_path)
