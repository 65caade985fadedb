"""The loss. `kernels.backend` documents the function."""

# N rows, K classes

import numpy as np

from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.native import _native


def softmax_cross_entropy(
    logits: Array, targets: Array, *, label_smoothing: float = 0.0, class_weights: Array | None = None
) -> tuple[float, float, Array]:
    """Computes the cross-entropy and its gradient: `logits (N, K)`, `targets (N,)` -> `loss_sum, count, dlogits`."""
    weights = None if class_weights is None else class_weights.astype(np.float32)
    return _native.softmax_cross_entropy(logits, targets.astype(np.int32, copy=False), label_smoothing, weights)
