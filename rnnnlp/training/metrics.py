"""Metrics of predictions."""

# n examples, K classes

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Z_95 = 1.959964  # 95 % of a normal distribution lie within this number of standard deviations
BINS = 15  # equal ranges of confidence
THRESHOLDS = tuple(hundredths / 100 for hundredths in range(5, 100, 5))


def added_up(sums: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sums of several data sets by name, added up one after the other: numbers, or lists of the same shape."""
    found = iter(sums)
    total = {name: np.asarray(value) for name, value in next(found).items()}
    for of in found:
        total = {name: value + of[name] for name, value in total.items()}
    return {name: value.tolist() for name, value in total.items()}


def language_model_metrics(loss_sum: float, tokens: int, characters: float) -> dict[str, Any]:
    """Metrics of a language model.

    Args:
        loss_sum: The cross-entropy, summed over all tokens, in nats.
        tokens: Number of tokens.
        characters: Number of characters that the tokens stand for.

    Returns:
        Cross-entropy per character in nats and in bits, perplexity per token, and the number of tokens.
    """
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
    """Metrics of a classifier.

    Args:
        probabilities: `(n, K)`.
        targets: The true classes, `(n,)`.
        labels: The names of the K classes.
        predicted: The predicted classes, `(n,)`; by default the most probable ones.

    Returns:
        Accuracy with its confidence interval, macro-F1, expected calibration error, number of examples, metrics of each
        class, and the confusion matrix (rows: true classes, columns: predicted classes). Macro-F1 is the mean over the
        classes that occur, as a true class or a predicted one.
    """
    if predicted is None:
        predicted = probabilities.argmax(axis=1)
    K = len(labels)
    confusion = np.zeros((K, K), np.int64)  # rows: true class, columns: predicted
    np.add.at(confusion, (targets, predicted), 1)
    return metrics_of_counts(confusion, confidence_gaps(probabilities, targets), labels)


def metrics_of_counts(confusion: np.ndarray, gaps: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """As `classification_metrics`, from what can be added up over data sets.

    Args:
        confusion: `(K, K)`: the number of examples of each true class, in rows, by predicted class.
        gaps: As `confidence_gaps`.
        labels: The names of the K classes.
    """
    examples, hits_of_all = int(confusion.sum()), int(np.trace(confusion))
    per_class = {}
    for k, label in enumerate(labels):
        hits, actual, guessed = int(confusion[k, k]), int(confusion[k].sum()), int(confusion[:, k].sum())
        per_class[label] = {
            "precision": hits / guessed if guessed else 0.0,
            "recall": hits / actual if actual else 0.0,
            "f1": 2 * hits / (actual + guessed) if actual + guessed else 0.0,
            "examples": actual,
        }
    occurring = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    return {
        "accuracy": hits_of_all / examples,
        "accuracy_interval": wilson_interval(hits_of_all, examples),
        "macro_f1": float(np.mean([per_class[labels[k]]["f1"] for k in occurring.tolist()])),
        "expected_calibration_error": error_of_gaps(gaps, examples),
        "examples": examples,
        "per_class": per_class,
        "confusion_matrix": confusion.tolist(),
    }


def wilson_interval(hits: int, n: int) -> list[float]:
    """The 95 % confidence interval of a share, after `hits` in `n` trials (Wilson 1927)."""
    share = hits / n
    middle = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2)) / (1 + Z_95**2 / n)
    return [max(0.0, middle - half), min(1.0, middle + half)]


def error_of_gaps(gaps: np.ndarray, examples: int) -> float:
    """The expected calibration error, from the `confidence_gaps` of some examples.

    It is the mean distance between confidence and accuracy, over equal ranges of confidence (Guo et al. 2017).
    """
    return float(np.abs(gaps).sum() / examples)


def confidence_gaps(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Hits minus confidence in each range of confidence, summed over the examples, `(BINS,)`.

    Args:
        probabilities: `(n, K)`.
        targets: The true classes, `(n,)`.
    """
    confidence = probabilities.max(axis=1)  # (n,)
    hit = probabilities.argmax(axis=1) == targets  # (n,)
    which = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # (n,)
    gaps: np.ndarray = np.bincount(which, hit, BINS) - np.bincount(which, confidence, BINS)
    return gaps


def threshold_counts(probability: np.ndarray, is_class: np.ndarray) -> list[list[int]]:
    """For each of THRESHOLDS how often a class was predicted rightly, how often it was predicted, and how often it is.

    Args:
        probability: Of the class, `(n,)`.
        is_class: Whether it is the true class, bool `(n,)`.
    """
    predictions = [probability >= threshold for threshold in THRESHOLDS]
    return [[int(np.sum(p & is_class)), int(p.sum()), int(is_class.sum())] for p in predictions]


def threshold_table(counts: Sequence[Sequence[int]]) -> list[dict[str, float]]:
    """Precision, recall and F1 of predicting a class where its probability is at least a threshold.

    Args:
        counts: Those of `threshold_counts`.

    Returns:
        A row for each of THRESHOLDS.
    """
    rows = []
    for threshold, (hits, predicted, actual) in zip(THRESHOLDS, counts, strict=True):
        precision = hits / predicted if predicted else 1.0  # no false alarm
        recall = hits / actual if actual else 1.0  # none missed
        f1 = 2 * hits / max(1, predicted + actual)
        rows.append({"threshold": threshold, "precision": precision, "recall": recall, "f1": f1})
    return rows


def most_confident_mistakes(
    probabilities: np.ndarray, targets: np.ndarray, count: int, predicted: np.ndarray
) -> np.ndarray:
    """The misclassified examples of highest confidence.

    Args:
        probabilities: `(n, K)`.
        targets: The true classes, `(n,)`.
        count: Maximum number of examples.
        predicted: The predicted classes, `(n,)`.

    Returns:
        Their indices, the most confident first.
    """
    wrong = np.flatnonzero(predicted != targets)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]
