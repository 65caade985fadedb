"""The definition of the recurrent cells: one step of each, forward and backward, as plain equations.

Everything else is compared with this file: the fast NumPy versions, and through them the native kernels. The gradients
are derived in docs/backpropagation.md, which quotes these lines. Any float dtype works.

Each cell has two functions:

    step(pre, state, W_h, extra)                -> state of this step, saved
    step_backward(dstate, saved, W_h, extra)    -> dpre, dstate_before, dW_h, dextra

`pre` `(B, G*H)` is the input's share of the gates' pre-activations, biases included. `state` is the state before the
step, `(h,)` or `(h, c)`, each `(B, H)`. `W_h` is `(G*H, H)`. `extra` holds the cell's extra parameters. `saved` is
whatever the backward needs. A gradient is named `d` + the name, and has the same shape. `dstate` is the whole gradient
of the state of this step: what the output did with it, plus what the next step did with it.
"""

# B sequences, H hidden, G gates (and G*H columns of them)

from collections.abc import Sequence

import numpy as np

from rnnnlp.kernels.backend import Array, State

Saved = tuple[Array, ...]
Step = tuple[State, Saved]
StepBackward = tuple[Array, State, Array, State]

NORM_EPS = 1e-5  # added to a mean square, so that a row of zeros can be normalised


def lstm_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000)."""
    h_before, c_before = state  # (B, H) each
    a_i, a_f, a_g, a_o = split(pre + h_before @ W_h.T, 4)  # (B, H) each
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
    g = np.tanh(a_g)
    c = f * c_before + i * g
    h = o * np.tanh(c)
    return (h, c), (h_before, c_before, i, f, g, o, c)


def lstm_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    dh, dc = dstate
    h_before, c_before, i, f, g, o, c = saved
    # h = o * tanh(c)
    da_o = dh * np.tanh(c) * o * (1 - o)
    dc = dc + dh * o * (1 - np.tanh(c) ** 2)
    # c = f * c_before + i * g
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_before * f * (1 - f)
    da_g = dc * i * (1 - g * g)
    dc_before = dc * f
    # a = pre + h_before @ W_h.T
    da = join([da_i, da_f, da_g, da_o])  # (B, 4H)
    dh_before = da @ W_h
    dW_h = da.T @ h_before
    return da, (dh_before, dc_before), dW_h, ()


def lstm_rms_norm_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    """Long short-term memory that normalises c before the output (Ba et al. 2016; RMSNorm, Zhang and Sennrich 2019)."""
    h_before, c_before = state  # (B, H) each
    a_i, a_f, a_g, a_o = split(pre + h_before @ W_h.T, 4)  # (B, H) each
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)
    g = np.tanh(a_g)
    c = f * c_before + i * g
    scale = 1 / np.sqrt(np.mean(c * c, axis=1, keepdims=True) + NORM_EPS)  # (B, 1)
    n = scale * c
    h = o * np.tanh(n)
    return (h, c), (h_before, c_before, i, f, g, o, c, scale, n)


def lstm_rms_norm_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    dh, dc = dstate
    h_before, c_before, i, f, g, o, _, scale, n = saved
    # h = o * tanh(n)
    da_o = dh * np.tanh(n) * o * (1 - o)
    dn = dh * o * (1 - np.tanh(n) ** 2)
    # n = scale * c, and scale is of all c of the row
    dc = dc + scale * (dn - n * np.mean(dn * n, axis=1, keepdims=True))
    # c = f * c_before + i * g
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_before * f * (1 - f)
    da_g = dc * i * (1 - g * g)
    dc_before = dc * f
    # a = pre + h_before @ W_h.T
    da = join([da_i, da_f, da_g, da_o])  # (B, 4H)
    dh_before = da @ W_h
    dW_h = da.T @ h_before
    return da, (dh_before, dc_before), dW_h, ()


def gru_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    """Gated recurrent unit (Cho et al. 2014); the reset gate acts after the matrix product, as in cuDNN."""
    (h_before,), (b_hn,) = state, extra  # (B, H), (H,)
    pre_r, pre_z, pre_n = split(pre, 3)  # (B, H) each
    p_r, p_z, p_n = split(h_before @ W_h.T, 3)
    r, z = sigmoid(pre_r + p_r), sigmoid(pre_z + p_z)
    a_hn = p_n + b_hn
    n = np.tanh(pre_n + r * a_hn)
    h = n + z * (h_before - n)
    return (h,), (h_before, r, z, n, a_hn)


def gru_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    (dh,), (h_before, r, z, n, a_hn) = dstate, saved
    # h = n + z * (h_before - n)
    da_z = dh * (h_before - n) * z * (1 - z)
    da_n = dh * (1 - z) * (1 - n * n)
    # n = tanh(pre_n + r * a_hn)
    da_r = da_n * a_hn * r * (1 - r)
    da_hn = da_n * r
    # p = h_before @ W_h.T + [0, 0, b_hn]
    dp = join([da_r, da_z, da_hn])  # (B, 3H)
    dh_before = dp @ W_h + dh * z
    dW_h = dp.T @ h_before
    db_hn = da_hn.sum(axis=0)
    return join([da_r, da_z, da_n]), (dh_before,), dW_h, (db_hn,)


def gru_reset_first_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    """Gated recurrent unit (Cho et al. 2014); the reset gate acts on the state, before the matrix product."""
    (h_before,) = state  # (B, H)
    W_r, W_z, W_n = split(W_h, 3, axis=0)  # (H, H) each
    pre_r, pre_z, pre_n = split(pre, 3)  # (B, H) each
    r, z = sigmoid(pre_r + h_before @ W_r.T), sigmoid(pre_z + h_before @ W_z.T)
    gated_h = r * h_before
    n = np.tanh(pre_n + gated_h @ W_n.T)
    h = n + z * (h_before - n)
    return (h,), (h_before, r, z, n, gated_h)


def gru_reset_first_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    (dh,), (h_before, r, z, n, gated_h) = dstate, saved
    W_r, W_z, W_n = split(W_h, 3, axis=0)
    # h = n + z * (h_before - n)
    da_z = dh * (h_before - n) * z * (1 - z)
    da_n = dh * (1 - z) * (1 - n * n)
    # n = tanh(pre_n + gated_h @ W_n.T)
    dgated_h = da_n @ W_n
    # gated_h = r * h_before
    da_r = dgated_h * h_before * r * (1 - r)
    # h_before is used in r, in z, in gated_h and in h
    dh_before = da_r @ W_r + da_z @ W_z + dgated_h * r + dh * z
    dW_h = join([da_r.T @ h_before, da_z.T @ h_before, da_n.T @ gated_h], axis=0)
    return join([da_r, da_z, da_n]), (dh_before,), dW_h, ()


def elman_tanh_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    """Simple recurrent network (Elman 1990)."""
    (h_before,) = state  # (B, H)
    h = np.tanh(pre + h_before @ W_h.T)
    return (h,), (h_before, h)


def elman_tanh_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    (dh,), (h_before, h) = dstate, saved
    # h = tanh(a)
    da = dh * (1 - h * h)
    # a = pre + h_before @ W_h.T
    dh_before = da @ W_h
    dW_h = da.T @ h_before
    return da, (dh_before,), dW_h, ()


def elman_relu_step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    """Elman network with rectified linear units (Le et al. 2015)."""
    (h_before,) = state  # (B, H)
    h = np.maximum(pre + h_before @ W_h.T, 0)
    return (h,), (h_before, h)


def elman_relu_step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    (dh,), (h_before, h) = dstate, saved
    # h = max(a, 0)
    da = dh * (h > 0)
    # a = pre + h_before @ W_h.T
    dh_before = da @ W_h
    dW_h = da.T @ h_before
    return da, (dh_before,), dW_h, ()


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), written so that it cannot overflow."""
    return (1 + np.tanh(0.5 * a)) * 0.5


def split(a: Array, gates: int, axis: int = 1) -> list[Array]:
    """Splits the blocks of the gates: `(B, G*H)` to G arrays `(B, H)`."""
    return np.split(a, gates, axis=axis)


def join(blocks: Sequence[Array], axis: int = 1) -> Array:
    """Puts the blocks of the gates side by side: G arrays `(B, H)` to `(B, G*H)`."""
    return np.concatenate(blocks, axis=axis)
