"""Rows of a table: an embedding and its gradient. `kernels.backend` documents each function."""

# N tokens, V rows of the table, D columns, U unique ids

import numpy as np

from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.native import _native


def as_ids(ids: Array) -> Array:
    """Integers as int32.

    Raises:
        TypeError: They are not integers.
        ValueError: One does not fit into int32.
    """
    if ids.dtype.kind not in "iu":
        raise TypeError(f"ids must be integers, and are {ids.dtype}")
    found = ids.astype(np.int32, copy=False)
    if found is not ids and not np.array_equal(found, ids):
        raise ValueError("an id is too large for a table")
    return found


def unique(ids: Array, vocab_size: int) -> tuple[Array, Array]:
    """Finds the unique ids without sorting: `ids (N,)` -> `rows (U,)` int64, `row_index (N,)` int32."""
    return _native.unique(as_ids(ids), vocab_size)


def gather_rows(table: Array, ids: Array) -> Array:
    """Looks up rows: `table (V, D)[ids (N,)]`."""
    return _native.gather_rows(table, as_ids(ids))


def add_rows(rows: Array, ids: Array, table: Array) -> None:
    """Adds rows to a table in place: `table (V, D)[ids[n]] += rows (N, D)[n]` for each n in order."""
    _native.add_rows(rows, as_ids(ids), table)
