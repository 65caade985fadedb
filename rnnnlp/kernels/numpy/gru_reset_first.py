"""The GRU that resets first, fast in NumPy: the equations of `definition.gru_reset_first_step`."""

# N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden

from typing import NamedTuple

import numpy as np

from rnnnlp.batches.packed import previous_rows, time_steps
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.numpy.gates import sigmoid_, slope_of_sigmoid, slope_of_tanh, split, states_before


class Tape(NamedTuple):
    gates: Array  # (N, 3H) r z n, after their nonlinearities
    gated_h: Array  # (N, H) r*h_before, what the candidate sees of the state
    h: Array  # (N, H)
    state: State
    W_h: Array  # (3H, H)
    batch_sizes: Array
    reverse: bool


def forward(
    pre: Array, batch_sizes: Array, state: State, W_h: Array, extra: State, reverse: bool
) -> tuple[Array, State, Tape]:
    """Gated recurrent unit with the reset applied to the state before the product (Cho et al. 2014)."""
    (h0,) = state
    N, H = len(pre), W_h.shape[1]
    gates = np.empty_like(pre)  # (N, 3H)
    h, gated_h = np.empty((2, N, H), pre.dtype)
    h_t = h0.copy()  # (B, H) the running state
    product = np.empty((len(h0), 2 * H), pre.dtype)
    W_rz, W_n = np.ascontiguousarray(W_h[: 2 * H].T), np.ascontiguousarray(W_h[2 * H :].T)  # (H, 2H), (H, H)
    for rows, B_t in time_steps(batch_sizes, reverse):
        a, p = gates[rows], product[:B_t]  # (B_t, 3H), (B_t, 2H)
        # r, z = sigmoid(pre + h W)
        np.matmul(h_t[:B_t], W_rz, out=p)
        np.add(pre[rows, : 2 * H], p, out=a[:, : 2 * H])
        sigmoid_(a[:, : 2 * H])
        r, z, n = split(a, 3)  # (B_t, H) each
        # n = tanh(pre_n + (r*h) W_n)
        np.multiply(r, h_t[:B_t], out=gated_h[rows])
        np.matmul(gated_h[rows], W_n, out=p[:, :H])
        np.add(pre[rows, 2 * H :], p[:, :H], out=n)
        np.tanh(n, out=n)
        # h = n + z*(h - n)
        h_t[:B_t] -= n
        h_t[:B_t] *= z
        h_t[:B_t] += n
        h[rows] = h_t[:B_t]
    return h, (h_t,), Tape(gates, gated_h, h, state, W_h, batch_sizes, reverse)


def backward(dh: Array, dstate_T: State, tape: Tape) -> tuple[Array, State, Array, State]:
    gates, gated_h, h, (h0,), W_h, batch_sizes, reverse = tape
    H = W_h.shape[1]
    h_before = states_before(h0, h, previous_rows(batch_sizes, reverse))  # (N, H)
    da = np.empty_like(gates)  # (N, 3H)
    dh_t = dstate_T[0].copy()  # (B, H) the running gradient
    s1, s2 = np.empty((2, *dh_t.shape), dh_t.dtype)
    for rows, B_t in time_steps(batch_sizes, not reverse):
        r, z, n = split(gates[rows], 3)
        da_r, da_z, da_n = split(da[rows], 3)  # (B_t, H) each
        dh_, x, y = dh_t[:B_t], s1[:B_t], s2[:B_t]
        dh_ += dh[rows]
        # h = n + z*(h_before - n)
        np.subtract(h_before[rows], n, out=da_z)
        da_z *= dh_
        da_z *= slope_of_sigmoid(z, out=y)
        np.multiply(dh_, z, out=x)
        np.subtract(dh_, x, out=da_n)
        # n = tanh(pre_n + gated_h @ W_n.T)
        da_n *= slope_of_tanh(n, out=y)
        dgated_h = np.matmul(da_n, W_h[2 * H :], out=dh_)
        # gated_h = r*h_before
        np.multiply(dgated_h, h_before[rows], out=da_r)
        da_r *= slope_of_sigmoid(r, out=y)
        dgated_h *= r
        x += dgated_h
        # r, z = sigmoid(pre + h_before @ W_rz.T), and h itself through z and r
        np.matmul(da[rows, : 2 * H], W_h[: 2 * H], out=dh_)
        dh_ += x
    dW_h = np.concatenate([da[:, : 2 * H].T @ h_before, da[:, 2 * H :].T @ gated_h])  # (3H, H)
    return da, (dh_t,), dW_h, ()
