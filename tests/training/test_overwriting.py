"""What is replaced, and that it is replaced whole or not at all: a process may be killed, or fail, at every step."""

import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import CharLM, files
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.files import write_atomically
from rnnnlp.folders import NEXT, finish_replacement, replacement
from rnnnlp.tasks import load_task
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import CharTokenizer
from rnnnlp.training import run_folder
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import ENTRIES, RUN_ENTRIES, replaced_model
from rnnnlp.training.run_folder import RunFolder
from tests.cli.furnished import TINY

TEXT = "To be, or not to be, that is the question.\n" * 20
FOREIGN = {
    "config.json": '{"architectures": ["BertModel"], "model_type": "bert"}',
    "model.safetensors": "weights of others",
    "README.md": "my model",
    "checkpoints/mine.pt": "mine",
    "keep.txt": "keep",
}
STEPS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir")  # audit events
STRIDE = int(os.environ.get("RNNNLP_STRIDE", "4"))  # 1 tries every step
needs_flock = pytest.mark.skipif(sys.platform == "win32", reason="this system has no flock")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text(TEXT)
    assert main(["train", "charlm", "--data", str(home / "text.txt"), *TINY, "--out", str(home / "lm")]) == 0
    (home / "lm" / "keep.txt").write_text("keep")
    return home


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The folder of a model of another library."""
    for name, content in FOREIGN.items():
        (tmp_path / "foreign" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "foreign" / name).write_text(content)
    return tmp_path / "foreign"


def assert_untouched(foreign: Path) -> None:
    names = {path.relative_to(foreign).as_posix() for path in foreign.rglob("*") if path.is_file()}
    assert names - {".lock"} == set(FOREIGN)
    assert all((foreign / name).read_text() == content for name, content in FOREIGN.items())


# ------------------------------------------------------------------------------------- a process that ends at a step


def stopped_at(number: int, folder: Path, work: Callable[[], object], *, error: bool) -> bool:
    """Does `work` in a child whose step of this number in `folder` kills it or fails; returns whether it ended before.

    A step is a change of a name in the folder: a new file, a rename, a link, a removal, a new folder.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    steps = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event not in STEPS or (event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if any(isinstance(value, str | os.PathLike) and str(folder) in str(value) for value in arguments):
            steps += 1
            if steps == number and not error:
                os._exit(9)
            if steps >= number:  # and all that follows, as on a full disk
                raise OSError(28, "No space left on device")

    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(devnull, stream)
    sys.addaudithook(count)
    os.fsync = lambda descriptor: None  # which the death of a process does not need
    try:
        work()
    except UserError:
        os._exit(0 if steps < number else 9)
    except BaseException:
        os._exit(77)
    os._exit(0 if steps < number else 9)


def each_step(old: Path, folder: Path, work: Callable[[], object], check: Callable[[], str], *, error: bool) -> None:
    """Stops `work` at every STRIDE-th step in a copy of `old`; `check` says what the folder then holds, old or new."""
    found = []
    for number in range(1 + error, 2000, STRIDE):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(old, folder)
        ended = stopped_at(number, folder, work, error=error)
        found.append(check())
        if ended:
            break
    assert ended
    assert len(found) > 10 // STRIDE
    assert found == sorted(found, reverse=True)  # old, old, ..., new, new
    assert {found[0], found[-1]} == {"old", "new"}


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("error", [False, True], ids=["killed", "failed"])
def test_an_overwritten_run_is_the_old_or_the_new_one(error: bool, home: Path, tmp_path: Path):
    task, folder = load_task("char_lm"), tmp_path / "run"
    options = task.options_from({"data": str(home / "text.txt"), "steps": 2, "hidden_size": 5, "bptt": 8})
    with RunFolder.create(tmp_path / "first", overwrite=False) as run:
        trainer = task.begin(options, run, data=None, started=0.0)

    def overwrite() -> None:
        with RunFolder.create(folder, overwrite=True) as run:
            Trainer.begin(trainer.objective, trainer.config, run)

    def check() -> str:
        network = CharLMNetwork.from_pretrained(folder)
        which = {4: "old", 5: "new"}[network.config.hidden_size]
        with RunFolder.reopen(folder) as run:  # finishes what was begun
            (*_, newest) = run.checkpoints()
            assert newest.name == {"old": "step-00000002", "new": "step-00000000"}[which]
            run.load_checkpoint(newest)
            assert len(list(run.metrics())) == (1 if which == "old" else 0)
        assert CharLMNetwork.from_pretrained(folder).config == network.config
        names = {path.name for path in folder.iterdir()} - {"README.md", "metrics.jsonl", ".lock"}
        assert names == {"checkpoints", "config.json", "model.safetensors", "tokenizer.json", "keep.txt"}
        return which

    each_step(home / "lm", folder, overwrite, check, error=error)


def classifier(seed: int, labels: tuple[str, ...] = ("a", "b")) -> SentimentNetwork:
    tokenizer = CharTokenizer("abdefghilmostuw ,")
    return SentimentNetwork(
        SentimentConfig(tokenizer.vocab_size, labels, "gru", 3, 4), tokenizer, rng=np.random.default_rng(seed)
    )


def other_ensemble() -> Ensemble:
    return Ensemble([classifier(seed, ("c", "d", "e")) for seed in (1, 2)], np.ones(2))


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("error", [False, True], ids=["killed", "failed"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda: classifier(0), lambda: classifier(1, ("c", "d", "e"))),
        (lambda: classifier(0), other_ensemble),
        (lambda: Ensemble([classifier(0), classifier(3), classifier(4)], np.ones(3)), other_ensemble),
        (lambda: Ensemble([classifier(0)], np.ones(1)), lambda: classifier(1, ("c", "d", "e"))),
    ],
    ids=["network", "ensemble over network", "ensemble", "network over ensemble"],
)
def test_a_saved_model_is_the_old_or_the_new_one(
    old: Callable[[], Any], new: Callable[[], Any], error: bool, tmp_path: Path
):
    folder, saved = tmp_path / "model", new()
    old().save_pretrained(tmp_path / "old")

    def check() -> str:
        labels = load_predictor(folder).labels
        return {("a", "b"): "old", ("c", "d", "e"): "new"}[labels]

    each_step(tmp_path / "old", folder, lambda: saved.save_pretrained(folder), check, error=error)
    saved.save_pretrained(folder)
    new().save_pretrained(tmp_path / "alone")
    assert sorted(p.relative_to(folder) for p in folder.rglob("*")) == sorted(
        p.relative_to(tmp_path / "alone") for p in (tmp_path / "alone").rglob("*")
    )


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_estimator_that_is_saved_over_a_run_keeps_its_checkpoints(home: Path, tmp_path: Path):
    folder, model = tmp_path / "run", CharLM.from_pretrained(home / "lm")
    model.card_ = "a new card\n"

    def check() -> str:
        opened = CharLM.from_pretrained(folder)
        with RunFolder.reopen(folder) as run:
            assert [path.name for path in run.checkpoints()] == ["step-00000000", "step-00000002"]
            assert len(list(run.metrics())) == 1
        assert opened.card_ is not None
        return "new" if opened.card_ == "a new card\n" else "old"

    each_step(home / "lm", folder, lambda: model.save_pretrained(folder), check, error=False)


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_killed_processes_left_is_removed_by_the_next(tmp_path: Path):
    folder = tmp_path / "model"
    for number in range(1, 100, STRIDE):
        shutil.rmtree(folder, ignore_errors=True)
        classifier(0).save_pretrained(folder)
        (folder / "checkpoints" / "step-00000002").mkdir(parents=True)
        (folder / "checkpoints" / "step-00000002" / "config.json").write_text("{}")
        ended = stopped_at(number, folder, lambda: classifier(1).save_pretrained(folder), error=False)
        stopped_at(3, folder, lambda: classifier(1).save_pretrained(folder), error=False)
        classifier(3).save_pretrained(folder)
        assert sorted(os.listdir(folder)) == ["checkpoints", "config.json", "model.safetensors", "tokenizer.json"]
        if ended:
            break
    assert ended
    assert load_predictor(folder).predict_proba(["a"]) == pytest.approx(classifier(3).predict_proba(["a"]))


# --------------------------------------------------------------------------------------------- two that write at once


@needs_flock
def test_a_second_save_at_any_moment_of_the_first_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, refused = tmp_path / "run", []
    shutil.copytree(home / "lm", folder)
    real = os.path.lexists

    def second(path: Any) -> bool:
        if Path(path).name == "checkpoints" and Path(path).parent.name == NEXT:  # in the exchange of the first
            monkeypatch.setattr(os.path, "lexists", real)
            with pytest.raises(UserError, match="is in use: another process or thread writes a model there"):
                classifier(1).save_pretrained(folder)
            refused.append(True)
        return real(path)

    monkeypatch.setattr(os.path, "lexists", second)
    CharLM.from_pretrained(home / "lm").save_pretrained(folder)
    assert refused
    assert len(RunFolder(folder).checkpoints()) == 2
    with replaced_model(folder) as new:
        with pytest.raises(UserError, match="is in use: another process or thread writes a model there"):
            classifier(1).save_pretrained(folder)
        CharLMNetwork.from_pretrained(home / "lm").write(new)
    CharLM.from_pretrained(folder)
    assert not list(folder.glob(".*.tmp"))


@needs_flock
def test_no_training_starts_where_a_model_is_being_saved(home: Path, tmp_path: Path):
    shutil.copytree(home / "lm", tmp_path / "run")
    with replaced_model(tmp_path / "run") as new:
        with pytest.raises(UserError, match="is in use: another process or thread writes a model there"):
            RunFolder.create(tmp_path / "run", overwrite=True)
        with pytest.raises(UserError, match="is in use: another process or thread writes a model there"):
            RunFolder.reopen(tmp_path / "run")
        assert new.is_dir()
        CharLMNetwork.from_pretrained(home / "lm").write(new)
    RunFolder.reopen(tmp_path / "run").__exit__()


def test_without_locks_a_second_exchange_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another process finishes the same exchange in the middle of this one."""
    folder, real = tmp_path / "model", os.path.lexists
    classifier(0).save_pretrained(folder)
    classifier(1).save_pretrained(folder / NEXT)
    (folder / "checkpoints").mkdir()
    (folder / NEXT / "checkpoints").mkdir()

    def other(path: Any) -> bool:
        if Path(path) == folder / NEXT / "tokenizer.json":
            monkeypatch.setattr(os.path, "lexists", real)
            finish_replacement(folder, ENTRIES)
        return real(path)

    monkeypatch.setattr(os.path, "lexists", other)
    finish_replacement(folder, ENTRIES)
    assert sorted(os.listdir(folder)) == ["checkpoints", "config.json", "model.safetensors", "tokenizer.json"]


@needs_fork
@needs_flock
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_processes_that_save_into_one_folder_lose_nothing(home: Path, tmp_path: Path):
    folder = tmp_path / "run"
    shutil.copytree(home / "lm", folder)

    def save() -> None:
        os.fsync = lambda descriptor: None
        saved = 0
        for attempt in itertools.count():  # on a busy machine one of them may come last for long
            with suppress(UserError), replacement(folder, ENTRIES, keep=RUN_ENTRIES) as new:
                for name in ("config.json", "tokenizer.json", "model.safetensors"):
                    shutil.copy(home / "lm" / name, new)
                saved += 1
            if saved == 30 or (saved and attempt > 3000):
                os._exit(0)

    children = []
    for _ in range(3):
        if not (child := os.fork()):
            save()
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert len(RunFolder(folder).checkpoints()) == 2
    CharLMNetwork.from_pretrained(folder)
    assert not list(folder.glob(".*.tmp"))


def test_a_file_system_without_hard_links_replaces_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def without(*arguments, **options) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", without)
    classifier(0).save_pretrained(tmp_path / "model")
    on_disk, real = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (on_disk.add(os.fstat(descriptor).st_ino), real(descriptor)))
    other_ensemble().save_pretrained(tmp_path / "model")
    assert load_predictor(tmp_path / "model").labels == ("c", "d", "e")
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert {path.stat().st_ino for path in files} <= on_disk


def test_a_file_that_another_program_has_open_is_replaced_once_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As on Windows."""
    looks, real = [], os.replace

    def replace(source: Any, target: Any) -> None:
        looks.append(target)
        if len(looks) < 3:
            raise PermissionError(13, "The file is open in another program")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    if os.name == "posix":
        with pytest.raises(UserError, match="cannot be written"):
            write_atomically(tmp_path / "file", b"new")
    looks.clear()
    monkeypatch.setattr(files, "_PATIENCE", 60)
    write_atomically(tmp_path / "file", b"new")
    assert (len(looks), (tmp_path / "file").read_bytes()) == (3, b"new")


def test_the_training_is_saved_while_no_weights_are_mapped(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Windows does not replace a file that is mapped."""
    shutil.copytree(home / "lm", tmp_path / "run")
    saved: list[np.ndarray] = []
    monkeypatch.setattr(run_folder, "save_tensors", lambda path, tensors, **options: saved.extend(tensors.values()))
    RunFolder(tmp_path / "run").save_training({"data": "a"})
    assert saved
    assert all(tensor.base is None for tensor in saved)


# ---------------------------------------------------------------------------------------------- what may be replaced


def test_the_folder_of_another_library_is_not_replaced(home: Path, foreign: Path, capsys: pytest.CaptureFixture):
    words = ["train", "charlm", "--data", str(home / "text.txt"), *TINY, "--out", str(foreign)]
    for more in ([], ["--overwrite"]):
        capsys.readouterr()
        assert main([*words, *more]) == 2
        assert "has a config.json that is not of a run, or is damaged, so nothing there" in capsys.readouterr().err
    assert_untouched(foreign)


def test_an_ensemble_does_not_replace_the_folder_of_another_library(foreign: Path, tmp_path: Path):
    for seed in (1, 2):
        classifier(seed, ("negative", "positive")).save_pretrained(tmp_path / str(seed))
    words = ["ensemble", str(tmp_path / "1"), str(tmp_path / "2"), "--data", "sample-reviews", "--overwrite", "--out"]
    assert main([*words, str(foreign)]) == 2
    assert_untouched(foreign)


def test_a_model_is_not_saved_over_files_of_others(home: Path, foreign: Path, tmp_path: Path):
    for model in (CharLM.from_pretrained(home / "lm"), classifier(0), other_ensemble()):
        with pytest.raises(UserError, match=r"has a config\.json that is not of a whole model of rnnnlp"):
            model.save_pretrained(foreign)
    assert_untouched(foreign)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("my project")
    with pytest.raises(UserError, match=r"has a README\.md that is not of a whole model"):
        CharLM.from_pretrained(home / "lm").save_pretrained(tmp_path / "project")
    assert os.listdir(tmp_path / "project") == ["README.md"]
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    classifier(0).save_pretrained(tmp_path / "clone")
    assert (tmp_path / "clone" / ".git").is_dir()


def test_an_export_that_was_interrupted_is_not_replaced(tmp_path: Path):
    waiting = tmp_path / "site" / NEXT
    waiting.mkdir(parents=True)
    (waiting / "README.md").write_text("an export")
    (waiting / "model.onnx").write_text("graph")
    with pytest.raises(UserError, match=r"has a README\.md that is not of a whole model"):
        classifier(0).save_pretrained(tmp_path / "site")
    with pytest.raises(UserError, match="is not empty and not a run"):
        RunFolder.create(tmp_path / "site", overwrite=True)
    assert sorted(os.listdir(waiting)) == ["README.md", "model.onnx"]


def test_a_model_is_not_saved_where_a_run_trains(home: Path, tmp_path: Path):
    shutil.copytree(home / "lm", tmp_path / "run")
    with RunFolder.reopen(tmp_path / "run"), pytest.raises(UserError, match="is in use"):
        classifier(0).save_pretrained(tmp_path / "run")


def test_a_damaged_run_can_be_overwritten(home: Path, tmp_path: Path):
    shutil.copytree(home / "lm", tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{")
    words = ["train", "charlm", "--data", str(home / "text.txt"), *TINY, "--overwrite", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    CharLMNetwork.from_pretrained(tmp_path / "run")


@pytest.mark.parametrize("name", ["README.md", "checkpoints/*/config.json", "link.md"])
def test_data_in_the_run_that_is_replaced_are_refused(
    name: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    (run / "link.md").symlink_to("README.md")
    words = ["train", "charlm", *TINY, "--overwrite", "--out", str(run), "--data"]
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    assert main([*words, str(run / name)]) == 2
    assert f"{name} is in the run that --out {run} replaces; copy it elsewhere first" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before
    shutil.copy(home / "text.txt", run / "mine.txt")  # stays
    assert main([*words, str(run / "mine.txt")]) == 0


def test_a_run_that_cannot_begin_leaves_the_one_before(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What can fail comes before the old run is replaced."""
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    words = ["train", "sentiment", "--overwrite", *TINY, "--out", str(run), "--data"]
    (tmp_path / "few.csv").write_text("text,label\n" + "good,1\nbad,0\n" * 4)
    assert main([*words, str(tmp_path / "few.csv"), "--pretraining", "2"]) == 2  # too few texts to pretrain
    with monkeypatch.context() as patch:
        patch.setattr(SentimentNetwork, "save_weights", lambda *arguments, **options: 1 / 0)
        assert main([*words, str(tmp_path / "few.csv")]) == 70
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} | {
        run / ".lock": before[run / ".lock"]
    } == before


@pytest.mark.parametrize("out", ["{home}", "~"])
def test_an_ensemble_is_not_written_over_its_members(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setenv("HOME", str(tmp_path))
    out = out.format(home=tmp_path)
    Ensemble([classifier(seed, ("negative", "positive")) for seed in (1, 2)], np.ones(2)).save_pretrained(tmp_path)
    members = [str(tmp_path / "members" / name) for name in "01"]
    assert main(["ensemble", *members, "--data", "sample-reviews", "--overwrite", "--out", out]) == 2
    assert "is, or holds, one of the runs of the ensemble" in capsys.readouterr().err
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "ensemble"


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_can_be_opened_while_another_process_replaces_it(home: Path, tmp_path: Path):
    model = tmp_path / "model"
    networks = [CharLMNetwork.from_pretrained(home / "lm") for _ in range(2)]
    networks[1].parameters()["embedding.weight"].value += 1
    networks[0].save_pretrained(model)
    whole = {network.parameters()["embedding.weight"].value.tobytes() for network in networks}
    child = os.fork()
    if child == 0:
        try:
            for k in range(60):
                networks[k % 2].save_pretrained(model)
            os._exit(0)
        finally:
            os._exit(1)
    opened = 0
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        network = CharLMNetwork.from_pretrained(model)
        assert network.parameters()["embedding.weight"].value.tobytes() in whole
        opened += 1
    assert opened
    assert ended[1] == 0
