"""What the layers of this folder share: the projection of the input, layer normalisation, and sigmoids.

A layer has the interface of `rnnnlp.layers.recurrent.Direction`, for windows in which all streams have the same length:

    forward(x, batch_sizes, state, *, rng, row_index)   -> h, state_T, tape
    backward(dh, dstate_T, tape)                        -> dx, dstate_0

`x` is `(N, D)`, or a table `(U, D)` of which token n has row `row_index[n]`. `h` is `(N, H)`, states are `(B, H)`.
Parameters named `W_x...` multiply the input of the whole window at once, all other matrices step after step.
"""

# N tokens (T*B), U rows of a table, T steps, B streams, D input, K outputs, H hidden

from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter, uniform

Array = np.ndarray
NORM_EPS = 1e-5


class Projection:
    """x @ W.T + b for all steps at once. Each row of a table is multiplied once."""

    def __init__(self, input_size: int, output_size: int, *, scale: float = 1.0, dtype: Any, rng: np.random.Generator):
        self.W = uniform(output_size, input_size, bound=scale * input_size**-0.5, dtype=dtype, rng=rng)  # (K, D)
        self.b = Parameter(np.zeros(output_size, dtype))  # (K,)

    def forward(self, x: Array, row_index: Array | None) -> Array:
        """`x (N, D)`, or a table `(U, D)` and `row_index (N,)` -> `(N, K)`."""
        k = kernels.of(x)
        y = k.matmul_nt(x, self.W.value, self.b.value)
        return y if row_index is None else k.gather_rows(y, row_index)

    def backward(self, dy: Array, x: Array, row_index: Array | None) -> Array:
        """`dy (N, K)` -> `dx` in the shape of x."""
        k = kernels.of(x)
        dy = to_table(dy, x, row_index)
        db = np.empty_like(self.b.value)
        self.W.add(k.matmul_tn(dy, x, sums=db))
        self.b.add(db)
        return k.matmul(dy, self.W.value)


def to_table(dy: Array, x: Array, row_index: Array | None) -> Array:
    """The gradient of a table from that of the rows that were looked up: `dy (N, K)` -> `(U, K)`."""
    if row_index is None:
        return dy
    dtable = np.zeros((len(x), dy.shape[1]), dy.dtype)
    kernels.of(dy).add_rows(dy, row_index, dtable)
    return dtable


class Norm:
    """Layer normalisation without a bias (Ba et al. 2016): rows of mean 0 and variance 1, times a gain."""

    def __init__(self, size: int, *, dtype: Any, gain: float = 1.0):
        self.gain = Parameter(np.full(size, gain, dtype))  # (K,)

    def forward(self, x: Array) -> tuple[Array, tuple[Array, Array]]:
        """`x (rows, K)` -> `y (rows, K)`, tape."""
        z = x - x.mean(axis=1, keepdims=True)
        scale = 1 / np.sqrt(np.einsum("rk,rk->r", z, z) / x.shape[1] + NORM_EPS)[:, None]  # (rows, 1)
        z *= scale
        return z * self.gain.value, (z, scale)

    def backward(self, dy: Array, tape: tuple[Array, Array]) -> Array:
        """`dy (rows, K)` -> `dx (rows, K)`."""
        z, scale = tape
        # y = z * gain
        self.gain.add(np.einsum("rk,rk->k", dy, z))
        dz = dy * self.gain.value
        # z = (x - mean) * scale, where mean and scale depend on x
        along = np.einsum("rk,rk->r", dz, z)[:, None] / dy.shape[1]  # (rows, 1)
        dz -= dz.mean(axis=1, keepdims=True)
        dz -= z * along
        dz *= scale
        return dz


def sigmoid_(a: Array) -> Array:
    """The sigmoid, in place."""
    a *= 0.5
    np.tanh(a, out=a)
    a += 1
    a *= 0.5
    return a


def times_slope_of_sigmoid(d: Array, s: Array) -> None:
    """d *= s*(1 - s), in place, where s = sigmoid(a)."""
    d *= s
    d *= 1 - s


def before(initial: Array, outputs: Array) -> Array:
    """The state before each step: `initial (B, H)`, `outputs (T, B, H)` -> `(T, B, H)`."""
    return np.concatenate([initial[None], outputs[:-1]])
