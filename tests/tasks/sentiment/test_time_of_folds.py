"""The time of pretraining and of a cross-validation counts, wherever a run was stopped."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import SentimentClassifier
from rnnnlp.tasks.sentiment import folds, train
from rnnnlp.tasks.sentiment.cross_validation import CrossValidation
from rnnnlp.tensors import load_tensors
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import CROSS_VALIDATION
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.signals import Interrupted
from tests.conftest import TickingClock
from tests.tasks.sentiment.test_cross_validation import LABELS, SMALL, TEXTS, let_network_in

LIMITS: dict[str, Any] = {"epochs": None, "budget": 1000.0, "max_epochs": 2, "evaluations": 2}
PRETRAINED: dict[str, Any] = {"pretraining": 1, "max_length": 40}
LONGER = [f"{text} and {text}" for text in TEXTS]
FOLD_SECONDS = 10.0


class Crash(Exception):
    """In place of a power cut: nothing is saved when it comes."""


def fold_that_ends(ticking: TickingClock, last: int, end: BaseException | None) -> Any:
    """As `folds.train_fold`, but each fold takes FOLD_SECONDS, and `end` is raised in the one with this number."""
    original, begun = folds.train_fold, []

    def train_fold(*arguments: Any) -> Any:
        begun.append(arguments)
        ticking.seconds += FOLD_SECONDS
        if len(begun) == last and end is not None:
            raise end
        yield from original(*arguments)

    return train_fold


def left_for_folds(patch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the folds get, of each time that they are begun."""
    found, original = [], folds.logits_of_folds

    def noted(*arguments: Any, seconds: float, **options: Any) -> Any:
        found.append(seconds)
        return original(*arguments, seconds=seconds, **options)

    patch.setattr(train, "logits_of_folds", noted)
    return found


@pytest.mark.parametrize("first", [{}, PRETRAINED], ids=["from nothing", "after pretraining"])
@pytest.mark.parametrize("end", [Interrupted(signal.SIGINT), Crash()], ids=["signal", "crash"])
def test_the_time_of_folds_that_were_stopped_is_gone(
    first: dict[str, Any], end: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: TickingClock
) -> None:
    let_network_in(monkeypatch)
    left = left_for_folds(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(folds, "train_fold", fold_that_ends(ticking, 3, end))
        with pytest.raises(type(end)):
            SentimentClassifier(**SMALL | LIMITS | first).fit(LONGER, LABELS.tolist(), out=tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(folds, "train_fold", fold_that_ends(ticking, 2, end))
        with pytest.raises(type(end)):
            SentimentClassifier.resume(tmp_path / "run", LONGER, LABELS.tolist())
    SentimentClassifier.resume(tmp_path / "run", LONGER, LABELS.tolist())
    gone = [(LIMITS["budget"] - seconds * 4 / 3) for seconds in left]  # the folds have three quarters of what is left
    finished = 0 if isinstance(end, Crash) else 1  # a crash forgets the fold that it comes in
    assert gone[0] < FOLD_SECONDS
    assert gone[1] - gone[0] == pytest.approx((2 + finished) * FOLD_SECONDS, abs=FOLD_SECONDS / 2)
    assert gone[2] - gone[1] == pytest.approx((1 + finished) * FOLD_SECONDS, abs=FOLD_SECONDS / 2)


def test_a_run_says_how_long_it_took_with_its_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: TickingClock
) -> None:
    let_network_in(monkeypatch)
    monkeypatch.setattr(folds, "train_fold", fold_that_ends(ticking, 0, None))
    SentimentClassifier(**SMALL | LIMITS | PRETRAINED).fit(LONGER, LABELS.tolist(), out=tmp_path / "run")
    labels = load_tensors(tmp_path / "run" / CROSS_VALIDATION)["labels"]
    found = CrossValidation.load(tmp_path / "run", labels, 2)
    assert found is not None
    assert 3 * FOLD_SECONDS < found.seconds < RunFolder(tmp_path / "run").seconds() < 4 * FOLD_SECONDS


def test_a_signal_while_the_first_fold_is_judged_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> tuple[float, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0.0, 0.0

    monkeypatch.setattr(train, "FEWEST_FOR_NETWORK", 0)
    monkeypatch.setattr(folds, "gain_of", stopped)
    with pytest.raises(SystemExit):
        SentimentClassifier(**SMALL).fit(TEXTS, LABELS.tolist(), out=tmp_path / "run")


def test_a_signal_in_the_last_checkpoint_of_the_folds_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = Trainer.save_checkpoint, []

    def stopped(trainer: Trainer, *arguments: Any) -> None:
        save(trainer, *arguments)
        saved.append(trainer.clock.step)
        if len(saved) == 1 + SMALL["folds"]:  # the first one is that of the beginning
            os.kill(os.getpid(), signal.SIGINT)

    let_network_in(monkeypatch)
    monkeypatch.setattr(Trainer, "save_checkpoint", stopped)
    with pytest.raises(Interrupted):
        SentimentClassifier(**SMALL).fit(TEXTS, LABELS.tolist(), out=tmp_path / "run")
    assert not (tmp_path / "run" / CROSS_VALIDATION).exists()


def test_what_is_not_finite_in_a_fold_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, seen = folds.train_fold, []

    def exploding(objective: Any, *arguments: Any) -> Any:
        for number in original(objective, *arguments):
            if number == SMALL["evaluations"]:
                objective.network.head.bias.value[...] = np.nan
            yield number

    def kept(*arguments: Any) -> tuple[float, float]:
        seen.append(arguments[0])
        return 1.0, 0.0

    monkeypatch.setattr(train, "FEWEST_FOR_NETWORK", 0)
    monkeypatch.setattr(folds, "gain_of", kept)
    monkeypatch.setattr(folds, "train_fold", exploding)
    SentimentClassifier(**SMALL).fit(TEXTS, LABELS.tolist(), out=tmp_path / "run")
    of_all = seen[-1]
    assert np.isfinite(of_all).all()
    assert np.array_equal(of_all[-1], of_all[-2])
    assert not np.array_equal(of_all[-2], of_all[0])
