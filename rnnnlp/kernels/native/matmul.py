"""Matrix products. `kernels.backend` documents each function."""

# M rows and N columns of the result, K terms of each sum

from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.native import _native


def matmul_nt(x: Array, W: Array, bias: Array | None = None) -> Array:
    """Computes a linear layer: `x (M, K) @ W (N, K).T + bias (N,)`."""
    return _native.matmul(x, False, W, False, bias, None)


def matmul(dy: Array, W: Array) -> Array:
    """Computes the gradient of a linear layer's input: `dy (M, K) @ W (K, N)`."""
    return _native.matmul(dy, False, W, True, None, None)


def matmul_tn(dy: Array, x: Array, *, sums: Array | None = None) -> Array:
    """Computes the gradient of a linear layer's weights: `dy (K, M).T @ x (K, N)`; `sums (M,)` receives the bias's."""
    return _native.matmul(dy, True, x, True, None, sums)
