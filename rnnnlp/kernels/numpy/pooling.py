"""Mean and maximum over the steps of each sequence."""

# N rows, B sequences, B_t sequences alive at step t, D columns

import numpy as np

from rnnnlp.batches.packed import lengths_of, sequence_of_row, time_steps
from rnnnlp.kernels.backend import Array


def mean_and_max(x: Array, batch_sizes: Array) -> tuple[Array, Array]:
    """Each sequence's mean and maximum, `x (N, D)` -> `(B, D)` both: see `Backend.mean_and_max`."""
    largest = x[: batch_sizes[0]].copy()
    mean = np.zeros_like(largest)
    for rows, B_t in time_steps(batch_sizes):
        mean[:B_t] += x[rows]
        np.maximum(largest[:B_t], x[rows], out=largest[:B_t])
    mean /= lengths_of(batch_sizes).astype(x.dtype)[:, None]
    return mean, largest


def mean_and_max_backward(dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array) -> Array:
    """`dmean, dlargest (B, D)` -> `dx (N, D)`: see `Backend.mean_and_max_backward`."""
    # mean = sum of x / length
    dx: Array = (dmean / lengths_of(batch_sizes).astype(x.dtype)[:, None])[sequence_of_row(batch_sizes)]
    left = dlargest.copy()  # (B, D) what has not gone to a row yet
    for rows, B_t in time_steps(batch_sizes):
        here = x[rows] == largest[:B_t]
        dx[rows] += np.where(here, left[:B_t], 0)
        left[:B_t][here] = 0
    return dx
