"""Rows of a table: unique ids, looking rows up, and adding gradients back."""

# N ids, V vocabulary, D columns

import numpy as np

from rnnnlp.kernels.backend import Array


def unique(ids: Array, vocab_size: int) -> tuple[Array, Array]:
    """The unique ids, and where each of `ids` stands among them: see `Backend.unique`."""
    rows, row_index = np.unique(ids, return_inverse=True)
    return rows.astype(np.int64), row_index


def gather_rows(table: Array, ids: Array) -> Array:
    """`table (V, D)[ids (N,)]` -> `(N, D)`: see `Backend.gather_rows`."""
    rows: Array = table[ids]
    return rows


def add_rows(rows: Array, ids: Array, table: Array) -> None:
    """`table (V, D)[ids[n]] += rows (N, D)[n]` for each n: see `Backend.add_rows`."""
    by_id = np.argsort(ids, kind="stable")  # (N,)
    touched, start = np.unique(ids[by_id], return_index=True)
    table[touched] += np.add.reduceat(rows[by_id], start, axis=0)
