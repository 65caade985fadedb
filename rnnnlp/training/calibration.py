"""Calibrated probabilities by temperature scaling, fitted on texts that were not trained on (Guo et al. 2017)."""

# n texts, K classes

import math

import numpy as np

from rnnnlp.layers.loss import softmax_cross_entropy

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
PRECISION = 1e-4  # of log T
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature T that minimizes the cross-entropy of softmax(logits / T) (Guo et al. 2017).

    Targets are smoothed as if K texts were added, one with each label (Platt 1999). Without smoothing, a small split
    without a mistake would make every probability 1. The cross-entropy is convex in 1 / T, so it has one minimum along
    log T. Golden-section search finds it.

    Args:
        logits: `(n, K)`.
        targets: The true classes, `(n,)`.

    Returns:
        T, from MIN_TEMPERATURE to MAX_TEMPERATURE.
    """
    n, K = logits.shape
    wide = logits.astype(np.float64)

    def loss(log_T: float) -> float:
        return softmax_cross_entropy(wide / math.exp(log_T), targets, label_smoothing=K / (n + K))[0]

    low, high = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    left, right = high - GOLDEN_RATIO * (high - low), low + GOLDEN_RATIO * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN_RATIO * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN_RATIO * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)
