"""How good the predictions are."""

# n examples, K classes

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

DEVIATIONS = 1.959964  # of a normal distribution, on either side of the mean: 95 % lie between
THRESHOLDS = tuple(hundredths / 100 for hundredths in range(5, 100, 5))


def language_model_metrics(loss_sum: float, tokens: int, characters: float) -> dict[str, Any]:
    """From nats summed over `tokens` that stand for `characters` characters of text."""
    nats = loss_sum / characters
    return {
        "nats_per_char": nats,
        "bits_per_char": nats / np.log(2),
        "perplexity": float(np.exp(min(loss_sum / tokens, 700.0))),
        "tokens": tokens,
    }


def classification_metrics(
    probabilities: np.ndarray, targets: np.ndarray, labels: Sequence[str], predicted: np.ndarray | None = None
) -> dict[str, Any]:
    """From `probabilities (n, K)` and `targets (n,)`: accuracy, macro-F1, calibration error, and counts by class.

    `predicted (n,)` are the classes that were chosen, if not the most probable ones.
    """
    if predicted is None:
        predicted = probabilities.argmax(axis=1)
    K = len(labels)
    confusion = np.zeros((K, K), np.int64)  # rows: true class, columns: predicted
    np.add.at(confusion, (targets, predicted), 1)
    per_class = {}
    for k, label in enumerate(labels):
        hits, actual, guessed = int(confusion[k, k]), int(confusion[k].sum()), int(confusion[:, k].sum())
        per_class[label] = {
            "precision": hits / guessed if guessed else 0.0,
            "recall": hits / actual if actual else 0.0,
            "f1": 2 * hits / (actual + guessed) if actual + guessed else 0.0,
            "examples": actual,
        }
    return {
        "accuracy": float(np.mean(predicted == targets)),
        "accuracy_interval": wilson_interval(int(np.sum(predicted == targets)), len(targets)),
        "macro_f1": float(np.mean([c["f1"] for c in per_class.values()])),
        "expected_calibration_error": expected_calibration_error(probabilities, targets),
        "examples": len(targets),
        "per_class": per_class,
        "confusion_matrix": confusion.tolist(),
    }


def wilson_interval(hits: int, n: int) -> list[float]:
    """Between which two shares, with 95 % confidence, the true one lies after `hits` of `n` trials (Wilson 1927)."""
    share = hits / n
    middle = (share + DEVIATIONS**2 / (2 * n)) / (1 + DEVIATIONS**2 / n)
    half = DEVIATIONS * math.sqrt(share * (1 - share) / n + DEVIATIONS**2 / (4 * n**2)) / (1 + DEVIATIONS**2 / n)
    return [max(0.0, middle - half), min(1.0, middle + half)]


def expected_calibration_error(probabilities: np.ndarray, targets: np.ndarray, bins: int = 15) -> float:
    """How far confidence is from accuracy, on average over `bins` equal ranges of confidence (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)  # (n,)
    hit = probabilities.argmax(axis=1) == targets  # (n,)
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # (n,)
    gap = np.bincount(which, hit, bins) - np.bincount(which, confidence, bins)  # (bins,) summed over examples
    return float(np.abs(gap).sum() / len(targets))


def threshold_table(probability: np.ndarray, is_class: np.ndarray) -> list[dict[str, float]]:
    """What choosing a class from a `probability (n,)` on gives, for each of THRESHOLDS; `is_class (n,)` is true."""
    rows = []
    for threshold in THRESHOLDS:
        chosen = probability >= threshold
        hits = int(np.sum(chosen & is_class))
        precision = hits / int(chosen.sum()) if chosen.any() else 1.0  # no false alarm
        recall = hits / int(is_class.sum()) if is_class.any() else 1.0  # none missed
        f1 = 2 * hits / max(1, int(chosen.sum() + is_class.sum()))
        rows.append({"threshold": threshold, "precision": precision, "recall": recall, "f1": f1})
    return rows


def most_confident_mistakes(
    probabilities: np.ndarray, targets: np.ndarray, count: int, predicted: np.ndarray | None = None
) -> np.ndarray:
    """The places of at most `count` wrongly classified examples, the most confident first; `predicted` as above."""
    if predicted is None:
        predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != targets)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]
