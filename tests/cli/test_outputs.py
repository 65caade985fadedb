"""Files that commands write: none is an input, and what is there stays until the new content is whole."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp.cli.main import main
from rnnnlp.cli.predict import OpenedModel
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import training_of
from tests.cli.furnished import TINY
from tests.conftest import PATIENCE

REVIEWS = "text,label\n" + "a good film,good\na bad film,bad\n" * 20
TEXT = "To be, or not to be, that is the question.\n" * 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "data").mkdir()
    (home / "data" / "train.csv").write_text(REVIEWS)
    for name in ("rows1.csv", "rows[1].csv"):
        (home / name).write_text(REVIEWS)
    (home / "sweep").mkdir()
    (home / "tiny.toml").write_text("hidden-size = 4\nsteps = 1\nbatch-size = 2\nbptt = 8\n")
    for name in ("text.txt", "other.txt"):
        (home / name).write_text(TEXT)
    for command, data, name in (("sentiment", "data", "reviews"), ("charlm", "text.txt", "lm")):
        assert main(["train", command, "--data", str(home / data), *TINY, "--out", str(home / name)]) == 0
    member = SentimentNetwork.from_pretrained(home / "reviews")
    trained = training_of(home / "reviews")
    Ensemble([member, member], np.ones(2), [trained, trained]).save_pretrained(home / "ensemble")
    return home


@pytest.mark.parametrize(
    "command",
    [
        "evaluate {run} --json {home}/data/train.csv",
        "evaluate {run} --data {home}/data --split train --json {home}/data/train.csv",
        "evaluate {run} --data {home}/data/*.csv --split all --json {home}/data/train.csv",
        "evaluate {run} --data {home}/data/train.csv --split all --json {home}/reviews/config.json",
        "predict {run} --file {home}/data/train.csv --json {home}/link.csv",
        "predict {run} --file {home}/rows[1].csv --json {home}/rows[1].csv",
        "predict {run} text --json {home}/reviews/model.safetensors",
        "predict {run} --file {home}/data/train.csv --uncertain 3 --out {home}/link.csv",
        "predict {run} text --uncertain 3 --out {home}/link.csv",
        "predict {home}/ensemble text --uncertain 3 --out {home}/data/train.csv",
        "curve --data {home}/data --json {home}/data/train.csv",
        "predict {run} text --json {home}/reviews/checkpoints/step-00000002/config.json",
        "generate {home}/lm --out {home}/lm/tokenizer.json",
        "plot {home}/lm --json {home}/lm/metrics.jsonl",
        "plot --gradients {home}/lm --steps 2 --streams 2 --data {home}/text.txt --json {home}/text.txt",
        "plot --gradients {home}/lm --steps 2 --streams 2 --json {home}/text.txt",
        "evaluate {home}/lm --data {home}/other.txt --dynamic --json {home}/text.txt",
        "export {run} --quantize int8 --out {home}/small --json {home}/data/train.csv",
        "sweep charlm {home}/tiny.toml --data {home}/text.txt --out {home}/sweep --json {home}/text.txt",
    ],
)
def test_an_output_that_is_an_input_is_refused(command: str, home: Path, capsys: pytest.CaptureFixture):
    link = home / "link.csv"
    if not link.is_symlink():
        link.symlink_to(home / "data" / "train.csv")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    words = [word.format(home=home, run=home / "reviews") for word in command.split()]
    assert main(words) == 2
    assert "is a file that this command reads; give another path" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "command",
    [
        "curve --data {home}/data --sizes all --seeds 1 --out {home}/none/curve.svg",
        "curve --data {home}/data --sizes all --seeds 1 --out {home}/data/train.csv/curve.svg",
        "plot --gradients {home}/lm --steps 2 --streams 2 --json {home}/none/gradients.json",
        "evaluate {run} --json {home}/data",
        "sweep charlm {home}/tiny.toml --data {home}/text.txt --out {home}/sweep --json {home}/none/table.json",
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    if ".svg" in command:
        pytest.importorskip("matplotlib", reason="needs matplotlib")
    for work in ("learning_curve.learning_curve", "gradient_flow.gradient_norms"):
        monkeypatch.setattr(f"rnnnlp.analysis.{work}", lambda *arguments, **options: pytest.fail("it began"))
    for work in ("evaluate.measured", "sweep.trains"):
        monkeypatch.setattr(f"rnnnlp.cli.{work}", lambda *arguments, **options: pytest.fail("it began"))
    words = [word.format(home=home, run=home / "reviews") for word in command.split()]
    assert main(words) == 2
    assert f"{words[-2]} {words[-1]} cannot be written (" in capsys.readouterr().err
    assert not (home / "none").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a name for standard input")
def test_an_output_that_is_standard_input_is_refused(home: Path, tmp_path: Path):
    path = tmp_path / "texts.txt"
    path.write_text("good\nbad\n")
    words = [sys.executable, "-m", "rnnnlp.cli.main", "predict", str(home / "reviews"), "--json", str(path)]
    with open(path, "rb") as file:
        ended = subprocess.run(words, stdin=file, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 2
    assert "is a file that this command reads" in ended.stderr
    assert path.read_text() == "good\nbad\n"


def test_a_prediction_that_is_stopped(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file that is there stays; a new one has whole lines."""
    path, calls = tmp_path / "out.jsonl", []
    path.write_text("yesterday's\n")
    path.chmod(0o640)
    (home / "texts.txt").write_text("good\nbad\nfair\n")
    for name in ("FIRST_BATCH", "LARGEST_BATCH"):
        monkeypatch.setattr(f"rnnnlp.text.plain.{name}", 1)
    words = ["predict", str(home / "reviews"), "--file", str(home / "texts.txt"), "--json"]
    predictions = OpenedModel.predictions

    def stopped(*arguments: Any, **options: Any):
        calls.append(arguments)
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt
        return predictions(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(OpenedModel, "predictions", stopped)
        assert main([*words, str(path)]) == 130
        assert path.read_text() == "yesterday's\n"
        assert os.listdir(tmp_path) == ["out.jsonl"]
        assert main([*words, str(tmp_path / "new.jsonl")]) == 130
    assert texts_in(tmp_path / "new.jsonl") == ["good", "bad"]
    assert main([*words, str(path)]) == 0
    assert texts_in(path) == ["good", "bad", "fair"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def texts_in(path: Path) -> list[str]:
    content = path.read_text()
    assert content.endswith("\n")
    return [json.loads(line)["text"] for line in content.splitlines()]


def test_outputs_may_be_links_devices_and_files_of_earlier_commands(home: Path, tmp_path: Path):
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    run = tmp_path / "run"
    shutil.copytree(home / "reviews", run)
    for path in (tmp_path / "link.json", Path("/dev/null"), tmp_path / "real.json", run / "figures.json"):
        for _ in range(2):
            words = ["evaluate", str(run), "--data", str(home / "data"), "--split", "train", "--json", str(path)]
            assert main(words) == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["examples"] == 38
    assert not Path("/dev/null").is_file()


@pytest.mark.skipif(os.name != "posix", reason="needs names of open files")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("to", ["pipe", "file"])
def test_an_output_may_be_standard_output(name: str, to: str, home: Path, tmp_path: Path):
    """It follows what was printed there before."""
    code = "import sys\nfrom rnnnlp.cli.main import main\nprint('before')\nsys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "predict", str(home / "reviews"), "good", "--json", name]
    with open(tmp_path / "out", "w+") as file:
        ended = subprocess.run(words, stdout=subprocess.PIPE if to == "pipe" else file, text=True, timeout=PATIENCE)
        said = ended.stdout if to == "pipe" else (tmp_path / "out").read_text()
    assert ended.returncode == 0
    before, record = said.splitlines()
    assert before == "before"
    assert json.loads(record)["text"] == "good"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(os.name != "posix", reason="needs names of open files")
def test_an_output_may_be_a_pipe_or_another_open_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    reading, writing = os.pipe()
    os.mkfifo(tmp_path / "pipe")
    named = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for name, end in ((f"/dev/fd/{writing}", reading), (str(tmp_path / "pipe"), named)):
            assert main(["predict", str(home / "reviews"), "good", "--json", name]) == 0
            assert json.loads(os.read(end, 10_000))["text"] == "good"
        assert main(["predict", str(home / "reviews"), "good", "--json", "/dev/fd/999999999"]) == 2
        assert "--json /dev/fd/999999999 cannot be written (Bad file descriptor); give" in capsys.readouterr().err
    finally:
        for descriptor in (reading, writing, named):
            os.close(descriptor)
