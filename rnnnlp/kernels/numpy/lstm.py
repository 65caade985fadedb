"""The LSTM over a whole packed batch, fast in NumPy: the equations of `definition.lstm_step`, also with a norm of c."""

# N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden

from typing import NamedTuple

import numpy as np

from rnnnlp.batches.packed import previous_rows, time_steps
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.definition import NORM_EPS
from rnnnlp.kernels.numpy.gates import sigmoid_, slope_of_sigmoid, slope_of_tanh, split, states_before


class Tape(NamedTuple):
    gates: Array  # (N, 4H) i f g o, after their nonlinearities
    c: Array  # (N, H)
    tanh_c: Array  # (N, H); of a normalised c, if it is normalised
    h: Array  # (N, H)
    scale: Array | None  # (N, 1): c is normalised by it
    state: State
    W_h: Array  # (4H, H)
    batch_sizes: Array
    reverse: bool


def forward(
    pre: Array, batch_sizes: Array, state: State, W_h: Array, extra: State, reverse: bool, *, rms_norm: bool = False
) -> tuple[Array, State, Tape]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000).

    With `rms_norm` the output sees c divided by its root mean square (Zhang and Sennrich 2019).
    """
    h0, c0 = state
    N, H = len(pre), W_h.shape[1]
    gates = np.empty_like(pre)  # (N, 4H)
    h, c, tanh_c = np.empty((3, N, H), pre.dtype)
    scale = np.empty((N, 1), pre.dtype) if rms_norm else None
    h_t, c_t = h0.copy(), c0.copy()  # (B, H) the running state
    scratch = np.empty_like(h_t)
    W = np.ascontiguousarray(W_h.T)  # (H, 4H)
    for rows, B_t in time_steps(batch_sizes, reverse):
        a = gates[rows]  # (B_t, 4H)
        np.matmul(h_t[:B_t], W, out=a)
        a += pre[rows]
        sigmoid_(a[:, : 2 * H])
        np.tanh(a[:, 2 * H : 3 * H], out=a[:, 2 * H : 3 * H])
        sigmoid_(a[:, 3 * H :])
        i, f, g, o = split(a, 4)  # (B_t, H) each
        # c = f*c + i*g
        c_t[:B_t] *= f
        c_t[:B_t] += np.multiply(i, g, out=scratch[:B_t])
        c[rows] = c_t[:B_t]
        # h = o * tanh(c)
        n = c_t[:B_t]
        if scale is not None:  # h = o * tanh(scale * c)
            scale[rows] = 1 / np.sqrt(mean_of_products(n, n) + NORM_EPS)
            n = np.multiply(scale[rows], n, out=scratch[:B_t])
        np.tanh(n, out=tanh_c[rows])
        np.multiply(o, tanh_c[rows], out=h_t[:B_t])
        h[rows] = h_t[:B_t]
    return h, (h_t, c_t), Tape(gates, c, tanh_c, h, scale, state, W_h, batch_sizes, reverse)


def backward(dh: Array, dstate_T: State, tape: Tape) -> tuple[Array, State, Array, State]:
    gates, c, tanh_c, h, scale, (h0, c0), W_h, batch_sizes, reverse = tape
    before = previous_rows(batch_sizes, reverse)
    h_before = states_before(h0, h, before)  # (N, H)
    c_before = states_before(c0, c, before)  # (N, H)
    da = np.empty_like(gates)  # (N, 4H)
    dh_t, dc_t = dstate_T[0].copy(), dstate_T[1].copy()  # (B, H) the running gradients
    s1, s2 = np.empty((2, *dh_t.shape), dh_t.dtype)
    for rows, B_t in time_steps(batch_sizes, not reverse):
        i, f, g, o = split(gates[rows], 4)
        da_i, da_f, da_g, da_o = split(da[rows], 4)  # (B_t, H) each
        dh_, dc_, x, y = dh_t[:B_t], dc_t[:B_t], s1[:B_t], s2[:B_t]
        dh_ += dh[rows]
        # h = o * tanh_c
        np.multiply(dh_, tanh_c[rows], out=da_o)
        np.multiply(dh_, o, out=x)
        x *= slope_of_tanh(tanh_c[rows], out=y)
        if scale is not None:  # n = scale * c, and scale is of all c of the row
            n = np.multiply(scale[rows], c[rows], out=y)
            n *= mean_of_products(x, n)
            x -= n
            x *= scale[rows]
        dc_ += x
        # c = f*c_before + i*g
        np.multiply(dc_, g, out=da_i)
        np.multiply(dc_, c_before[rows], out=da_f)
        np.multiply(dc_, i, out=da_g)
        dc_ *= f
        # i, f, o = sigmoid(a), g = tanh(a)
        da_i *= slope_of_sigmoid(i, out=x)
        da_f *= slope_of_sigmoid(f, out=x)
        da_g *= slope_of_tanh(g, out=x)
        da_o *= slope_of_sigmoid(o, out=x)
        # a = pre + h_before @ W_h.T
        np.matmul(da[rows], W_h, out=dh_)
    dW_h = da.T @ h_before  # (4H, H)
    return da, (dh_t, dc_t), dW_h, ()


def mean_of_products(a: Array, b: Array) -> Array:
    """The mean of a*b over the units: `(B, H)`, `(B, H)` -> `(B, 1)`."""
    mean: Array = np.einsum("bh,bh->b", a, b)[:, None] / a.shape[1]
    return mean
