"""The time loop over the definition of any cell: slow, plain, and enough to train a new cell.

The loop runs over a packed batch without masks. The running states of all B sequences are arrays `(B, H)`, and step t
touches their first B_t rows. A sequence that has ended keeps its final state. A sequence that has not joined yet keeps
its initial state.
"""

# N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates (and G*H columns of them)

from typing import NamedTuple

import numpy as np

from rnnnlp.batches.packed import time_steps
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.cells import Cell
from rnnnlp.kernels.definition import Saved


class Tape(NamedTuple):
    cell: Cell
    saved: list[Saved]  # of each step, in the order of the loop
    W_h: Array  # (G*H, H)
    extra: State
    batch_sizes: Array
    reverse: bool


def forward(
    cell: Cell, pre: Array, batch_sizes: Array, state: State, W_h: Array, extra: State, reverse: bool
) -> tuple[Array, State, Tape]:
    """Runs a cell over a packed batch; arguments and results are those of `Backend.forward`."""
    running = tuple(s.copy() for s in state)  # (B, H) each
    h = np.empty((len(pre), running[0].shape[1]), pre.dtype)  # (N, H)
    saved = []
    for rows, B_t in time_steps(batch_sizes, reverse):
        before = tuple(s[:B_t].copy() for s in running)  # (B_t, H) each
        after, saved_t = cell.step(pre[rows], before, W_h, extra)
        for s, new in zip(running, after, strict=True):
            s[:B_t] = new
        h[rows] = after[0]
        saved.append(saved_t)
    return h, running, Tape(cell, saved, W_h, extra, batch_sizes, reverse)


def backward(dh: Array, dstate_T: State, tape: Tape) -> tuple[Array, State, Array, State]:
    """Backpropagates through time; arguments and results are those of `Backend.backward`."""
    cell, saved, W_h, extra, batch_sizes, reverse = tape
    running = tuple(d.copy() for d in dstate_T)  # (B, H) each
    dpre = np.empty((len(dh), len(W_h)), dh.dtype)  # (N, G*H)
    dW_h = np.zeros_like(W_h)
    dextra = tuple(np.zeros_like(e) for e in extra)
    for (rows, B_t), saved_t in zip(time_steps(batch_sizes, not reverse), reversed(saved), strict=True):
        dstate = tuple(d[:B_t].copy() for d in running)  # (B_t, H) each: what the next step did with the state
        dstate[0][...] += dh[rows]  # and what the output did with h
        dpre[rows], dbefore, dW_h_t, dextra_t = cell.step_backward(dstate, saved_t, W_h, extra)
        for d, new in zip(running, dbefore, strict=True):
            d[:B_t] = new
        # W_h and extra are used at every step, so their gradients are sums over the steps.
        dW_h += dW_h_t
        for total, d in zip(dextra, dextra_t, strict=True):
            total += d
    return dpre, running, dW_h, dextra
