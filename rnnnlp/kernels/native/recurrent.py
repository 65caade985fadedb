"""The recurrent cells over packed sequences. `kernels.backend` documents each function."""

# N tokens, T steps, B sequences, H hidden, G gates (and G*H columns of them), V rows of a table

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.native import _native
from rnnnlp.kernels.native.rows import as_ids


class Tape(NamedTuple):
    cell: str
    h: Array  # (N, H)
    saved: tuple[Array, ...]  # as `cells()` says: the gates (N, G*H) after their nonlinearities, then further arrays
    batch_sizes: Array  # (T,)
    state: State  # (B, H) each
    W_h: Array  # (G*H, H)
    extra: State
    reverse: bool


@cache
def cells() -> "Mapping[str, _native.CellFacts]":
    """The cells that these kernels have, by name, with the facts that their C++ code states."""
    return _native.cells()


def empty(shape: Sequence[int], dtype: np.dtype) -> Array:
    """Makes an uninitialized float32 array, in memory that is used again when the array is gone."""
    assert dtype == np.float32
    return _native.empty(shape)


def forward(
    cell: str,
    pre: Array,
    batch_sizes: Array,
    state: State,
    W_h: Array,
    extra: State = (),
    *,
    reverse: bool = False,
    row_index: Array | None = None,
    keep_tape: bool = True,
    overwrite: bool = False,
    out: Array | None = None,
) -> tuple[Array, State, Tape | None]:
    """Runs a cell over all steps of a packed batch: `pre (N, G*H)` -> `h (N, H)`, `state_T`, tape.

    With `overwrite` the gates of the tape take the memory of `pre`, unless `pre` is a table.

    Raises:
        ValueError: The cell is unknown, a shape is wrong, or a state or an extra parameter is missing.
        TypeError: A dtype or a layout is wrong.
    """
    pre, W_h, state, extra = (
        np.ascontiguousarray(pre),
        np.ascontiguousarray(W_h),
        _contiguous(state),
        _contiguous(extra),
    )
    ids = None if row_index is None else as_ids(row_index)
    gates_out = pre if overwrite and row_index is None else None
    h = _native.empty((int(batch_sizes.sum()), W_h.shape[1])) if out is None else out
    state_T, saved = _native.forward(
        cell, pre, ids, batch_sizes, state, W_h, extra, reverse, keep_tape, gates_out, h
    )  # fmt: skip
    tape = Tape(cell, h, tuple(saved), batch_sizes, state, W_h, extra, reverse) if keep_tape else None
    return h, tuple(state_T), tape


def backward(dh: Array, dstate_T: State, tape: Tape, *, overwrite: bool = False) -> tuple[Array, State, Array, State]:
    """Backpropagates through all steps of a forward pass: `dh (N, H)` -> `dpre (N, G*H)`, `dstate_0`, `dW_h`, `dextra`.

    With `overwrite`, `dpre` takes the memory of the tape's gates.
    """
    dpre, dstate_0, dW_h, dextra = _native.backward(
        tape.cell, _with_contiguous_rows(dh), _contiguous(dstate_T), tape.h, tape.saved, tape.batch_sizes,
        tape.state, tape.W_h, tape.extra, tape.reverse, overwrite,
    )  # fmt: skip
    return dpre, tuple(dstate_0), dW_h, tuple(dextra)


def _contiguous(arrays: State) -> State:
    return tuple(np.ascontiguousarray(a) for a in arrays)


def _with_contiguous_rows(a: Array) -> Array:
    """The same array if each row is contiguous, as columns of a wider array are; otherwise a copy."""
    if a.strides[1] == a.itemsize and a.strides[0] >= a.shape[1] * a.itemsize:
        return a
    return np.ascontiguousarray(a)
