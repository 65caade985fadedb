"""Probabilities that mean what they say: one temperature, fitted on texts that the training did not learn from."""

# n texts, K classes

import math

import numpy as np

from rnnnlp.layers.loss import softmax_cross_entropy

COLDEST, HOTTEST = 0.05, 20.0
PRECISION = 1e-4  # of log T
GOLDEN = (math.sqrt(5) - 1) / 2


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature T at which softmax(logits / T) has the least cross-entropy (Guo et al. 2017).

    `logits (n, K)`, `targets (n,)`. To the n texts K are added whose labels are one of each class (Platt 1999), or a
    small split without a mistake would make every probability 1. The cross-entropy is convex in 1 / T, so along log T
    it has one valley, which golden section search narrows down.
    """
    n, K = logits.shape
    wide = logits.astype(np.float64)

    def loss(log_T: float) -> float:
        return softmax_cross_entropy(wide / math.exp(log_T), targets, label_smoothing=K / (n + K))[0]

    low, high = math.log(COLDEST), math.log(HOTTEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)
