"""A fold of a cross-validation that diverges: what it has learned so far stands for its later evaluations."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp.tasks.sentiment import folds, train
from rnnnlp.training.divergence import Diverged
from tests.tasks.sentiment.test_cross_validation import SMALL, fit, let_network_in

STEPS_AN_EVALUATION = 5  # of a fold: 40 of 60 texts, in batches of 8


@pytest.mark.parametrize("evaluations", [0, 1])
def test_a_fold_that_diverges_has_logits_at_each_evaluation(
    evaluations: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    last, steps = evaluations * STEPS_AN_EVALUATION + 1, []  # the last step before it diverges
    step_of, logits_of, seen = folds.train_step, folds.logits_of_folds, []

    def train_step(*arguments: Any, **options: Any) -> Any:
        steps.append(1)
        if len(steps) == last + 1:
            raise Diverged("step 2: the loss is nan")
        return step_of(*arguments, **options)

    def noted(objective: Any, of_texts: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
        found = logits_of(objective, of_texts, *arguments, **options)
        seen.append((found, of_texts == of_texts.min()))
        return found

    let_network_in(monkeypatch)
    monkeypatch.setattr(folds, "train_step", train_step)
    monkeypatch.setattr(train, "logits_of_folds", noted)
    fit(tmp_path / "run")
    assert "cross-validation: step 2: the loss is nan; what the fold has learned so far counts" in caplog.text
    ((logits, first),) = seen  # (1 + E, n, K), (n,)
    assert logits[1:].any(axis=-1).all()
    of_first, of_others = logits[:, first], logits[:, ~first]
    after = of_first[evaluations + 1 :]
    assert len(after) == SMALL["evaluations"] - evaluations
    assert (after == after[0]).all()  # nothing was learned any more
    assert not np.array_equal(after[0], of_first[evaluations])  # but a step since the last evaluation
    assert all(not np.array_equal(a, b) for a, b in pairwise(of_others))  # the others go on
