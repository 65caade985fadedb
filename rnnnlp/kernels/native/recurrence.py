"""The contract of `kernels.backend` on the native kernels."""

# N tokens, T steps, B sequences, H hidden, G gates (and G*H columns of them), V rows of a table

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.kernels.native import _native

Array = np.ndarray
State = tuple[Array, ...]

NUMBERS = {"lstm": 0, "gru": 1, "elman_tanh": 2, "elman_relu": 3, "gru_reset_first": 4}  # as in src/table.hpp


class Tape(NamedTuple):
    cell: int
    h: Array  # (N, H)
    gates: Array | None  # (N, G*H) after their nonlinearities
    memory: Array | None  # (N, H) c of the LSTM, W_hn h + b_hn of the GRU, r*h_before of the GRU that resets first
    batch_sizes: Array
    h0: Array
    c0: Array | None
    W_h: Array
    b_hn: Array | None
    reverse: bool


def empty(shape: Sequence[int], dtype: np.dtype) -> Array:
    """An array for `out`, of memory that is used again once it is gone; `dtype` is float32."""
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
    """Runs `cell` over a packed batch; the contract is in `kernels.backend`.

    With `row_index (N,)`, `pre` is a table `(V, G*H)` and row n of the gates' share is `pre[row_index[n]]`: a small
    vocabulary needs no product with the input weights but that of its embedding table. Without `keep_tape`
    (inference) nothing is kept for `backward`, and the tape is None. With `overwrite` the caller gives `pre` away:
    the tape takes its memory. `out (N, H)` receives h; it may be some columns of a wider array.
    """
    pre, h0, W_h, b_hn = _plain(pre), _plain(state[0]), _plain(W_h), b_hn_of(extra)
    c0 = _plain(state[1]) if len(state) > 1 else None
    ids = None if row_index is None else row_index.astype(np.int32, copy=False)
    gates_into = pre if overwrite and row_index is None else None
    h = empty((int(batch_sizes.sum()), h0.shape[1]), h0.dtype) if out is None else out
    h_T, c_T, gates, memory = _native.forward(
        NUMBERS[cell], pre, ids, batch_sizes, h0, c0, W_h, b_hn, reverse, keep_tape, gates_into, h
    )
    state_T = (h_T,) if c_T is None else (h_T, c_T)
    tape = Tape(NUMBERS[cell], h, gates, memory, batch_sizes, h0, c0, W_h, b_hn, reverse) if keep_tape else None
    return h, state_T, tape


def backward(
    dh: Array | None, dstate_T: tuple[Array | None, ...] | None, tape: Any, *, overwrite: bool = False
) -> tuple[Array, State, Array, State]:
    """Takes errors back through every step; the contract is in `kernels.backend`. None stands for zeros.

    With `overwrite` the tape is used up: `dpre` takes its memory.
    """
    dh_T, dc_T = (*(dstate_T or ()), None, None)[:2]
    dpre, dh_0, dc_0, dW_h, db_hn = _native.backward(
        tape.cell,
        _rows(dh),
        _plain(dh_T),
        _plain(dc_T),
        tape.h,
        tape.gates,
        tape.memory,
        tape.batch_sizes,
        tape.h0,
        tape.c0,
        tape.W_h,
        tape.b_hn,
        tape.reverse,
        tape.gates if overwrite else None,
    )
    return dpre, (dh_0,) if dc_0 is None else (dh_0, dc_0), dW_h, () if db_hn is None else (db_hn,)


def cells() -> Collection[str]:
    """The names of the cells that these kernels have."""
    return NUMBERS.keys()


def b_hn_of(extra: State) -> Array | None:
    """The one extra parameter that some cells have."""
    return np.ascontiguousarray(extra[0]) if extra else None


def _rows(a: Array | None) -> Array | None:
    """With rows that are contiguous, but perhaps columns of a wider array; the same array if they are."""
    if a is None or (a.strides[1] == a.itemsize and a.strides[0] >= a.shape[1] * a.itemsize):
        return a
    return np.ascontiguousarray(a)


def _plain(a: Any) -> Any:
    """C-contiguous, as the kernels need it; the same array if it is."""
    return None if a is None else np.ascontiguousarray(a)
