"""What surrounds the layers in a training step: rows of an embedding, pooling, the loss, clipping and the optimizer."""

# N rows or tokens, K classes, V vocabulary, D columns

from collections.abc import Sequence

import numpy as np

from rnnnlp.kernels.native import _native

Array = np.ndarray


def softmax_cross_entropy(
    logits: Array,
    targets: Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: Array | None = None,
    mean: bool = False,
) -> tuple[float, float, Array]:
    """As `layers.loss.softmax_cross_entropy`: `logits (N, K)`, `targets (N,)` -> `loss_sum, count, dlogits (N, K)`.

    With `mean`, dlogits is the gradient of `loss_sum / count`, so that no pass over it is needed to divide.
    """
    weights = None if class_weights is None else class_weights.astype(np.float32)
    ids = targets.astype(np.int32, copy=False)
    return _native.softmax_cross_entropy(logits, ids, label_smoothing, weights, None if mean else 1.0)


def norms(gradients: Sequence[Array]) -> list[float]:
    """The Euclidean norm of each array, summed in double precision."""
    return _native.norms(list(gradients))


def adam(
    values: Sequence[Array],
    gradients: Sequence[Array],
    m: Sequence[Array],
    v: Sequence[Array],
    *,
    rows: Sequence[Array | None],
    decays: Sequence[float],
    lr: float,
    step: int,
    scale: float = 1.0,
    betas: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-8,
    averages: Sequence[Array] | None = None,
    average_keep: float = 0.0,
) -> None:
    """One step of Adam with decoupled weight decay, in place, for all parameters at once.

    `step` counts from 1; `scale` multiplies the gradients, as clipping does: min(1, max_norm / norm). Where `rows` has
    int64 row numbers instead of None, only those rows of the parameter and its moments change. `averages` then move
    to the new values: average = average_keep*average + (1 - average_keep)*value.
    """
    given = None if averages is None else list(averages)
    _native.adam(
        list(values), list(gradients), list(m), list(v), list(rows), list(decays), given,
        lr, *betas, eps, step, scale, average_keep,
    )  # fmt: skip


def unique(ids: Array, vocab_size: int) -> tuple[Array, Array]:
    """`np.unique(ids, return_inverse=True)` for `ids (N,)` below `vocab_size`, without sorting: int64 and int32.

    A layer on top of an embedding then has to multiply each row of the table once, however often a batch has it: its
    product with the unique rows is the table for `forward(..., row_index=)`, and `add_rows` takes `dpre` back there.
    """
    return _native.distinct(ids.astype(np.int32, copy=False), vocab_size)


def gather_rows(table: Array, ids: Array) -> Array:
    """`table (V, D)[ids (N,)]` -> `(N, D)`."""
    return _native.gather_rows(table, ids.astype(np.int32, copy=False))


def mean_and_max(x: Array, batch_sizes: Array) -> tuple[Array, Array]:
    """Of packed rows `x (N, D)` the mean and the maximum of each sequence, `(B, D)` both."""
    return _native.mean_and_max(np.ascontiguousarray(x), batch_sizes)


def mean_and_max_backward(dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array) -> Array:
    """`dmean, dlargest (B, D)` -> `dx (N, D)`; that of a maximum goes to the first of the rows that have it."""
    dmean, dlargest, x = (np.ascontiguousarray(a) for a in (dmean, dlargest, x))
    return _native.mean_and_max_backward(dmean, dlargest, x, largest, batch_sizes)


def add_rows(rows: Array, ids: Array, table: Array) -> None:
    """`table[ids[n]] += rows[n]` for each n in order: `rows (N, D)`, `ids (N,)`, `table (V, D)`."""
    _native.add_rows(rows, ids.astype(np.int32, copy=False), table)
