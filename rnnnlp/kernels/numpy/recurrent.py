"""Recurrent cells over whole packed batches: the fast version of a cell if there is one, else its definition."""

# N tokens, T steps, B sequences, H hidden, G gates (and G*H columns of them)

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.cells import CELLS
from rnnnlp.kernels.numpy import elman, gru, gru_reset_first, lstm, time_loop
from rnnnlp.threads import holds_blas


class Version(NamedTuple):
    """A cell over a whole batch, forward and backward."""

    forward: Callable[[Array, Array, State, Array, State, bool], tuple[Array, State, Any]]
    backward: Callable[[Array, State, Any], tuple[Array, State, Array, State]]


FAST = {
    "lstm": Version(lstm.forward, lstm.backward),
    "lstm_rms_norm": Version(partial(lstm.forward, rms_norm=True), lstm.backward),
    "gru": Version(gru.forward, gru.backward),
    "gru_reset_first": Version(gru_reset_first.forward, gru_reset_first.backward),
    "elman_tanh": Version(elman.forward, elman.backward),
    "elman_relu": Version(partial(elman.forward, relu=True), elman.backward),
}  # whoever is not here runs by `time_loop`


class Tape(NamedTuple):
    version: Version
    saved: Any


def cells() -> Collection[str]:
    """All of `CELLS`."""
    return CELLS.keys()


def empty(shape: Sequence[int], dtype: np.dtype) -> Array:
    """An uninitialized array."""
    return np.empty(shape, dtype)


@holds_blas
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
    """Runs `cell` over a packed batch: see `Backend.forward`."""
    version = FAST.get(cell) or Version(partial(time_loop.forward, CELLS[cell]), time_loop.backward)
    if row_index is not None:
        pre = pre[row_index]  # (N, G*H)
    h, state_T, saved = version.forward(pre, batch_sizes, state, W_h, extra, reverse)
    if out is not None:
        out[...] = h
        h = out
    return h, state_T, Tape(version, saved) if keep_tape else None


@holds_blas
def backward(dh: Array, dstate_T: State, tape: Tape, *, overwrite: bool = False) -> tuple[Array, State, Array, State]:
    """Backpropagates through all steps: see `Backend.backward`."""
    return tape.version.backward(dh, dstate_T, tape.saved)
