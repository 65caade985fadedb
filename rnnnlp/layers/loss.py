"""Softmax and cross-entropy in one."""

# N rows, K classes

import numpy as np

from rnnnlp import kernels
from rnnnlp.kernels.backend import Array


def softmax(logits: Array) -> Array:
    """Probabilities from logits, without overflow: `(..., K)` -> `(..., K)`."""
    p: Array = logits - logits.max(axis=-1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def log_odds_gradient(logits: Array, classes: Array) -> Array:
    """The gradient of each row's log odds, log p / (1 - p), where p is the probability of the row's class.

    Args:
        logits: `(N, K)`.
        classes: `(N,)`.

    Returns:
        The gradient with respect to `logits`, `(N, K)`.
    """
    # log p / (1 - p) = logit of the class - log of the sum of exp(logit) over the others
    row = np.arange(len(logits))
    others = logits.copy()
    others[row, classes] = -np.inf
    gradient = -softmax(others)
    gradient[row, classes] = 1
    return gradient


def kl_divergence(logits: Array, p: Array) -> tuple[float, float, Array]:
    """The Kullback-Leibler divergence of softmax(logits) from p, summed over rows.

    Args:
        logits: `(N, K)`.
        p: Probabilities `(N, K)`, which count as constants.

    Returns:
        loss_sum: In nats.
        count: N.
        dlogits: `(N, K)`.
    """
    log_q = np.log(np.maximum(softmax(logits), np.finfo(logits.dtype).tiny))
    log_p = np.log(np.maximum(p, np.finfo(logits.dtype).tiny))
    # sum of p * (log p - log q)
    loss_sum = float(np.sum(p * (log_p - log_q), dtype=np.float64))
    return loss_sum, float(len(logits)), softmax(logits) - p


def softmax_cross_entropy(logits: Array, targets: Array, *, label_smoothing: float = 0.0) -> tuple[float, float, Array]:
    """Cross-entropy of softmax, summed over rows: arguments and results are those of `Backend.softmax_cross_entropy`.

    The mean loss is `loss_sum / count`, and its gradient `dlogits / count`.
    """
    return kernels.of(logits).softmax_cross_entropy(logits, targets, label_smoothing=label_smoothing)


def weighted_cross_entropy(
    logits: np.ndarray, targets: np.ndarray, row_weights: np.ndarray, *, label_smoothing: float = 0.0
) -> tuple[float, float, np.ndarray]:
    """As `softmax_cross_entropy`, with the loss and the gradient of each row multiplied by its weight.

    Args:
        logits: `(N, K)`.
        targets: `(N,)`.
        row_weights: `(N,)`, at least 0. Their mean over all rows of the data, not of one batch, should be 1.
        label_smoothing: As there.

    Returns:
        `loss_sum, count, dlogits (N, K)`. The count is N, so a row has its weight in every batch.
    """
    loss_sum = 0.0
    dlogits = np.empty_like(logits)  # (N, K)
    for n, weight in enumerate(row_weights.tolist()):  # the rows of a batch of documents are few
        row_loss, _, drow = softmax_cross_entropy(
            logits[n : n + 1], targets[n : n + 1], label_smoothing=label_smoothing
        )
        loss_sum += weight * row_loss
        dlogits[n] = weight * drow[0]
    return loss_sum, float(len(logits)), dlogits
