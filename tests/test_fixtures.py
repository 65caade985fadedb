"""Run folders of earlier versions open, measure what they measured then, and can be resumed.

The folders in tests/fixtures are named after the version and what they are. Their README says how they were made.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.text import load_labelled
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS, RunFolder, read_state
from tests.make_fixtures import SEED, STEPS, generated, measure, predictions

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = sorted(path for path in FIXTURES.iterdir() if path.is_dir())
NAMES = {"charlm", "sentiment", "gru", "pretrain", "ngrams", "pretrained", "ensemble"}
HELD_OUT_BY_SEED = "0.1-sentiment"  # the first runs of 0.1 held out other texts for each seed
NEWEST_KEYS = ("health",)  # of a training state; the first runs of 0.1 have none
SIZE_LIMIT = 100_000  # bytes of one folder
TRAIN = {"char_lm": ["train", "charlm"], "sentiment": ["train", "sentiment"]}  # else a language model of words
Run = Callable[..., str]


def each(folders: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fixture", folders, ids=lambda path: path.name)


def with_figure(name: str) -> list[Path]:
    """The fixtures whose figures have this key."""
    return [path for path in FOLDERS if name in json.loads((path / "figures.json").read_text())]


RESUMABLE = [path for path in FOLDERS if (path / "run/checkpoints").is_dir()]


@pytest.fixture
def folder(fixture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, as the working folder, so that its data are found."""
    shutil.copytree(fixture, tmp_path / "fixture")
    monkeypatch.chdir(tmp_path / "fixture")
    return tmp_path / "fixture"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process and returns its standard output."""

    def run(*words: str) -> str:
        capsys.readouterr()
        assert main(list(words)) == 0
        return capsys.readouterr().out

    return run


def figures_then(folder: Path) -> dict:
    return json.loads((folder / "figures.json").read_text())


def model_type_of(run: str) -> str:
    return json.loads((Path(run) / "config.json").read_text())["model_type"]


def own_held_out(folder: Path) -> list[str]:
    """The options that measure a run on the texts that it held out."""
    if folder.name != HELD_OUT_BY_SEED:
        return []
    held_out = load_labelled("data.csv", rng_seed=SEED, splits=("validation",))
    rows = zip(held_out.splits["validation"].texts, held_out.splits["validation"].labels, strict=True)
    Path("then").mkdir(exist_ok=True)
    lines = [f"{text},{held_out.classes.names[label]}\n" for text, label in rows]
    Path("then/validation.csv").write_text("text,label\n" + "".join(lines))
    return ["--data", "then"]


def resume(run: Run) -> None:
    """Resumes the run of the working folder to its end."""
    begun = read_state(RunFolder("run").latest_checkpoint()).step
    run(*TRAIN.get(model_type_of("run"), ["pretrain"]), "--resume", "run")
    assert read_state(RunFolder("run").latest_checkpoint()).step == STEPS > begun


def test_there_are_fixtures():
    assert {path.name.split("-", 1)[1] for path in FOLDERS} == NAMES
    for path in FOLDERS:
        assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < SIZE_LIMIT


@each(FOLDERS)
def test_its_best_weights_measure_the_same(fixture: Path, folder: Path, run: Run):
    now, then = measure(run, "best", "run", *own_held_out(fixture)), figures_then(folder)["best"]
    assert {name: now[name] for name in then} == pytest.approx(then, rel=1e-4)  # now there may be more figures


@each(RESUMABLE)
def test_its_last_weights_measure_the_same(fixture: Path, folder: Path, run: Run):
    now, then = measure(run, "last", "run", *own_held_out(fixture)), figures_then(folder)["last"]
    assert {name: now[name] for name in then} == pytest.approx(then, rel=1e-4)


@each(with_figure("predictions"))
def test_its_predictions_are_the_same(folder: Path, run: Run):
    now, then = predictions(run), figures_then(folder)["predictions"]
    for found, expected in zip(now, then, strict=True):
        del found["unknown_words"]  # which these versions did not tell
        assert found.pop("probabilities") == pytest.approx(expected.pop("probabilities"), abs=5e-6)
        assert found == expected


@each(with_figure("generated"))
def test_it_generates_the_same_text(folder: Path, run: Run):
    assert generated(run) == figures_then(folder)["generated"]


@each(with_figure("language_model"))
def test_its_language_model_measures_the_same(folder: Path, run: Run):
    now, then = measure(run, "best", "run/language_model"), figures_then(folder)["language_model"]
    assert {name: now[name] for name in then} == pytest.approx(then, rel=1e-4)


@each([FIXTURES / HELD_OUT_BY_SEED])
def test_a_classifier_without_a_temperature_has_temperature_1(folder: Path, run: Run):
    now = measure(run)
    assert now["temperature"] == 1
    assert now["expected_calibration_error"] == now["uncalibrated_error"]


@each(RESUMABLE)
def test_it_is_resumed(folder: Path, run: Run):
    resume(run)
    then = figures_then(folder)
    if "end" in then:  # what the same run measured, when it was not stopped
        now = measure(run, "last")
        assert {name: now[name] for name in then["end"]} == pytest.approx(then["end"], rel=1e-4)
    if (model_type := model_type_of("run")) == "char_lm":
        assert generated(run)
    elif model_type == "sentiment":
        assert predictions(run)


@each(RESUMABLE)
def test_a_checkpoint_without_the_newest_keys_is_resumed(folder: Path, run: Run):
    checkpoint = RunFolder("run").latest_checkpoint()
    tensors = load_tensors(checkpoint / STATE_TENSORS, beside=BESIDE_STATE)
    state = json.loads((checkpoint / STATE).read_text())
    for key in NEWEST_KEYS:
        del state[key]
    (checkpoint / STATE).write_text(json.dumps(state))
    save_tensors(checkpoint / STATE_TENSORS, tensors, beside=BESIDE_STATE)  # with their checksums, as it was written
    resume(run)
