"""Figures against values worked out by hand."""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rnnnlp.tasks.sentiment.threshold import Threshold
from rnnnlp.training.metrics import (
    added_up,
    classification_metrics,
    confidence_gaps,
    error_of_gaps,
    language_model_metrics,
    most_confident_mistakes,
    threshold_counts,
    threshold_table,
    wilson_interval,
)

PROBABILITIES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.6, 0.3, 0.1],
        [0.2, 0.7, 0.1],
        [0.5, 0.4, 0.1],
        [0.1, 0.0, 0.9],
    ]
)
TARGETS = np.array([0, 1, 1, 0, 0])  # predicted: 0 0 1 0 2


def test_language_model():
    metrics = language_model_metrics(6 * np.log(2), tokens=3, characters=12)
    assert metrics["nats_per_char"] == pytest.approx(np.log(2) / 2)
    assert metrics["bits_per_char"] == pytest.approx(0.5)
    assert metrics["perplexity"] == pytest.approx(4)  # of a token
    assert metrics["tokens"] == 3


def test_a_hopeless_language_model_has_a_finite_perplexity():
    assert np.isfinite(language_model_metrics(1e9, tokens=10, characters=10)["perplexity"])


def test_classification():
    metrics = classification_metrics(PROBABILITIES, TARGETS, ["bad", "fair", "good"])
    assert metrics["confusion_matrix"] == [[2, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    assert metrics["examples"] == 5
    bad, fair, good = (metrics["per_class"][label] for label in ("bad", "fair", "good"))
    assert bad == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "examples": 3})
    assert fair == pytest.approx({"precision": 1, "recall": 1 / 2, "f1": 2 / 3, "examples": 2})
    assert good == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "examples": 0}  # guessed once, never there
    assert metrics["macro_f1"] == pytest.approx(4 / 9)


def test_calibration():
    # 15 ranges: 0.8, 0.6, 0.7, 0.5 and 0.9 each lie in another; hits 1 0 1 1 0
    expected = (0.2 + 0.6 + 0.3 + 0.5 + 0.9) / 5
    assert error_of_gaps(confidence_gaps(PROBABILITIES, TARGETS), 5) == pytest.approx(expected)
    # 0.72 and 0.68 lie in one range: 1.4 against one hit
    together = np.array([[0.72, 0.28], [0.32, 0.68], [0.1, 0.9]])
    assert error_of_gaps(confidence_gaps(together, np.array([0, 0, 1])), 3) == pytest.approx((0.4 + 0.1) / 3)


def test_calibration_of_certainty():
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert error_of_gaps(confidence_gaps(certain, np.array([0, 1])), 2) == 0
    assert error_of_gaps(confidence_gaps(certain, np.array([1, 0])), 2) == 1


@pytest.mark.parametrize(
    ("hits", "n", "interval"),  # as the tables of textbooks have them
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (900, 1000, (0.8798, 0.9171))],
)
def test_wilson_interval(hits: int, n: int, interval: tuple[float, float]):
    low, high = wilson_interval(hits, n)
    assert (low, high) == pytest.approx(interval, abs=5e-5)
    for p in (low, high):  # the share is as far from a bound as it would be in one of 20 trials if that were true
        assert (hits / n - p) ** 2 == pytest.approx(1.959964**2 * p * (1 - p) / n, abs=1e-12)


def test_thresholds():
    table = threshold_table(threshold_counts(PROBABILITIES[:, 0], TARGETS == 0))
    # 0.8 0.6 0.2 0.5 0.1, of which the 1st, 4th and 5th
    by_threshold = {row.pop("threshold"): row for row in table}
    assert by_threshold[0.05] == pytest.approx({"precision": 3 / 5, "recall": 1, "f1": 6 / 8})
    assert by_threshold[0.5] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3})  # 0.5 itself is in
    assert by_threshold[0.8] == pytest.approx({"precision": 1, "recall": 1 / 3, "f1": 1 / 2})
    assert by_threshold[0.95] == {"precision": 1.0, "recall": 0.0, "f1": 0.0}
    assert threshold_table(threshold_counts(PROBABILITIES[:, 0], TARGETS == 7))[-1]["recall"] == 1.0


def test_classes_that_were_chosen_otherwise():
    chosen = Threshold(label=1, probability=0.3).decide(PROBABILITIES)
    assert chosen.tolist() == [0, 1, 1, 1, 2]
    assert Threshold(label=0, probability=0.9).decide(PROBABILITIES).tolist() == [1, 1, 1, 1, 2]
    metrics = classification_metrics(PROBABILITIES, TARGETS, ["bad", "fair", "good"], chosen)
    assert metrics["confusion_matrix"] == [[1, 1, 1], [0, 2, 0], [0, 0, 0]]
    assert most_confident_mistakes(PROBABILITIES, TARGETS, 5, chosen).tolist() == [4, 3]


def test_most_confident_mistakes():
    predicted = PROBABILITIES.argmax(axis=1)
    assert most_confident_mistakes(PROBABILITIES, TARGETS, 5, predicted).tolist() == [4, 1]
    assert most_confident_mistakes(PROBABILITIES, TARGETS, 1, predicted).tolist() == [4]
    assert most_confident_mistakes(PROBABILITIES, predicted, 3, predicted).tolist() == []


def test_sums_are_added_up_one_after_the_other():
    class Sums(dict[str, Any]):
        """A dictionary to which there are weak references."""

    given: list[weakref.ref[Sums]] = []

    def sums() -> Iterator[Sums]:
        for number in range(4):
            assert sum(of() is not None for of in given) <= 1
            found = Sums(loss=0.5 * number, counts=[[number, 1], [0, 2]])
            given.append(weakref.ref(found))
            yield found

    assert added_up(sums()) == {"loss": 3.0, "counts": [[6, 4], [0, 8]]}
    assert added_up([{"tokens": 3}]) == {"tokens": 3}
