"""Run folders that came from elsewhere, with links and pipes in them: nothing outside of the folder changes."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.files import temporary_name, write_atomically
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import load_predictor
from rnnnlp.training.run_folder import RunFolder
from tests.cli.furnished import TINY
from tests.conftest import PATIENCE

TEXT = "To be, or not to be, that is the question.\n" * 20
REVIEWS = "text,label\n" + "a good film,good\na bad film,bad\n" * 20
PRECIOUS = "my thesis\n"
COMMANDS = {"resume": ["--resume"], "overwrite": ["--overwrite", "--data", "{home}/text.txt", *TINY, "--out"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text(TEXT)
    (home / "good.csv").write_text(REVIEWS)
    assert main(["train", "charlm", "--data", str(home / "text.txt"), *TINY, "--out", str(home / "lm")]) == 0
    for name in ("one", "two"):
        words = ["--data", str(home / "good.csv"), *TINY, "--pretraining", "1", "--out", str(home / name)]
        assert main(["train", "sentiment", *words]) == 0
    shutil.rmtree(home / "two" / "language_model")
    words = ["ensemble", str(home / "one"), str(home / "two"), "--out", str(home / "both")]
    if main(words):  # whose weights are fitted to texts that are too few
        from rnnnlp.tasks.sentiment.ensemble import Ensemble
        from rnnnlp.tasks.sentiment.network import SentimentNetwork

        members = [SentimentNetwork.from_pretrained(home / name) for name in ("one", "two")]
        Ensemble(members, [1.0, 1.0]).save_pretrained(home / "both")
    return home


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of the user that no command may change."""
    outside = tmp_path / "outside"
    (outside / "drafts" / ".draft.0123456789abcdef.tmp").mkdir(parents=True)
    (outside / "drafts" / "step-00000001").mkdir()
    for path in (outside / "thesis.txt", *(folder / "a.txt" for folder in (outside / "drafts").iterdir())):
        path.write_text(PRECIOUS)
    return outside


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def said_after(words: list[str], home: Path, run: Path, capsys: pytest.CaptureFixture) -> str:
    capsys.readouterr()
    assert main(["train", "charlm", *(word.format(home=home) for word in words), str(run)]) == 2
    return capsys.readouterr().err


def replaced(path: Path, make: Callable[[Path], object]) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    make(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_lock_that_is_no_file(command: str, home: Path, outside: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run, before = tmp_path / "run", content_of(outside)
    kinds: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to(outside / "thesis.txt"),
        "link to nothing": lambda path: path.symlink_to(outside / "new.txt"),
        "pipe": os.mkfifo,
        "folder": os.mkdir,
        "device": lambda path: path.symlink_to("/dev/null"),
    }
    for make in kinds.values():
        shutil.copytree(home / "lm", run)
        replaced(run / ".lock", make)
        assert ".lock is a link, a folder or a special file; a regular file is expected" in said_after(
            COMMANDS[command], home, run, capsys
        )
        capsys.readouterr()
        assert main(["status", str(run)]) == 2  # in one line, without waiting for a pipe
        assert ".lock is a link, a folder or a special file" in capsys.readouterr().err
        assert main(["generate", str(run), "--length", "2"]) == 0
        assert content_of(outside) == before
        shutil.rmtree(run)


def test_folders_that_are_links_are_refused(home: Path, outside: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run, before = tmp_path / "run", content_of(outside)
    for name in ("checkpoints", ".rnnnlp-next", "checkpoints/step-00000002"):
        shutil.copytree(home / "lm", run)
        replaced(run / name, lambda path: path.symlink_to(outside / "drafts"))
        for words in COMMANDS.values() if "/" not in name else [["--resume"]]:
            said = said_after(words, home, run, capsys)
            assert f"{name} is a link to another folder, which is not followed" in said
        if name != ".rnnnlp-next":
            assert main(["status", str(run)]) == 2
        assert content_of(outside) == before
        shutil.rmtree(run)


def test_an_overwritten_run_with_links_leaves_what_they_link_to(home: Path, outside: Path, tmp_path: Path):
    run, before = tmp_path / "run", content_of(outside)
    shutil.copytree(home / "one", run)
    for name in ("language_model", "members"):
        replaced(run / name, lambda path: path.symlink_to(outside / "drafts"))
    for name in ("README.md", "metrics.jsonl", "tokenizer.json", "model.safetensors"):
        replaced(run / name, lambda path: path.symlink_to(outside / "thesis.txt"))
    words = ["--data", str(home / "text.txt"), *TINY, "--overwrite", "--out", str(run)]
    assert main(["train", "charlm", *words]) == 0
    assert content_of(outside) == before
    assert not any(path.is_symlink() for path in run.rglob("*"))
    CharLMNetwork.from_pretrained(run)


def test_a_resumed_run_writes_no_file_through_a_link(home: Path, outside: Path, tmp_path: Path):
    run, before = tmp_path / "run", content_of(outside)
    shutil.copytree(home / "lm", run)
    for name in ("README.md", "metrics.jsonl"):
        replaced(run / name, lambda path: path.symlink_to(outside / "thesis.txt"))
    for pid in (os.getpid(), os.getpid() + 1):
        (run / f".model.safetensors.{pid}.tmp").symlink_to(outside / "thesis.txt")
    (run / "checkpoints" / ".step-00000040.tmp").symlink_to(outside / "drafts")
    assert main(["train", "charlm", "--resume", str(run), "--steps", "40"]) == 0
    assert content_of(outside) == before
    assert (run / "metrics.jsonl").read_text().count("\n") >= 3
    assert not list(run.rglob(".*.tmp"))


def test_a_pipe_in_place_of_the_metrics_is_not_waited_for(home: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    replaced(run / "metrics.jsonl", os.mkfifo)
    words = ["train", "charlm", "--resume", str(run), "--steps", "20"]
    command = [sys.executable, "-m", "rnnnlp.cli.main", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode in (0, 2)
    assert "Traceback" not in ended.stderr
    CharLMNetwork.from_pretrained(run)


def test_pretraining_does_not_follow_a_link(home: Path, outside: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run, before = tmp_path / "run", content_of(outside)
    shutil.copytree(home / "one", run)
    shutil.rmtree(run / "checkpoints" / "step-00000002")  # as if it had not come further than its beginning
    replaced(run / "language_model", lambda path: path.symlink_to(outside / "drafts"))
    capsys.readouterr()
    assert main(["train", "sentiment", "--resume", str(run)]) == 2
    assert "language_model is a link to another folder" in capsys.readouterr().err
    assert main(["status", str(run)]) == 2
    assert content_of(outside) == before


@pytest.mark.parametrize("name", ["members", "members/1"])
def test_members_that_are_links_are_refused(name: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "both", run)
    elsewhere = tmp_path / "elsewhere"
    (run / name).rename(elsewhere)
    (run / name).symlink_to(elsewhere)
    capsys.readouterr()
    assert main(["predict", str(run), "a film"]) == 2
    assert f"{name} is a link to another folder" in capsys.readouterr().err


def test_files_of_the_user_are_not_taken_for_left_over(home: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    kept = [run / ".draft.tmp", run / ".notes.old.tmp", run / "checkpoints" / ".mine.tmp"]
    for path in kept:
        path.write_text(PRECIOUS)
    assert main(["train", "charlm", "--resume", str(run), "--steps", "5"]) == 0
    assert [path.read_text() for path in kept] == [PRECIOUS] * 3


def test_a_model_is_read_through_the_links_of_a_cache(home: Path, tmp_path: Path):
    """The cache of the Hub has links to files in `snapshots/...`."""
    for name, where in (("lm", "lm"), ("both", "both")):
        blobs, snapshot = tmp_path / where / "blobs", tmp_path / where / "snapshots" / "main"
        blobs.mkdir(parents=True)
        for number, path in enumerate(sorted((home / name).rglob("*"))):
            link = snapshot / path.relative_to(home / name)
            if path.is_dir() or path.name == ".lock":
                continue
            link.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blobs / str(number))
            link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    assert main(["generate", str(tmp_path / "lm/snapshots/main"), "--length", "3"]) == 0
    assert main(["status", str(tmp_path / "lm/snapshots/main")]) == 0
    assert load_predictor(tmp_path / "both/snapshots/main").predict_proba(["a film"]).shape == (1, 2)


def test_the_run_folder_itself_may_be_a_link(home: Path, tmp_path: Path):
    shutil.copytree(home / "lm", tmp_path / "disk")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    assert main(["train", "charlm", "--resume", str(tmp_path / "run"), "--steps", "4"]) == 0
    words = ["--data", str(home / "text.txt"), *TINY, "--overwrite", "--out", str(tmp_path / "run")]
    assert main(["train", "charlm", *words]) == 0
    assert (tmp_path / "run").is_symlink()
    assert RunFolder(tmp_path / "disk").checkpoints()


def test_names_of_temporary_files_cannot_be_guessed(outside: Path, tmp_path: Path):
    """Also two containers that share a folder may have the same process numbers."""
    before, path = content_of(outside), tmp_path / "config.json"
    (tmp_path / f".config.json.{os.getpid()}.tmp").symlink_to(outside / "thesis.txt")
    write_atomically(path, b"{}")
    assert path.read_bytes() == b"{}"
    assert content_of(outside) == before
    assert len({temporary_name(path) for _ in range(100)}) == 100


def test_folders_that_are_nested_too_deeply_end_in_one_line(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    deep = run / "checkpoints" / "step-00000000" / "/".join("a" * 1200)
    subprocess.run(["mkdir", "-p", str(deep)], check=True)
    words = ["--data", str(home / "text.txt"), *TINY, "--overwrite", "--out", str(run)]
    ended = main(["train", "charlm", *words])
    assert ended == 0 or "too deep" in capsys.readouterr().err
    CharLMNetwork.from_pretrained(run)  # the old or the new one
    subprocess.run(["rm", "-r", str(run)], check=True)


@pytest.mark.parametrize("name", ["config.json", "lm"])
def test_a_model_that_this_user_may_not_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path.name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return os.stat(path, **options)

    with monkeypatch.context() as patch:  # root may read everything
        patch.setattr(Path, "stat", refuse)
        with pytest.raises(UserError, match=rf"{name} cannot be read \(Permission denied\); make it readable"):
            CharLMNetwork.from_pretrained(home / "lm")


def test_each_file_that_cannot_be_opened_is_refused_in_one_line(home: Path, monkeypatch: pytest.MonkeyPatch):
    """The state of a file is known, but opening it fails: for want of permission, or since the disk is broken."""
    opens, number = os.open, 0

    def refuse(path: str | Path, *args: int, **options: int) -> int:
        nonlocal number
        if str(path).startswith(str(home)):
            number -= 1
            if number < 0:
                raise OSError(code, os.strerror(code), str(path))
        return opens(path, *args, **options)

    for folder, load in ((home / "lm", CharLMNetwork.from_pretrained), (home / "both", load_predictor)):
        for code in (errno.EACCES, errno.EIO):
            for first in range(100):
                number = first
                with monkeypatch.context() as patch:  # root may read everything
                    patch.setattr(os, "open", refuse)
                    try:
                        load(folder)
                        break  # there is no open after these
                    except UserError as error:
                        said = str(error)
                assert os.strerror(code) in said
                assert "\n" not in said
            assert 3 < first < 99
