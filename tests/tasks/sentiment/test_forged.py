"""Folders with right checksums and values that no training gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.tensors import save_tensors
from tests.runs import trained_on


@pytest.fixture
def run(tmp_path: Path) -> Path:
    network = trained_on(
        ["a good film", "a bad film"] * 9,
        ["good", "bad"] * 9,
        tmp_path / "run",
        hidden_size=4,
        embedding_size=3,
        steps=1,
    )
    network.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def forge(folder: Path, **values: Any) -> None:
    """Changes tensors of a model, with right checksums."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "model.safetensors")
    tensors |= {name: np.full_like(tensors[name], value) for name, value in values.items()}
    save_tensors(folder / "model.safetensors", tensors, beside=("config.json", "tokenizer.json"))


@pytest.mark.parametrize("value", [-800.0, 800.0, -20.0, 5.0, 1e308])
def test_a_temperature_that_no_training_gives_is_refused(value: float, run: Path, capsys: pytest.CaptureFixture):
    forge(run, log_temperature=value)
    assert main(["predict", str(run), "a film"]) == 2
    assert "; training gives a value from -3.0 to 3.0: restore it or train again" in capsys.readouterr().err


@pytest.mark.parametrize("value", [-2.99, 0.0, 2.99])
def test_temperatures_of_a_training_are_taken(value: float, run: Path):
    forge(run, log_temperature=value)
    assert np.isfinite(SentimentClassifier.from_pretrained(run).predict_proba(["a film"])).all()


def test_classes_of_the_same_name_are_refused(run: Path, capsys: pytest.CaptureFixture):
    config = json.loads((run / "config.json").read_text())
    config["model"]["labels"] = ["good", "good"]
    (run / "config.json").write_text(json.dumps(config))
    forge(run)
    for words in (["evaluate", "--data", "sample-reviews"], ["predict", "a film"]):
        assert main([words[0], str(run), *words[1:]]) == 2
        assert "--labels is ('good', 'good'); it must be different names" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_weights_that_give_no_numbers_are_refused(backend: str, run: Path, capsys: pytest.CaptureFixture):
    from safetensors.numpy import load_file

    names = load_file(run / "model.safetensors").keys() - {"log_temperature"}
    forge(run, **dict.fromkeys(names, 1e38))
    data = run.parent / "data.csv"
    data.write_text("text,label\n" + "a good film,good\na bad film,bad\n" * 5)
    for words in (["evaluate", "--data", str(data)], ["predict", "a film", "--json", "-"]):
        assert main([words[0], str(run), *words[1:], "--backend", backend]) == 2
        shown = capsys.readouterr()
        assert "so large that" in shown.err.splitlines()[-1]
        assert "nan" not in shown.out.lower()
