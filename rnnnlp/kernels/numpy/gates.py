"""What the fast cells share: slopes of the gates, in place, and views of their columns."""

# N tokens, B sequences, B_t sequences alive at step t, H hidden

import numpy as np

from rnnnlp.kernels.backend import Array


def states_before(initial: Array, outputs: Array, before: Array | slice) -> Array:
    """The state before each row's step: `initial (B, H)`, `outputs (N, H)` -> `(N, H)`."""
    return np.concatenate([initial, outputs])[before]


def split(a: Array, gates: int) -> list[Array]:
    """Views `(B_t, H)` of each gate's columns in `a (B_t, gates*H)`."""
    H = a.shape[1] // gates
    return [a[:, k * H : (k + 1) * H] for k in range(gates)]


def sigmoid_(a: Array) -> None:
    """In place; (1 + tanh(a/2))/2 cannot overflow and is faster than by exp."""
    a *= 0.5
    np.tanh(a, out=a)
    a += 1
    a *= 0.5


def slope_of_sigmoid(s: Array, out: Array) -> Array:
    """s*(1 - s), the derivative of s = sigmoid(a)."""
    np.subtract(1, s, out=out)
    out *= s
    return out


def slope_of_tanh(s: Array, out: Array) -> Array:
    """1 - s*s, the derivative of s = tanh(a)."""
    np.multiply(s, s, out=out)
    np.subtract(1, out, out=out)
    return out
