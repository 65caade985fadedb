"""Softmax and cross-entropy in one."""

# N rows, K classes

import numpy as np

from rnnnlp.kernels.backend import Array


def softmax_cross_entropy(logits: Array, targets: Array, *, label_smoothing: float = 0.0) -> tuple[float, float, Array]:
    """`logits (N, K)`, `targets (N,)` -> `loss_sum, count, dlogits (N, K)`: see `Backend.softmax_cross_entropy`."""
    N, K = logits.shape
    row = np.arange(N)
    shifted = logits - logits.max(axis=1, keepdims=True)  # (N, K)
    dlogits = np.exp(shifted)  # (N, K)
    total = dlogits.sum(axis=1, keepdims=True)  # (N, 1)
    dlogits /= total  # p
    log_total = np.log(total[:, 0])  # (N,)
    # loss = -sum over k of q_k * log p_k, with q = (1 - s)*onehot + s/K
    keep, spread = 1 - label_smoothing, label_smoothing / K
    loss_sum = keep * np.sum(log_total - shifted[row, targets], dtype=np.float64)
    if label_smoothing:
        loss_sum += spread * np.sum(K * log_total - shifted.sum(axis=1), dtype=np.float64)
        dlogits -= spread
    dlogits[row, targets] -= keep
    return float(loss_sum), float(N), dlogits
