"""What a classifier starts from by default, and that training does not make a pretrained one worse."""

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import Callback, SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.cli.output import LogHandler
from rnnnlp.tasks.sentiment import defaults, train
from rnnnlp.training.loop import Trainer
from tests.bundled import CHINESE, ENGLISH, install_models

SHORT: dict[str, Any] = {"budget": "2s", "max_epochs": 1}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installation")
    install_models(folder)
    return folder


@pytest.fixture(autouse=True)
def _installed(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", installation / "rnnnlp")


def start_of(texts: list[str], caplog: pytest.LogCaptureFixture, **options: Any) -> str | None:
    labels = [("down", "up")[i % 2] for i in range(len(texts))]
    caplog.clear()
    with caplog.at_level("INFO", "rnnnlp"):
        classifier = SentimentClassifier(**SHORT | options).fit(texts, labels)
    said = "starting from the bundled model" in caplog.text
    started = classifier.training_["from_"]
    assert said == (started is not None)
    return started


def test_few_texts_of_a_known_language_start_from_its_model(caplog: pytest.LogCaptureFixture) -> None:
    english, chinese = ([text for text, _ in rows] * 5 for rows in (ENGLISH, CHINESE))
    assert start_of(english, caplog) == "reviews-en"
    (record,) = (record for record in caplog.records if "starting from" in record.message)
    assert record.levelname == "WARNING"  # in Python nobody sees messages below it
    assert record.getMessage().endswith("give from_ none to train from scratch")
    assert LogHandler().format(record).endswith("give --from none to train from scratch")  # on the command line
    assert start_of(chinese, caplog) == "reviews-zh"
    assert start_of(english, caplog, from_="none") is None
    assert start_of(["ein guter Film", "ein schlechter Film"] * 10, caplog) is None  # words that it does not know
    assert start_of(["хороший фильм", "плохой фильм"] * 10, caplog) is None
    assert start_of(english[:10] + chinese[:10], caplog) is None


@pytest.mark.parametrize("options", [{"tokenizer": "char"}, {"hidden_size": 4}, {"pretraining": 0}, {"cell": "gru"}])
def test_an_option_that_decides_the_network_starts_from_nothing(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert start_of([text for text, _ in ENGLISH] * 5, caplog, **options) is None


def test_many_texts_or_no_budget_start_from_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = [text for text, _ in ENGLISH] * 5
    assert start_of(english, caplog, budget=None, epochs=1, max_epochs=None) is None
    monkeypatch.setattr(defaults, "MOST_FOR_BUNDLED", 10)
    assert start_of(english, caplog) is None


def test_none_is_no_model_on_the_command_line_either(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "texts.csv").write_text("text,label\n" + "a good film,1\na bad film,0\n" * 9)
    words = "--from none --tokenizer char --steps 1".split()
    data, out = str(tmp_path / "texts.csv"), str(tmp_path / "run")
    assert main(["train", "sentiment", "--data", data, "--out", out, *words]) == 0


class Told(Callback):
    """Keeps the steps of the evaluations."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def evaluation(self, step: int, *_: Any, **__: Any) -> None:
        self.steps.append(step)


@pytest.mark.parametrize("folds", [0, 3])
def test_training_does_not_make_a_classifier_worse(tmp_path: Path, folds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a learning rate that destroys it, the weights of the start are kept."""
    monkeypatch.setattr(train, "is_bundled", lambda place: True)
    texts, labels = (list(column) for column in zip(*ENGLISH * 10, strict=True))
    sizes: dict[str, Any] = {"hidden_size": 4, "embedding_size": 4, "dropout": 0.0, "batch_size": 4}
    before = SentimentClassifier(**sizes, lr=0.02, epochs=8, folds=0).fit(texts, labels, out=tmp_path / "before")
    assert before.score(texts, labels) == 1
    destroyed: dict[str, Any] = {"lr": 50.0, "epochs": 2, "averaging": 0.0, "evaluations": 2, "max_norm": 0.0}
    after = SentimentClassifier(from_=str(tmp_path / "before"), folds=folds, on_divergence="rollback", **destroyed)
    told = Told()
    after.fit(texts, labels, callbacks=[told])
    assert told.steps[0] == 0
    assert after.score(texts, labels) == 1
    evaluations = [record for record in after.history_ if "validation" in record]
    assert evaluations[0]["step"] == 0
    a, b = (classifier.network_.parameters() for classifier in (before, after))
    rows = len(a["embedding.weight"].value)
    np.testing.assert_array_equal(b["embedding.weight"].value[:rows], a["embedding.weight"].value)


@pytest.mark.parametrize("folds", [0, 3])
def test_an_interrupted_run_still_evaluates_its_start(
    tmp_path: Path, folds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "is_bundled", lambda place: True)
    texts, labels = (list(column) for column in zip(*ENGLISH * 10, strict=True))
    SentimentClassifier(hidden_size=4, embedding_size=4, epochs=1, folds=0).fit(texts, labels, out=tmp_path / "before")
    options: dict[str, Any] = {"from_": str(tmp_path / "before"), "folds": folds, "epochs": 2, "evaluations": 4}
    options |= {"keep_checkpoints": 9, "patience": 0}
    whole = SentimentClassifier(**options).fit(texts, labels, out=tmp_path / "whole")
    assert len(evaluated(whole)) == 5

    def interrupted(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            SentimentClassifier(**options).fit(texts, labels, out=tmp_path / "run")
    again = SentimentClassifier.resume(tmp_path / "run", texts, labels)
    assert evaluated(again) == evaluated(whole)
    *later, first = sorted((tmp_path / "run/checkpoints").iterdir(), reverse=True)
    for checkpoint in later:  # as if it had been killed after that evaluation
        shutil.rmtree(checkpoint)
    again = SentimentClassifier.resume(tmp_path / "run", texts, labels)
    assert first.name == "step-00000000"
    assert evaluated(again) == evaluated(whole)


def test_a_run_goes_on_without_the_run_that_it_started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels = (list(column) for column in zip(*ENGLISH * 10, strict=True))
    SentimentClassifier(hidden_size=4, embedding_size=4, epochs=1, folds=0).fit(texts, labels, out=tmp_path / "before")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", lambda *_: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            SentimentClassifier(from_=str(tmp_path / "before"), epochs=1).fit(texts, labels, out=tmp_path / "run")
    shutil.rmtree(tmp_path / "before")
    assert SentimentClassifier.resume(tmp_path / "run", texts, labels).history_


def evaluated(classifier: SentimentClassifier) -> list[tuple[int, float]]:
    """The step and the loss of each evaluation."""
    return [(record["step"], record["validation"]["loss"]) for record in classifier.history_ if "validation" in record]
