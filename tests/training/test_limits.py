"""What would be too large to be read again is refused before training begins, and before anything is replaced."""

import os
from pathlib import Path

import numpy as np
import pytest

from rnnnlp import CharLM, SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.training.run_folder import BESIDE_STATE, CONFIG, STATE_TENSORS, TOKENIZER, WEIGHTS, RunFolder
from tests.cli.furnished import TINY

SMALL = {"hidden_size": 4, "embedding_size": 3, "steps": 2, "batch_size": 2}
WORDS = [" ".join(f"word{i}" for i in range(300))] * 3


def test_labels_that_are_texts(tmp_path: Path, capsys: pytest.CaptureFixture):
    labels = ["a" * 9_000_000, "b" * 9_000_000]
    with pytest.raises(UserError, match=r"the labels have 18000000 bytes in all, .* with label_column"):
        SentimentClassifier(**SMALL).fit(["good", "bad"] * 20, labels * 20, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    rows = [
        f"{text},{label}\n"
        for text, label in zip(["good", "bad"] * 2, [label[:4_000_000] for label in labels] * 2, strict=True)
    ]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(rows))
    words = ["train", "sentiment", "--data", str(tmp_path / "a.csv"), *TINY, "--out", str(tmp_path / "run")]
    assert main(words) == 2
    assert "--label-column" in capsys.readouterr().err


def test_a_vocabulary_that_could_not_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    CharLM(bptt=8, **SMALL).fit(["a text of some words " * 20] * 3, out=tmp_path / "run")
    before = (tmp_path / "run" / "config.json").read_bytes()
    monkeypatch.setattr("rnnnlp.text.tokenizers.TOKENIZER_LIMIT", 4000)
    model = CharLM(tokenizer="word", min_frequency=1, bptt=8, **SMALL)
    expected = r"tokenizer.json would have \d+ bytes for 30\d entries, and at most 4000 .* a smaller vocab_size"
    with pytest.raises(UserError, match=expected):
        model.fit(WORDS, out=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_configuration_that_could_not_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = CharLM(bptt=8, **SMALL).fit(WORDS)
    monkeypatch.setattr("rnnnlp.training.model_folder.JSON_LIMIT", 100)
    with pytest.raises(
        UserError, match=r"config\.json would have \d+ bytes, and at most 100 are read again; give fewer"
    ):
        model.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
    with pytest.raises(UserError, match=r"config\.json would have"):
        CharLM(bptt=8, **SMALL).fit(WORDS, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labels_with_brackets_that_could_not_be_read_again(tmp_path: Path):
    labels = ["[" * 60_000, "{" * 60_000]
    with pytest.raises(
        UserError, match=r"config\.json would have 1200\d\d brackets, and at most 100000 are read again"
    ):
        SentimentClassifier(**SMALL).fit(["good", "bad"] * 20, labels * 20, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tensors_that_could_not_be_read_again(tmp_path: Path):
    path, value = tmp_path / "model.safetensors", np.zeros(1, np.float32)
    save_tensors(path, {f"{i:01000}": value for i in range(100)})
    assert len(load_tensors(path)) == 100
    with pytest.raises(UserError, match=r"would have a header of \d+ bytes, and at most 4194304 are read again"):
        save_tensors(path, {f"{i:01000}": value for i in range(4200)})
    assert len(load_tensors(path)) == 100


def test_an_ensemble_that_could_not_be_read_again(tmp_path: Path):
    network = SentimentClassifier(**SMALL).fit(["good", "bad"] * 20, ["a", "b"] * 20)._fitted()
    with pytest.raises(UserError, match="the number of members is 1001; an ensemble has at least 1 and at most 1000"):
        Ensemble([network] * 1001, np.ones(1001)).save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    "content", [None, b"", b"\2\0\0\0\0\0\0\0[]", bytes(100)], ids=["missing", "empty", "a list", "zeros"]
)
def test_damaged_weights_beside_a_large_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content):
    CharLM(bptt=8, **SMALL).fit(WORDS).save_pretrained(tmp_path)
    monkeypatch.setattr("rnnnlp.text.registry._LARGE", 10)
    monkeypatch.setattr("rnnnlp.text.registry._OTHER_ITEMS", 0)
    CharLM.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is (missing; the folder|damaged \()"):
        CharLM.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", [WEIGHTS, STATE_TENSORS])
def test_checkpoints_with_many_values_are_not_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture, name: str):
    CharLM(bptt=8, **SMALL).fit(WORDS, out=tmp_path / "run")
    checkpoint = RunFolder(tmp_path / "run").latest_checkpoint()
    state = load_tensors(checkpoint / STATE_TENSORS, beside=BESIDE_STATE)
    more = {"more": np.zeros(2_000_000, np.float32)}
    if name == WEIGHTS:
        save_tensors(checkpoint / WEIGHTS, more, beside=(CONFIG, TOKENIZER))
    save_tensors(checkpoint / STATE_TENSORS, state if name == WEIGHTS else state | more, beside=BESIDE_STATE)
    assert main(["evaluate", str(tmp_path / "run"), "--weights", "last", "--data", "sample-reviews"]) == 2
    assert f"{checkpoint / name} holds 2000" in (said := capsys.readouterr().err)
    assert " values and the model needs " in said


def test_an_enormous_line_of_metrics_hides_none(tmp_path: Path):
    with RunFolder.create(tmp_path / "run", overwrite=False) as run:
        run.log({"step": 1, "loss": 2.5, "sample": "a" * (1 << 20)})
        run.log({"step": 2, "loss": 2.25})
        assert list(run.metrics()) == [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.25}]
    assert os.path.getsize(run.metrics_path) < 100
