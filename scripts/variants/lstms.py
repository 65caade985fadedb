"""LSTMs with zoneout, with layer normalisation, or with a recurrent matrix that depends on the input."""

# N tokens (T*B), T steps, B streams, D input, H hidden

from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter, uniform
from variants.building_blocks import Array, Norm, Projection, before, sigmoid_, times_slope_of_sigmoid, to_table

State = tuple[Array, ...]


def gates_forward(a: Array, c: Array, c_new: Array) -> None:
    """Turns the pre-activations `a (B, 4H)` into the gates i f g o, in place, and sets c_new = f*c + i*g."""
    i, f, g, o = np.split(a, 4, axis=1)
    for gate in (i, f, o):
        sigmoid_(gate)
    np.tanh(g, out=g)
    np.multiply(i, g, out=c_new)
    c_new += f * c


def gates_backward(dh: Array, dc: Array, gates: Array, c: Array, tanh: Array, da: Array) -> None:
    """The backward pass of c_new = f*c + i*g, h = o*tanh.

    Args:
        dh: Gradient of h, `(B, H)`.
        dc: Gradient of c_new, `(B, H)`, with the part that comes from h. It becomes the gradient of c, in place.
        gates: i f g o, `(B, 4H)`.
        c: The state before the step, `(B, H)`.
        tanh: tanh(c_new), `(B, H)`.
        da: Receives the gradient of the pre-activations, `(B, 4H)`.
    """
    i, f, g, o = np.split(gates, 4, axis=1)
    da_i, da_f, da_g, da_o = np.split(da, 4, axis=1)
    np.multiply(dh, tanh, out=da_o)
    np.multiply(dc, g, out=da_i)
    np.multiply(dc, c, out=da_f)
    np.multiply(dc, i, out=da_g)
    dc *= f
    for d, gate in ((da_i, i), (da_f, f), (da_o, o)):
        times_slope_of_sigmoid(d, gate)
    da_g *= 1 - g * g


class LSTM:
    """What the three share: the weights, and the products with them before and after the time loop."""

    states = 2

    def __init__(self, input_size: int, hidden_size: int, *, dtype: Any, rng: np.random.Generator):
        self.input = Projection(input_size, 4 * hidden_size, dtype=dtype, rng=rng)
        self.input.b.value[hidden_size : 2 * hidden_size] += 1  # remember at first
        self.W_h = uniform(4 * hidden_size, hidden_size, bound=hidden_size**-0.5, dtype=dtype, rng=rng)  # (4H, H)

    def parameters(self) -> dict[str, Parameter]:
        return {"W_x": self.input.W, "b": self.input.b, "W_h": self.W_h}

    def recurrent_gradient(self, da: Array, h: Array) -> None:
        """Adds the gradient of W_h in a = h @ W_h.T: `da (T, B, 4H)`, `h (T, B, H)` before each step."""
        self.W_h.add(kernels.of(da).matmul_tn(rows(da), rows(h)))


class ZoneoutLSTM(LSTM):
    """Each unit of c and h keeps its value of the step before with probability `c_p` or `h_p` (Krueger et al. 2017)."""

    def __init__(self, *sizes: int, c_p: float, h_p: float, dtype: Any, rng: np.random.Generator):
        super().__init__(*sizes, dtype=dtype, rng=rng)
        self.p = c_p, h_p

    def forward(
        self, x: Array, batch_sizes: Array, state: State, *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, State, Any]:
        """Without `rng` the new state is the expected one: a weighted mean of old and new values."""
        h0, c0 = state
        k, shape = kernels.of(x), (len(batch_sizes), *h0.shape)
        gates = self.input.forward(x, row_index).reshape(*shape[:2], -1)  # (T, B, 4H)
        h, c, tanh = np.empty((3, *shape), x.dtype)
        keep_c, keep_h = (self.draw_mask(p, shape, x.dtype, rng) for p in self.p)  # (T, B, H)
        h_t, c_t = h0, c0
        for t in range(len(h)):
            gates[t] += k.matmul_nt(h_t, self.W_h.value)
            gates_forward(gates[t], c_t, c[t])
            np.tanh(c[t], out=tanh[t])
            np.multiply(gates[t][:, 3 * shape[2] :], tanh[t], out=h[t])
            # c = c_new + keep_c*(c_before - c_new), and h in the same way
            c[t] += keep_c[t] * (c_t - c[t])
            h[t] += keep_h[t] * (h_t - h[t])
            h_t, c_t = h[t], c[t]
        return rows(h), (h_t.copy(), c_t.copy()), (x, row_index, gates, c, tanh, h, keep_c, keep_h, h0, c0)

    def backward(self, dh: Array, dstate_T: State, tape: Any) -> tuple[Array, State]:
        x, row_index, gates, c, tanh, h, keep_c, keep_h, h0, c0 = tape
        k, da = kernels.of(x), np.empty_like(gates)
        dh = dh.reshape(h.shape)
        c_before = before(c0, c)
        dh_t, dc_t = (d.copy() for d in dstate_T)  # (B, H) running gradients
        for t in reversed(range(len(h))):
            dh_t += dh[t]
            # c = c_new + keep_c*(c_before - c_new), and h in the same way
            dh_kept, dc_kept = dh_t * keep_h[t], dc_t * keep_c[t]
            dh_new = dh_t - dh_kept
            dc_t -= dc_kept
            # h_new = o*tanh(c_new)
            dc_t += dh_new * gates[t][:, 3 * h.shape[2] :] * (1 - tanh[t] * tanh[t])
            gates_backward(dh_new, dc_t, gates[t], c_before[t], tanh[t], da[t])
            dc_t += dc_kept
            dh_t = k.matmul(da[t], self.W_h.value)
            dh_t += dh_kept
        self.recurrent_gradient(da, before(h0, h))
        return self.input.backward(rows(da), x, row_index), (dh_t, dc_t)

    @staticmethod
    def draw_mask(p: float, shape: tuple[int, ...], dtype: Any, rng: np.random.Generator | None) -> Array:
        """1 where a unit keeps its old value, 0 where it takes the new one; p everywhere without `rng`."""
        if rng is None:
            return np.broadcast_to(np.array(p, dtype), shape)
        return (rng.random(shape, np.float32) < p).astype(dtype)


class NormLSTM(LSTM):
    """Layer normalisation of x @ W_x.T, of h @ W_h.T, and of c inside o*tanh(c) (Ba et al. 2016)."""

    def __init__(self, *sizes: int, dtype: Any, rng: np.random.Generator):
        super().__init__(*sizes, dtype=dtype, rng=rng)
        H = sizes[1]
        self.norm_x, self.norm_h = (Norm(4 * H, dtype=dtype) for _ in "xh")
        self.norm_c, self.b_c = Norm(H, dtype=dtype), Parameter(np.zeros(H, dtype))

    def parameters(self) -> dict[str, Parameter]:
        gains = {"gain_x": self.norm_x.gain, "gain_h": self.norm_h.gain, "gain_c": self.norm_c.gain}
        return super().parameters() | gains | {"b_c": self.b_c}

    def forward(
        self, x: Array, batch_sizes: Array, state: State, *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, State, Any]:
        h0, c0 = state
        k, shape = kernels.of(x), (len(batch_sizes), *h0.shape)
        pre, tape_x = self.norm_x.forward(k.matmul_nt(x, self.input.W.value))  # (U, 4H)
        pre += self.input.b.value
        gates = (pre if row_index is None else k.gather_rows(pre, row_index)).reshape(*shape[:2], -1)  # (T, B, 4H)
        h, c, tanh = np.empty((3, *shape), x.dtype)
        tapes = []
        h_t, c_t = h0, c0
        for t in range(len(h)):
            a, tape_h = self.norm_h.forward(k.matmul_nt(h_t, self.W_h.value))
            gates[t] += a
            gates_forward(gates[t], c_t, c[t])
            n, tape_c = self.norm_c.forward(c[t])
            n += self.b_c.value
            np.tanh(n, out=tanh[t])
            np.multiply(gates[t][:, 3 * shape[2] :], tanh[t], out=h[t])
            tapes.append((tape_h, tape_c))
            h_t, c_t = h[t], c[t]
        return rows(h), (h_t.copy(), c_t.copy()), (x, row_index, gates, c, tanh, h, tape_x, tapes, h0, c0)

    def backward(self, dh: Array, dstate_T: State, tape: Any) -> tuple[Array, State]:
        x, row_index, gates, c, tanh, h, tape_x, tapes, h0, c0 = tape
        k = kernels.of(x)
        da, dp = np.empty((2, *gates.shape), gates.dtype)  # (T, B, 4H) of the gates, and of h @ W_h.T
        dh = dh.reshape(h.shape)
        c_before = before(c0, c)
        dh_t, dc_t = (d.copy() for d in dstate_T)  # (B, H) running gradients
        for t in reversed(range(len(h))):
            tape_h, tape_c = tapes[t]
            dh_t += dh[t]
            # h = o*tanh(norm(c) + b_c)
            dn = dh_t * gates[t][:, 3 * h.shape[2] :] * (1 - tanh[t] * tanh[t])
            self.b_c.add(dn.sum(axis=0))
            dc_t += self.norm_c.backward(dn, tape_c)
            gates_backward(dh_t, dc_t, gates[t], c_before[t], tanh[t], da[t])
            # a = norm(h @ W_h.T) + the input's part
            dp[t] = self.norm_h.backward(da[t], tape_h)
            dh_t = k.matmul(dp[t], self.W_h.value)
        self.recurrent_gradient(dp, before(h0, h))
        dpre = to_table(rows(da), x, row_index)  # (U, 4H)
        self.input.b.add(dpre.sum(axis=0))
        dpre = self.norm_x.backward(dpre, tape_x)
        self.input.W.add(k.matmul_tn(dpre, x))
        return k.matmul(dpre, self.input.W.value), (dh_t, dc_t)


class MultiplicativeLSTM(LSTM):
    """Multiplicative LSTM (Krause et al. 2016): the gates see m = (h @ W_m.T) * (x @ W_xm.T + b_m) instead of h."""

    def __init__(self, *sizes: int, dtype: Any, rng: np.random.Generator):
        super().__init__(*sizes, dtype=dtype, rng=rng)
        D, H = sizes
        self.factor = Projection(D, H, dtype=dtype, rng=rng)
        self.factor.b.value += 1  # so that m is about h @ W_m.T at first
        self.W_m = uniform(H, H, bound=(3 / H) ** 0.5, dtype=dtype, rng=rng)

    def parameters(self) -> dict[str, Parameter]:
        return super().parameters() | {"W_xm": self.factor.W, "b_m": self.factor.b, "W_m": self.W_m}

    def forward(
        self, x: Array, batch_sizes: Array, state: State, *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, State, Any]:
        h0, c0 = state
        k, shape = kernels.of(x), (len(batch_sizes), *h0.shape)
        gates = self.input.forward(x, row_index).reshape(*shape[:2], -1)  # (T, B, 4H)
        factor = self.factor.forward(x, row_index).reshape(shape)
        h, c, tanh, q, m = np.empty((5, *shape), x.dtype)
        h_t, c_t = h0, c0
        for t in range(len(h)):
            q[t] = k.matmul_nt(h_t, self.W_m.value)
            np.multiply(q[t], factor[t], out=m[t])
            gates[t] += k.matmul_nt(m[t], self.W_h.value)
            gates_forward(gates[t], c_t, c[t])
            np.tanh(c[t], out=tanh[t])
            np.multiply(gates[t][:, 3 * shape[2] :], tanh[t], out=h[t])
            h_t, c_t = h[t], c[t]
        return rows(h), (h_t.copy(), c_t.copy()), (x, row_index, gates, factor, c, tanh, h, q, m, h0, c0)

    def backward(self, dh: Array, dstate_T: State, tape: Any) -> tuple[Array, State]:
        x, row_index, gates, factor, c, tanh, h, q, m, h0, c0 = tape
        k, da = kernels.of(x), np.empty_like(gates)
        dm, dq = np.empty((2, *h.shape), h.dtype)
        dh = dh.reshape(h.shape)
        c_before = before(c0, c)
        dh_t, dc_t = (d.copy() for d in dstate_T)  # (B, H) running gradients
        for t in reversed(range(len(h))):
            dh_t += dh[t]
            # h = o*tanh(c)
            dc_t += dh_t * gates[t][:, 3 * h.shape[2] :] * (1 - tanh[t] * tanh[t])
            gates_backward(dh_t, dc_t, gates[t], c_before[t], tanh[t], da[t])
            # a = m @ W_h.T + the input's part, m = (h @ W_m.T) * factor
            dm[t] = k.matmul(da[t], self.W_h.value)
            np.multiply(dm[t], factor[t], out=dq[t])
            dh_t = k.matmul(dq[t], self.W_m.value)
        self.recurrent_gradient(da, m)
        self.W_m.add(k.matmul_tn(rows(dq), rows(before(h0, h))))
        dm *= q
        dx = self.input.backward(rows(da), x, row_index)
        dx += self.factor.backward(rows(dm), x, row_index)
        return dx, (dh_t, dc_t)


def rows(a: Array) -> Array:
    """`(T, B, H)` -> `(N, H)`."""
    return a.reshape(-1, a.shape[2])
