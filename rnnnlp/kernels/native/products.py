"""Matrix products of float32 arrays, the factors as a layer has them: nothing is transposed in memory."""

# M rows and N columns of the result, K terms of each sum

import numpy as np

from rnnnlp.kernels.native import _native

Array = np.ndarray


def matmul_nt(x: Array, W: Array, bias: Array | None = None, *, out: Array | None = None, add: bool = False) -> Array:
    """`x (M, K) @ W (N, K).T + bias (N,)`: a linear layer forward. With `add`, added to `out`."""
    return _native.multiply(x, False, W, False, bias, out, add, None)


def matmul(dy: Array, W: Array, *, out: Array | None = None, add: bool = False) -> Array:
    """`dy (M, K) @ W (K, N)`: the error of a linear layer's input."""
    return _native.multiply(dy, False, W, True, None, out, add, None)


def matmul_tn(dy: Array, x: Array, *, out: Array | None = None, add: bool = False, sums: Array | None = None) -> Array:
    """`dy (K, M).T @ x (K, N)`: the gradient of a linear layer's weights; `sums (M,)` receives dy.sum(axis=0)."""
    return _native.multiply(dy, True, x, True, None, out, add, sums)
