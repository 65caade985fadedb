"""The loss. `kernels.backend` documents the function."""

# N rows, K classes

from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.native import _native
from rnnnlp.kernels.native.rows import as_ids


def softmax_cross_entropy(logits: Array, targets: Array, *, label_smoothing: float = 0.0) -> tuple[float, float, Array]:
    """Computes the cross-entropy and its gradient: `logits (N, K)`, `targets (N,)` -> `loss_sum, count, dlogits`."""
    return _native.softmax_cross_entropy(logits, as_ids(targets), label_smoothing)
