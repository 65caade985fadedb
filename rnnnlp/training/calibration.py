"""What is fitted to logits of texts that were not trained on: a temperature, stacking weights, class biases."""

# n texts, M members, K classes

import math
from collections.abc import Sequence

import numpy as np

from rnnnlp.layers.loss import softmax, softmax_cross_entropy

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
PRECISION = 1e-4  # of log T
MOST_LOGITS = 1 << 23  # values that a temperature is fitted to; where there are more, those of random rows
BLOCK = 1 << 16  # values at a time
TEXTS_ADDED = 2  # by label smoothing
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
STEPS = 100
FLAT = 1e-10  # a slope below this, in nats, counts as zero
EDGE = 1e-3  # active-set tolerance of the projected Newton step
RIDGE = 1e-10  # added to the curvature, so that identical members get the same weight
FRACTIONS = tuple(0.5**k for k in range(30))  # of a Newton step: the first that lowers the cross-entropy is taken


def smoothing(n: int) -> float:
    """The label smoothing of `n` texts."""
    return TEXTS_ADDED / (n + TEXTS_ADDED)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature T that minimizes the cross-entropy of softmax(logits / T) (Guo et al. 2017).

    Targets are smoothed as if TEXTS_ADDED texts were added that are of each class to the same extent; for two classes,
    this is one text of each (Platt 1999). Without smoothing, a small split without a mistake would make every
    probability 1. The cross-entropy is convex in 1 / T, so it has one minimum along log T. Golden-section search finds
    it, on MOST_LOGITS values at most.

    Args:
        logits: `(n, K)`.
        targets: The true classes, `(n,)`.

    Returns:
        T, from MIN_TEMPERATURE to MAX_TEMPERATURE.
    """
    (n, K), s = logits.shape, smoothing(len(logits))
    if n * K > MOST_LOGITS:
        rows = np.random.default_rng(0).choice(n, max(1, MOST_LOGITS // K), replace=False)
        logits, targets = logits[rows], targets[rows]
    shifted = logits.astype(np.float64)  # (n, K)
    shifted -= shifted.max(axis=1, keepdims=True)
    # sum over n and k of q_nk * z_nk, with the smoothed targets q = (1 - s)*onehot + s/K
    expected = float((1 - s) * shifted[np.arange(len(shifted)), targets].sum() + s / K * shifted.sum())
    blocks = np.array_split(shifted, shifted.size // BLOCK + 1)

    def loss(log_T: float) -> float:
        T = math.exp(log_T)
        # -log p = log(sum of exp(z / T)) - z / T
        return sum(float(np.log(np.exp(z / T).sum(axis=1)).sum()) for z in blocks) - expected / T

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


def stacking_weights(logits: Sequence[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """The weights at which softmax(sum of w_m * logits_m) has the least cross-entropy (Wolpert 1992).

    Weights are not negative; a member that does not improve the others has the weight 0 (Breiman 1996). Targets are
    smoothed as in `fit_temperature`; with one member its weight is 1 / that temperature. The cross-entropy is convex in
    the weights. Each step is Newton's among the weights that are free to move, cut off at 0 and halved until the
    cross-entropy falls (Bertsekas 1982).

    Args:
        logits: Of each of M members, `(n, K)`.
        targets: `(n,)`.

    Returns:
        The weights, `(M,)`.
    """
    x = np.stack([of_member.astype(np.float64) for of_member in logits])  # (M, n, K)
    M, n, _ = x.shape
    x -= x.mean(axis=2, keepdims=True)  # a constant over the classes has no effect
    scale = np.sqrt(np.mean(x**2, axis=(1, 2)))  # (M,)
    scale[scale == 0] = 1
    x /= scale[:, None, None]

    def loss_and_gradient(w: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean cross-entropy, and its gradient with respect to the sum of the logits, `(n, K)`."""
        loss_sum, _, dz = softmax_cross_entropy(np.tensordot(w, x, 1), targets, label_smoothing=smoothing(n))
        return loss_sum / n, dz / n

    w = np.zeros(M)
    loss, dz = loss_and_gradient(w)
    for _ in range(STEPS):
        dw = np.tensordot(x, dz, 2)  # (M,)
        flatness = np.abs(w - np.maximum(w - dw, 0)).max()
        if flatness < FLAT:
            break
        free = (w > min(EDGE, flatness)) | (dw < 0)  # (M,)
        H = curvature(x[free], softmax(np.tensordot(w, x, 1)))
        step = -dw  # (M,)
        step[free] = np.linalg.solve(H + RIDGE * np.eye(len(H)), -dw[free])
        for new in (np.maximum(w + fraction * step, 0) for fraction in FRACTIONS):
            new_loss, new_dz = loss_and_gradient(new)
            if new_loss < loss:
                break
        else:  # no improvement in this arithmetic
            break
        w, loss, dz = new, new_loss, new_dz
    weights: np.ndarray = w / scale
    return weights


def curvature(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The second derivatives `(M, M)` of the mean cross-entropy, with `x (M, n, K)` at the probabilities `p (n, K)`."""
    centred = x - (p * x).sum(axis=2, keepdims=True)  # (M, n, K)
    # covariance of the members' logits under p, the mean over the texts
    second: np.ndarray = np.tensordot(p * centred, centred, ((1, 2), (1, 2))) / p.shape[0]
    return second


def class_biases(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The biases b at which softmax(logits + b) has the least cross-entropy; their mean is 0.

    Weights scale the bias of a member together with its evidence, so one whose weight is not 1 has the wrong shares of
    the classes. Targets are smoothed as in `fit_temperature`. The cross-entropy is convex, and each step is Newton's,
    halved until the cross-entropy falls.

    Args:
        logits: `(n, K)`.
        targets: `(n,)`.

    Returns:
        The biases, `(K,)`.
    """
    n, K = logits.shape
    wide = logits.astype(np.float64)

    def loss_and_gradient(b: np.ndarray) -> tuple[float, np.ndarray]:
        loss_sum, _, dz = softmax_cross_entropy(wide + b, targets, label_smoothing=smoothing(n))
        return loss_sum / n, dz.sum(axis=0) / n

    b: np.ndarray = np.zeros(K)
    loss, db = loss_and_gradient(b)
    for _ in range(STEPS):
        if np.abs(db).max() < FLAT:
            break
        p = softmax(wide + b)  # (n, K)
        H = np.diag(p.mean(axis=0)) - p.T @ p / n  # (K, K)
        step = np.linalg.solve(H + RIDGE * np.eye(K), -db)
        for new in (b + fraction * step for fraction in FRACTIONS):
            new_loss, new_db = loss_and_gradient(new)
            if new_loss < loss:
                break
        else:  # no improvement in this arithmetic
            break
        b, loss, db = new, new_loss, new_db
    b -= b.mean()
    return b


def stacked_loss(weights: np.ndarray, logits: Sequence[np.ndarray], targets: np.ndarray) -> float:
    """The mean cross-entropy of softmax(sum of w_m * logits_m), with targets smoothed as in `stacking_weights`.

    Args:
        weights: `(M,)`.
        logits: Of each of M members, `(n, K)`.
        targets: `(n,)`.
    """
    together = np.sum([w * of_member.astype(np.float64) for w, of_member in zip(weights, logits, strict=True)], axis=0)
    n = len(targets)
    loss_sum, _, _ = softmax_cross_entropy(together, targets, label_smoothing=smoothing(n))
    return float(loss_sum / n)
