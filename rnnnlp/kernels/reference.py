"""The recurrences over whole packed sequences, forward and backward: the definition, in NumPy.

Every other kernel is compared with this file. The derivations are in docs/backpropagation.md, in the same symbols.

The contract of a kernel:

    forward(cell, pre, batch_sizes, state, W_h, b_hn, *, reverse) -> h, state_T, tape
    backward(dh, dstate_T, tape)                                  -> dpre, dstate_0, dW_h, db_hn

`pre (N, G*H)` is the input's share of the gates, biases included (for the candidate of "gru" only those of the input).
`state` is `(h0,)`, for the LSTM `(h0, c0)`, each `(B, H)`; `W_h (G*H, H)`; `b_hn (H,)` for "gru", else None. `h`
`(N, H)` has every step's output, `state_T` each sequence's state after its last step. `reverse` walks from the last
step to the first: a sequence then joins at its own last step. Arrays passed in are never changed; `tape` is for
`backward` alone.

Both walks keep the running state of all B sequences in one array and touch its first B_t rows at step t. A row that has
ended keeps its final value; a row that has not yet joined keeps its initial one. So nothing is ever masked.
"""

# N tokens, T steps, B sequences, B_t sequences alive at step t, H hidden, G gates (and G*H columns of them)

from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.packed import previous_rows, walk

Array = np.ndarray
State = tuple[Array, ...]


def forward(
    cell: str,
    pre: Array,
    batch_sizes: Array,
    state: State,
    W_h: Array,
    b_hn: Array | None = None,
    *,
    reverse: bool = False,
) -> tuple[Array, State, Any]:
    """Runs `cell`, one of `kernels.CELLS`, over a packed batch; see the contract above."""
    return _FORWARD[cell](pre, batch_sizes, state, W_h, b_hn, reverse)


def backward(dh: Array, dstate_T: State, tape: Any) -> tuple[Array, State, Array, Array | None]:
    """Takes the errors `dh (N, H)` and `dstate_T` back through every step that `forward` wrote on `tape`."""
    return _BACKWARD[type(tape)](dh, dstate_T, tape)


# ---------------------------------------------------------------------------------------------------------------- LSTM


class LSTMTape(NamedTuple):
    gates: Array  # (N, 4H) i f g o, after their nonlinearities
    c: Array  # (N, H)
    tanh_c: Array  # (N, H)
    h: Array  # (N, H)
    state: State
    W_h: Array  # (4H, H)
    batch_sizes: Array
    reverse: bool


def lstm_forward(pre: Array, batch_sizes: Array, state: State, W_h: Array, b_hn: None, reverse: bool):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000)."""
    h0, c0 = state
    N, H = len(pre), W_h.shape[1]
    gates = np.empty_like(pre)  # (N, 4H)
    h, c, tanh_c = np.empty((3, N, H), pre.dtype)
    h_t, c_t = h0.copy(), c0.copy()  # (B, H) the running state
    scratch = np.empty_like(h_t)
    W = np.ascontiguousarray(W_h.T)  # (H, 4H)
    for rows, B_t in walk(batch_sizes, reverse):
        a = gates[rows]  # (B_t, 4H)
        np.matmul(h_t[:B_t], W, out=a)
        a += pre[rows]
        _sigmoid_(a[:, : 2 * H])
        np.tanh(a[:, 2 * H : 3 * H], out=a[:, 2 * H : 3 * H])
        _sigmoid_(a[:, 3 * H :])
        i, f, g, o = _split(a, 4)  # (B_t, H) each
        # c = f*c + i*g
        c_t[:B_t] *= f
        c_t[:B_t] += np.multiply(i, g, out=scratch[:B_t])
        c[rows] = c_t[:B_t]
        # h = o * tanh(c)
        np.tanh(c_t[:B_t], out=tanh_c[rows])
        np.multiply(o, tanh_c[rows], out=h_t[:B_t])
        h[rows] = h_t[:B_t]
    return h, (h_t, c_t), LSTMTape(gates, c, tanh_c, h, state, W_h, batch_sizes, reverse)


def lstm_backward(dh: Array, dstate_T: State, tape: LSTMTape):
    gates, c, tanh_c, h, (h0, c0), W_h, batch_sizes, reverse = tape
    before = previous_rows(batch_sizes, reverse)
    h_before = _before(h0, h, before)  # (N, H)
    c_before = _before(c0, c, before)  # (N, H)
    da = np.empty_like(gates)  # (N, 4H)
    dh_t, dc_t = dstate_T[0].copy(), dstate_T[1].copy()  # (B, H) the running errors
    s1, s2 = np.empty((2, *dh_t.shape), dh_t.dtype)
    for rows, B_t in walk(batch_sizes, not reverse):
        i, f, g, o = _split(gates[rows], 4)
        da_i, da_f, da_g, da_o = _split(da[rows], 4)  # (B_t, H) each
        dh_, dc_, x, y = dh_t[:B_t], dc_t[:B_t], s1[:B_t], s2[:B_t]
        dh_ += dh[rows]
        # h = o * tanh_c
        np.multiply(dh_, tanh_c[rows], out=da_o)
        np.multiply(dh_, o, out=x)
        dc_ += np.multiply(x, _one_minus_square(tanh_c[rows], out=y), out=x)
        # c = f*c_before + i*g
        np.multiply(dc_, g, out=da_i)
        np.multiply(dc_, c_before[rows], out=da_f)
        np.multiply(dc_, i, out=da_g)
        dc_ *= f
        # i, f, o = sigmoid(a), g = tanh(a)
        da_i *= _slope_of_sigmoid(i, out=x)
        da_f *= _slope_of_sigmoid(f, out=x)
        da_g *= _one_minus_square(g, out=x)
        da_o *= _slope_of_sigmoid(o, out=x)
        # a = pre + h_before @ W_h.T
        np.matmul(da[rows], W_h, out=dh_)
    dW_h = da.T @ h_before  # (4H, H)
    return da, (dh_t, dc_t), dW_h, None


# ----------------------------------------------------------------------------------------------------------------- GRU


class GRUTape(NamedTuple):
    gates: Array  # (N, 3H) r z n, after their nonlinearities
    a_hn: Array  # (N, H) the hidden state's share of the candidate
    h: Array  # (N, H)
    state: State
    W_h: Array  # (3H, H)
    batch_sizes: Array
    reverse: bool


def gru_forward(pre: Array, batch_sizes: Array, state: State, W_h: Array, b_hn: Array, reverse: bool):
    """Gated recurrent unit (Cho et al. 2014), reset applied after the product, as in cuDNN."""
    (h0,) = state
    N, H = len(pre), W_h.shape[1]
    gates = np.empty_like(pre)  # (N, 3H)
    h, a_hn = np.empty((2, N, H), pre.dtype)
    h_t = h0.copy()  # (B, H) the running state
    product = np.empty((len(h0), 3 * H), pre.dtype)
    W = np.ascontiguousarray(W_h.T)  # (H, 3H)
    for rows, B_t in walk(batch_sizes, reverse):
        a, p = gates[rows], product[:B_t]  # (B_t, 3H)
        np.matmul(h_t[:B_t], W, out=p)
        # r, z = sigmoid(pre + h W)
        np.add(pre[rows, : 2 * H], p[:, : 2 * H], out=a[:, : 2 * H])
        _sigmoid_(a[:, : 2 * H])
        r, z, n = _split(a, 3)  # (B_t, H) each
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
    return h, (h_t,), GRUTape(gates, a_hn, h, state, W_h, batch_sizes, reverse)


def gru_backward(dh: Array, dstate_T: State, tape: GRUTape):
    gates, a_hn, h, (h0,), W_h, batch_sizes, reverse = tape
    H = W_h.shape[1]
    h_before = _before(h0, h, previous_rows(batch_sizes, reverse))  # (N, H)
    dpre = np.empty_like(gates)  # (N, 3H)
    dp = np.empty_like(gates)  # (N, 3H) of h W + [0, 0, b_hn]
    dh_t = dstate_T[0].copy()  # (B, H) the running error
    s1, s2 = np.empty((2, *dh_t.shape), dh_t.dtype)
    for rows, B_t in walk(batch_sizes, not reverse):
        r, z, n = _split(gates[rows], 3)
        da_r, da_z, da_n = _split(dpre[rows], 3)  # (B_t, H) each
        dh_, x, y = dh_t[:B_t], s1[:B_t], s2[:B_t]
        dh_ += dh[rows]
        # h = n + z*(h_before - n)
        np.subtract(h_before[rows], n, out=da_z)
        da_z *= dh_
        np.multiply(dh_, z, out=x)
        np.subtract(dh_, x, out=da_n)
        # n = tanh(pre_n + r*a_hn)
        da_n *= _one_minus_square(n, out=y)
        np.multiply(da_n, a_hn[rows], out=da_r)
        np.multiply(da_n, r, out=dp[rows, 2 * H :])
        # r, z = sigmoid(pre + h_before W)
        da_r *= _slope_of_sigmoid(r, out=y)
        da_z *= _slope_of_sigmoid(z, out=y)
        dp[rows, : 2 * H] = dpre[rows, : 2 * H]
        # p = h_before @ W_h.T, and h itself through z
        np.matmul(dp[rows], W_h, out=dh_)
        dh_ += x
    dW_h = dp.T @ h_before  # (3H, H)
    db_hn = dp[:, 2 * H :].sum(axis=0)  # (H,)
    return dpre, (dh_t,), dW_h, db_hn


class ResetFirstTape(NamedTuple):
    gates: Array  # (N, 3H) r z n, after their nonlinearities
    kept: Array  # (N, H) r*h_before, what the candidate sees of the state
    h: Array  # (N, H)
    state: State
    W_h: Array  # (3H, H)
    batch_sizes: Array
    reverse: bool


def gru_reset_first_forward(
    pre: Array, batch_sizes: Array, state: State, W_h: Array, b_hn: None, reverse: bool
) -> tuple[Array, State, ResetFirstTape]:
    """Gated recurrent unit with the reset applied to the state before the product (Cho et al. 2014)."""
    (h0,) = state
    N, H = len(pre), W_h.shape[1]
    gates = np.empty_like(pre)  # (N, 3H)
    h, kept = np.empty((2, N, H), pre.dtype)
    h_t = h0.copy()  # (B, H) the running state
    product = np.empty((len(h0), 2 * H), pre.dtype)
    W_rz, W_n = np.ascontiguousarray(W_h[: 2 * H].T), np.ascontiguousarray(W_h[2 * H :].T)  # (H, 2H), (H, H)
    for rows, B_t in walk(batch_sizes, reverse):
        a, p = gates[rows], product[:B_t]  # (B_t, 3H), (B_t, 2H)
        # r, z = sigmoid(pre + h W)
        np.matmul(h_t[:B_t], W_rz, out=p)
        np.add(pre[rows, : 2 * H], p, out=a[:, : 2 * H])
        _sigmoid_(a[:, : 2 * H])
        r, z, n = _split(a, 3)  # (B_t, H) each
        # n = tanh(pre_n + (r*h) W_n)
        np.multiply(r, h_t[:B_t], out=kept[rows])
        np.matmul(kept[rows], W_n, out=p[:, :H])
        np.add(pre[rows, 2 * H :], p[:, :H], out=n)
        np.tanh(n, out=n)
        # h = n + z*(h - n)
        h_t[:B_t] -= n
        h_t[:B_t] *= z
        h_t[:B_t] += n
        h[rows] = h_t[:B_t]
    return h, (h_t,), ResetFirstTape(gates, kept, h, state, W_h, batch_sizes, reverse)


def gru_reset_first_backward(dh: Array, dstate_T: State, tape: ResetFirstTape):
    gates, kept, h, (h0,), W_h, batch_sizes, reverse = tape
    H = W_h.shape[1]
    h_before = _before(h0, h, previous_rows(batch_sizes, reverse))  # (N, H)
    da = np.empty_like(gates)  # (N, 3H)
    dh_t = dstate_T[0].copy()  # (B, H) the running error
    s1, s2 = np.empty((2, *dh_t.shape), dh_t.dtype)
    for rows, B_t in walk(batch_sizes, not reverse):
        r, z, n = _split(gates[rows], 3)
        da_r, da_z, da_n = _split(da[rows], 3)  # (B_t, H) each
        dh_, x, y = dh_t[:B_t], s1[:B_t], s2[:B_t]
        dh_ += dh[rows]
        # h = n + z*(h_before - n)
        np.subtract(h_before[rows], n, out=da_z)
        da_z *= dh_
        da_z *= _slope_of_sigmoid(z, out=y)
        np.multiply(dh_, z, out=x)
        np.subtract(dh_, x, out=da_n)
        # n = tanh(pre_n + kept @ W_n.T)
        da_n *= _one_minus_square(n, out=y)
        dkept = np.matmul(da_n, W_h[2 * H :], out=dh_)
        # kept = r*h_before
        np.multiply(dkept, h_before[rows], out=da_r)
        da_r *= _slope_of_sigmoid(r, out=y)
        dkept *= r
        x += dkept
        # r, z = sigmoid(pre + h_before @ W_rz.T), and h itself through z and r
        np.matmul(da[rows, : 2 * H], W_h[: 2 * H], out=dh_)
        dh_ += x
    dW_h = np.concatenate([da[:, : 2 * H].T @ h_before, da[:, 2 * H :].T @ kept])  # (3H, H)
    return da, (dh_t,), dW_h, None


# --------------------------------------------------------------------------------------------------------------- Elman


class ElmanTape(NamedTuple):
    h: Array  # (N, H)
    state: State
    W_h: Array  # (H, H)
    relu: bool
    batch_sizes: Array
    reverse: bool


def elman_forward(
    pre: Array, batch_sizes: Array, state: State, W_h: Array, b_hn: None, reverse: bool, relu: bool = False
):
    """Simple recurrent network (Elman 1990)."""
    (h0,) = state
    h = np.empty_like(pre)  # (N, H)
    h_t = h0.copy()  # (B, H) the running state
    W = np.ascontiguousarray(W_h.T)  # (H, H)
    for rows, B_t in walk(batch_sizes, reverse):
        # h = tanh(pre + h @ W_h.T), or relu
        np.matmul(h_t[:B_t], W, out=h[rows])
        h[rows] += pre[rows]
        if relu:
            np.maximum(h[rows], 0, out=h[rows])
        else:
            np.tanh(h[rows], out=h[rows])
        h_t[:B_t] = h[rows]
    return h, (h_t,), ElmanTape(h, state, W_h, relu, batch_sizes, reverse)


def elman_relu_forward(pre: Array, batch_sizes: Array, state: State, W_h: Array, b_hn: None, reverse: bool):
    """Elman network with rectified linear units (Le et al. 2015)."""
    return elman_forward(pre, batch_sizes, state, W_h, b_hn, reverse, relu=True)


def elman_backward(dh: Array, dstate_T: State, tape: ElmanTape):
    h, (h0,), W_h, relu, batch_sizes, reverse = tape
    h_before = _before(h0, h, previous_rows(batch_sizes, reverse))  # (N, H)
    da = np.empty_like(h)  # (N, H)
    dh_t = dstate_T[0].copy()  # (B, H) the running error
    for rows, B_t in walk(batch_sizes, not reverse):
        dh_t[:B_t] += dh[rows]
        # h = tanh(a), or relu(a)
        if relu:
            np.greater(h[rows], 0, out=da[rows])
        else:
            _one_minus_square(h[rows], out=da[rows])
        da[rows] *= dh_t[:B_t]
        # a = pre + h_before @ W_h.T
        np.matmul(da[rows], W_h, out=dh_t[:B_t])
    dW_h = da.T @ h_before  # (H, H)
    return da, (dh_t,), dW_h, None


_FORWARD: dict[str, Any] = {
    "lstm": lstm_forward,
    "gru": gru_forward,
    "gru_reset_first": gru_reset_first_forward,
    "elman_tanh": elman_forward,
    "elman_relu": elman_relu_forward,
}
_BACKWARD: dict[type, Any] = {
    LSTMTape: lstm_backward,
    GRUTape: gru_backward,
    ResetFirstTape: gru_reset_first_backward,
    ElmanTape: elman_backward,
}


# -------------------------------------------------------------------------------------------------------------- pieces


def _before(initial: Array, outputs: Array, before: Array | slice) -> Array:
    """The state before each row's step: `initial (B, H)`, `outputs (N, H)` -> `(N, H)`."""
    return np.concatenate([initial, outputs])[before]


def _split(a: Array, gates: int) -> list[Array]:
    """Views `(B_t, H)` of each gate's columns in `a (B_t, gates*H)`."""
    H = a.shape[1] // gates
    return [a[:, k * H : (k + 1) * H] for k in range(gates)]


def _sigmoid_(a: Array) -> None:
    """In place; (1 + tanh(a/2))/2 cannot overflow and is faster than by exp."""
    a *= 0.5
    np.tanh(a, out=a)
    a += 1
    a *= 0.5


def _slope_of_sigmoid(s: Array, out: Array) -> Array:
    """s*(1 - s), the derivative of s = sigmoid(a)."""
    np.subtract(1, s, out=out)
    out *= s
    return out


def _one_minus_square(s: Array, out: Array) -> Array:
    """1 - s*s, the derivative of s = tanh(a)."""
    np.multiply(s, s, out=out)
    return np.subtract(1, out, out=out)
