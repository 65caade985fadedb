"""Run folders of earlier versions are opened, measured to the figures of then, and gone on with.

The folders in tests/fixtures are named after the version and the task. Those of a new version are added by

    python -m tests.test_fixtures VERSION

and the old ones stay. Each holds what it was trained on.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from rnnnlp import kernels
from rnnnlp.cli.main import main
from rnnnlp.files import load_tensors, save_tensors
from rnnnlp.text import load_labelled
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS, RunFolder, read_state

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = sorted(path for path in FIXTURES.iterdir() if path.is_dir()) if FIXTURES.is_dir() else []
SEED = 1
SMALL = f"--hidden-size 4 --embedding-size 3 --steps 6 --batch-size 4 --evaluations 2 --backend numpy --seed {SEED}"
TASKS = {"charlm": "--data data.txt --bptt 8", "sentiment": "--data data.csv --tokenizer word --min-frequency 1"}
NEWEST_KEYS = ("health",)  # of a training state; the first runs of 0.1 have none
SIZE_LIMIT = 100_000  # bytes of one folder


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, as the working folder, so that its data are found."""
    shutil.copytree(request.param, tmp_path / "fixture")
    monkeypatch.chdir(tmp_path / "fixture")
    return tmp_path / "fixture"


def figures(weights: str, *options: str) -> dict[str, float]:
    """What `evaluate` finds for the run of the working folder."""
    assert main(["evaluate", "run", "--weights", weights, "--backend", "numpy", "--json", "found.json", *options]) == 0
    found = json.loads(Path("found.json").read_text())
    return {name: found[name] for name in sorted(found) if isinstance(found[name], float) and name != "seconds"}


def test_there_are_fixtures():
    assert len(FOLDERS) >= 2
    for path in FOLDERS:
        assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < SIZE_LIMIT


@pytest.mark.parametrize("weights", ["best", "last"])
def test_its_figures_are_as_they_were(weights: str, folder: Path):
    then = json.loads((folder / "figures.json").read_text())[weights]
    options = []
    if folder_kind(Path("run")) == "sentiment":  # the first runs of 0.1 held out other texts for each seed
        held_out = load_labelled("data.csv", rng_seed=SEED, splits=("validation",))
        rows = zip(held_out.splits["validation"].texts, held_out.splits["validation"].labels, strict=True)
        lines = [f"{text},{held_out.label_names[label]}\n" for text, label in rows]
        Path("then").mkdir()
        Path("then/validation.csv").write_text("text,label\n" + "".join(lines))
        options = ["--data", "then"]
    now = figures(weights, *options)  # and maybe more of them
    assert {name: now[name] for name in then} == pytest.approx(then, rel=1e-4)


def test_a_classifier_without_a_temperature_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(FIXTURES / "0.1-sentiment", tmp_path / "fixture")
    monkeypatch.chdir(tmp_path / "fixture")
    now = figures("best")
    assert now["temperature"] == 1
    assert now["expected_calibration_error"] == now["uncalibrated_error"]


def test_it_is_gone_on_with(folder: Path):
    kind = folder_kind(Path("run"))
    begun = read_state(RunFolder("run").latest_checkpoint())["step"]
    assert main(["train", kind, "--resume", "run"]) == 0
    assert read_state(RunFolder("run").latest_checkpoint())["step"] == 6 > begun
    words = ["generate", "run", "--length", "5"] if kind == "charlm" else ["predict", "run", "good"]
    assert main(words) == 0


def test_a_checkpoint_without_the_newest_keys_is_gone_on_with(folder: Path):
    checkpoint = RunFolder("run").latest_checkpoint()
    tensors = load_tensors(checkpoint / STATE_TENSORS, beside=BESIDE_STATE)
    state = json.loads((checkpoint / STATE).read_text())
    for key in NEWEST_KEYS:
        del state[key]
    (checkpoint / STATE).write_text(json.dumps(state))
    save_tensors(checkpoint / STATE_TENSORS, tensors, beside=BESIDE_STATE)  # with their checksums, as it was written
    assert main(["train", folder_kind(Path("run")), "--resume", "run"]) == 0
    assert read_state(RunFolder("run").latest_checkpoint())["step"] == 6


def folder_kind(run: Path) -> str:
    return {"char_lm": "charlm"}.get(json.loads((run / "config.json").read_text())["model_type"], "sentiment")


def write(version: str) -> None:
    """Makes the folders of this version."""
    for kind, words in TASKS.items():
        folder = FIXTURES / f"{version}-{kind}"
        folder.mkdir(parents=True)
        os.chdir(folder)
        Path("data.txt").write_text("All happy families are alike; each unhappy one is unhappy in its own way.\n" * 12)
        rows = [f"it is {word} number {i},{n}\n" for i in range(20) for word, n in (("bad", "no"), ("good", "yes"))]
        Path("data.csv").write_text("text,label\n" + "".join(rows))
        Path("data.csv" if kind == "charlm" else "data.txt").unlink()
        kernels.use("numpy")
        assert main(["train", kind, "--out", "run", *words.split(), *SMALL.split(), "--checkpoint-every", "3"]) == 0
        last = RunFolder("run").latest_checkpoint()
        shutil.rmtree(last)  # as if it had been killed before its last checkpoint
        Path("run/.lock").unlink()
        Path("figures.json").write_text(json.dumps({w: figures(w) for w in ("best", "last")}, indent=1) + "\n")
        Path("found.json").unlink()


if __name__ == "__main__":
    write(sys.argv[1])
