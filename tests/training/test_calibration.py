"""A fitted temperature is that of the data, is kept with the weights, and changes confidence but no decision."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.layers.loss import softmax, softmax_cross_entropy
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training import calibration
from rnnnlp.training.calibration import MAX_TEMPERATURE, class_biases, fit_temperature
from rnnnlp.training.metrics import confidence_gaps, error_of_gaps
from tests.runs import trained_on

OPTIONS = {"hidden_size": 6, "embedding_size": 5, "batch_size": 4, "steps": 8, "evaluations": 2}


def draw(n: int, K: int, T: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that come as often as softmax(logits / T) says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, K))
    return logits, (softmax(logits / T).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


@pytest.mark.parametrize("K", [2, 5])
@pytest.mark.parametrize("T", [0.5, 1.0, 3.0])
def test_the_temperature_of_the_labels_is_found(K: int, T: float):
    assert fit_temperature(*draw(20_000, K, T, 0)) == pytest.approx(T, rel=0.05)


@pytest.mark.parametrize("K", [2, 77])
def test_the_confidence_of_texts_without_a_mistake_does_not_depend_on_the_number_of_classes(K: int):
    targets = np.arange(500) % K
    logits = 2.0 * np.eye(K)[targets]
    probabilities = softmax(logits / fit_temperature(logits, targets))
    assert probabilities[np.arange(500), targets] == pytest.approx(1 - 2 * (1 - 1 / K) / 502, abs=1e-4)


def test_no_other_temperature_has_a_smaller_loss():
    logits, targets = draw(300, 3, 2.0, 1)

    def loss(temperature: float) -> float:
        return softmax_cross_entropy(logits / temperature, targets, label_smoothing=2 / 302)[0]

    T = fit_temperature(logits, targets)
    slope = (loss(T * 1.001) - loss(T / 1.001)) / 0.002  # along log T
    curvature = (loss(T * 1.01) + loss(T / 1.01) - 2 * loss(T)) / 0.01**2
    assert abs(slope / curvature) < 2e-4  # so far, in log T, is the bottom of the valley
    assert loss(T) < min(loss(other) for other in np.geomspace(0.05, 20, 40))


def test_other_texts_of_the_same_kind_are_calibrated_too():
    T = fit_temperature(*draw(2000, 2, 3.0, 2))
    logits, targets = draw(2000, 2, 3.0, 3)
    before, after = softmax(logits), softmax(logits / T)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert error_of_gaps(confidence_gaps(before, targets), len(targets)) > 0.1
    assert error_of_gaps(confidence_gaps(after, targets), len(targets)) < 0.04


@pytest.mark.parametrize("n", [4, 20, 100])
def test_few_texts_without_a_mistake_do_not_make_certain(n: int):
    targets = np.arange(n) % 2
    logits = np.where(np.arange(2) == targets[:, None], 2.0, -2.0)
    confidence = softmax(logits / fit_temperature(logits, targets)).max(axis=1)
    np.testing.assert_allclose(confidence, (n + 1) / (n + 2), rtol=1e-3)


def test_a_model_that_is_always_wrong_is_made_as_unsure_as_can_be():
    logits = np.tile([5.0, 0.0], (50, 1))
    assert fit_temperature(logits, np.ones(50, np.int64)) == pytest.approx(MAX_TEMPERATURE, rel=1e-3)


def test_a_temperature_needs_little_memory():
    logits, targets = draw(20_000, 50, 2.0, 4)
    tracemalloc.start()
    try:
        fit_temperature(logits, targets)
        assert tracemalloc.get_traced_memory()[1] < 2 * logits.nbytes
    finally:
        tracemalloc.stop()


def test_blocks_change_no_temperature_and_random_rows_hardly(monkeypatch: pytest.MonkeyPatch):
    logits, targets = draw(20_000, 2, 3.0, 5)
    T = fit_temperature(logits, targets)
    monkeypatch.setattr(calibration, "BLOCK", 999)
    assert fit_temperature(logits, targets) == pytest.approx(T, rel=1e-4)
    order = np.argsort(targets)  # the first rows are all of one class
    monkeypatch.setattr(calibration, "MOST_LOGITS", 10_000)
    assert fit_temperature(logits[order], targets[order]) == pytest.approx(T, rel=0.15)
    assert fit_temperature(logits[order], targets[order]) != T


def test_a_trained_model_keeps_the_temperature_of_its_weights(tmp_path: Path):
    texts, labels = ["good fine film", "bad poor film"] * 20, ["up", "down"] * 20
    model = trained_on(texts, labels, tmp_path / "run", **OPTIONS)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    temperatures = [line["validation"]["temperature"] for line in lines if "validation" in line]
    assert model.temperature in temperatures
    assert model.temperature != 1
    model.save_pretrained(tmp_path / "copy")
    assert SentimentNetwork.from_pretrained(tmp_path / "copy").temperature == model.temperature
    logits = model.logits(model.encode(texts))
    np.testing.assert_array_equal(model.predict_proba(texts), softmax(logits / model.temperature))


@pytest.mark.parametrize("K", [2, 5])
def test_the_biases_of_the_classes_are_found(K: int):
    rng = np.random.default_rng(0)
    logits, b = rng.normal(size=(20_000, K)), rng.normal(size=K)
    p = softmax(logits + b)
    targets = (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1)
    found = class_biases(logits, targets)
    assert found == pytest.approx(b - b.mean(), abs=0.06)
    shares = np.bincount(targets, minlength=K) / len(p)
    assert softmax(logits + found).mean(axis=0) == pytest.approx(shares, abs=1e-3)


def test_no_other_biases_have_a_smaller_loss():
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(30, 3)), np.zeros(30, np.int64)  # two classes do not occur
    found = class_biases(logits, targets)
    assert np.isfinite(found).all()

    def loss(b: np.ndarray) -> float:
        return softmax_cross_entropy(logits + b, targets, label_smoothing=2 / 32)[0]

    assert all(loss(found + 0.01 * rng.normal(size=3)) >= loss(found) for _ in range(50))
