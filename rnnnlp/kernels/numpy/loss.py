"""Softmax and cross-entropy in one."""

# N rows, K classes

import numpy as np

from rnnnlp.kernels.backend import Array
from rnnnlp.threads import holds_blas


@holds_blas
def softmax_cross_entropy(
    logits: Array, targets: Array, *, label_smoothing: float = 0.0, class_weights: Array | None = None
) -> tuple[float, float, Array]:
    """`logits (N, K)`, `targets (N,)` -> `loss_sum, count, dlogits (N, K)`: see `Backend.softmax_cross_entropy`."""
    N, K = logits.shape
    row = np.arange(N)
    shifted = logits - logits.max(axis=1, keepdims=True)  # (N, K)
    dlogits = np.exp(shifted)  # (N, K)
    total = dlogits.sum(axis=1, keepdims=True)  # (N, 1)
    dlogits /= total  # p
    weights = np.ones(K, logits.dtype) if class_weights is None else class_weights.astype(logits.dtype)
    row_weights = weights[targets]  # (N,)
    log_total = np.log(total[:, 0])  # (N,)
    nll = log_total - shifted[row, targets]  # (N,) -log p of the target
    # loss = -sum over k of q_k * w_k * log p_k, with q = (1 - s)*onehot + s/K
    keep, spread = 1 - label_smoothing, label_smoothing / K
    loss_sum = keep * np.sum(nll * row_weights, dtype=np.float64)
    count = np.sum(row_weights, dtype=np.float64)
    if label_smoothing:
        loss_sum += spread * np.sum(log_total * weights.sum() - shifted @ weights, dtype=np.float64)
        dlogits *= (keep * row_weights + spread * weights.sum())[:, None]
        dlogits -= spread * weights
    elif class_weights is not None:
        dlogits *= row_weights[:, None]
    dlogits[row, targets] -= keep * row_weights
    return float(loss_sum), float(count), dlogits
