"""The GRU over a whole packed batch, fast in NumPy: the equations of `definition.gru_step`."""

# N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden

from typing import NamedTuple

import numpy as np

from rnnnlp.batches.packed import previous_rows, time_steps
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.numpy.gates import sigmoid_, slope_of_sigmoid, slope_of_tanh, split, states_before


class Tape(NamedTuple):
    gates: Array  # (N, 3H) r z n, after their nonlinearities
    a_hn: Array  # (N, H) the hidden state's share of the candidate
    h: Array  # (N, H)
    state: State
    W_h: Array  # (3H, H)
    batch_sizes: Array
    reverse: bool


def forward(
    pre: Array, batch_sizes: Array, state: State, W_h: Array, extra: State, reverse: bool
) -> tuple[Array, State, Tape]:
    """Gated recurrent unit (Cho et al. 2014), reset applied after the product, as in cuDNN."""
    (h0,), (b_hn,) = state, extra
    N, H = len(pre), W_h.shape[1]
    gates = np.empty_like(pre)  # (N, 3H)
    h, a_hn = np.empty((2, N, H), pre.dtype)
    h_t = h0.copy()  # (B, H) the running state
    product = np.empty((len(h0), 3 * H), pre.dtype)
    W = np.ascontiguousarray(W_h.T)  # (H, 3H)
    for rows, B_t in time_steps(batch_sizes, reverse):
        a, p = gates[rows], product[:B_t]  # (B_t, 3H)
        np.matmul(h_t[:B_t], W, out=p)
        # r, z = sigmoid(pre + h W)
        np.add(pre[rows, : 2 * H], p[:, : 2 * H], out=a[:, : 2 * H])
        sigmoid_(a[:, : 2 * H])
        r, z, n = split(a, 3)  # (B_t, H) each
        # n = tanh(pre_n + r*(h W_n + b_hn))
        np.add(p[:, 2 * H :], b_hn, out=a_hn[rows])
        np.multiply(r, a_hn[rows], out=n)
        n += pre[rows, 2 * H :]
        np.tanh(n, out=n)
        # h = n + z*(h - n)
        h_t[:B_t] -= n
        h_t[:B_t] *= z
        h_t[:B_t] += n
        h[rows] = h_t[:B_t]
    return h, (h_t,), Tape(gates, a_hn, h, state, W_h, batch_sizes, reverse)


def backward(dh: Array, dstate_T: State, tape: Tape) -> tuple[Array, State, Array, State]:
    gates, a_hn, h, (h0,), W_h, batch_sizes, reverse = tape
    H = W_h.shape[1]
    h_before = states_before(h0, h, previous_rows(batch_sizes, reverse))  # (N, H)
    dpre = np.empty_like(gates)  # (N, 3H)
    dp = np.empty_like(gates)  # (N, 3H) of h W + [0, 0, b_hn]
    dh_t = dstate_T[0].copy()  # (B, H) the running gradient
    s1, s2 = np.empty((2, *dh_t.shape), dh_t.dtype)
    for rows, B_t in time_steps(batch_sizes, not reverse):
        r, z, n = split(gates[rows], 3)
        da_r, da_z, da_n = split(dpre[rows], 3)  # (B_t, H) each
        dh_, x, y = dh_t[:B_t], s1[:B_t], s2[:B_t]
        dh_ += dh[rows]
        # h = n + z*(h_before - n)
        np.subtract(h_before[rows], n, out=da_z)
        da_z *= dh_
        np.multiply(dh_, z, out=x)
        np.subtract(dh_, x, out=da_n)
        # n = tanh(pre_n + r*a_hn)
        da_n *= slope_of_tanh(n, out=y)
        np.multiply(da_n, a_hn[rows], out=da_r)
        np.multiply(da_n, r, out=dp[rows, 2 * H :])
        # r, z = sigmoid(pre + h_before W)
        da_r *= slope_of_sigmoid(r, out=y)
        da_z *= slope_of_sigmoid(z, out=y)
        dp[rows, : 2 * H] = dpre[rows, : 2 * H]
        # p = h_before @ W_h.T, and h itself through z
        np.matmul(dp[rows], W_h, out=dh_)
        dh_ += x
    dW_h = dp.T @ h_before  # (3H, H)
    db_hn = dp[:, 2 * H :].sum(axis=0)  # (H,)
    return dpre, (dh_t,), dW_h, (db_hn,)
