"""Pooling over the steps of each sequence. `kernels.backend` documents each function."""

# N rows, T steps, B sequences, D columns

import numpy as np

from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.native import _native


def mean_and_max(x: Array, batch_sizes: Array) -> tuple[Array, Array]:
    """Computes each sequence's mean and maximum over its steps: `x (N, D)` -> two arrays `(B, D)`."""
    return _native.mean_and_max(np.ascontiguousarray(x), batch_sizes)


def mean_and_max_backward(dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array) -> Array:
    """Backpropagates through `mean_and_max`: `dmean, dlargest (B, D)` -> `dx (N, D)`."""
    dmean, dlargest, x, largest = (np.ascontiguousarray(a) for a in (dmean, dlargest, x, largest))
    return _native.mean_and_max_backward(dmean, dlargest, x, largest, batch_sizes)
