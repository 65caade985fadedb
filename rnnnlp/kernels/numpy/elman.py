"""Elman networks over a whole packed batch, fast in NumPy: the equations of `definition.elman_tanh_step`."""

# N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden

from typing import NamedTuple

import numpy as np

from rnnnlp.batches.packed import previous_rows, time_steps
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.numpy.gates import slope_of_tanh, states_before


class Tape(NamedTuple):
    h: Array  # (N, H)
    state: State
    W_h: Array  # (H, H)
    relu: bool
    batch_sizes: Array
    reverse: bool


def forward(
    pre: Array, batch_sizes: Array, state: State, W_h: Array, extra: State, reverse: bool, *, relu: bool = False
) -> tuple[Array, State, Tape]:
    """Simple recurrent network (Elman 1990); with `relu`, of rectified linear units (Le et al. 2015)."""
    (h0,) = state
    h = np.empty_like(pre)  # (N, H)
    h_t = h0.copy()  # (B, H) the running state
    W = np.ascontiguousarray(W_h.T)  # (H, H)
    for rows, B_t in time_steps(batch_sizes, reverse):
        # h = tanh(pre + h @ W_h.T), or relu
        np.matmul(h_t[:B_t], W, out=h[rows])
        h[rows] += pre[rows]
        if relu:
            np.maximum(h[rows], 0, out=h[rows])
        else:
            np.tanh(h[rows], out=h[rows])
        h_t[:B_t] = h[rows]
    return h, (h_t,), Tape(h, state, W_h, relu, batch_sizes, reverse)


def backward(dh: Array, dstate_T: State, tape: Tape) -> tuple[Array, State, Array, State]:
    h, (h0,), W_h, relu, batch_sizes, reverse = tape
    h_before = states_before(h0, h, previous_rows(batch_sizes, reverse))  # (N, H)
    da = np.empty_like(h)  # (N, H)
    dh_t = dstate_T[0].copy()  # (B, H) the running gradient
    for rows, B_t in time_steps(batch_sizes, not reverse):
        dh_t[:B_t] += dh[rows]
        # h = tanh(a), or relu(a)
        if relu:
            np.greater(h[rows], 0, out=da[rows])
        else:
            slope_of_tanh(h[rows], out=da[rows])
        da[rows] *= dh_t[:B_t]
        # a = pre + h_before @ W_h.T
        np.matmul(da[rows], W_h, out=dh_t[:B_t])
    dW_h = da.T @ h_before  # (H, H)
    return da, (dh_t,), dW_h, ()
