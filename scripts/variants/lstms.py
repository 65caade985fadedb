"""LSTMs with something added: zoneout, layer normalisation, or an input-dependent recurrent matrix."""

# N tokens (T*B), T steps, B streams, D input, H hidden

from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter, uniform
from variants.pieces import Array, Input, Norm, before, sigmoid_, times_slope_of_sigmoid, to_table

State = tuple[Array, ...]


def gates_forward(a: Array, c: Array, c_new: Array) -> None:
    """`a (B, 4H)` to the gates i f g o in place, and c_new = f*c + i*g."""
    i, f, g, o = np.split(a, 4, axis=1)
    for gate in (i, f, o):
        sigmoid_(gate)
    np.tanh(g, out=g)
    np.multiply(i, g, out=c_new)
    c_new += f * c


def gates_backward(dh: Array, dc: Array, gates: Array, c: Array, tanh: Array, da: Array) -> None:
    """Of c_new = f*c + i*g, h = o*tanh: `da (B, 4H)` from the error `dh` of h and that of c_new, `dc`, which becomes
    the error of c. What h says of c_new through the tanh is already in `dc`."""
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
        self.input = Input(input_size, 4 * hidden_size, dtype=dtype, rng=rng)
        self.input.b.value[hidden_size : 2 * hidden_size] += 1  # remember at first
        self.W_h = uniform(4 * hidden_size, hidden_size, bound=hidden_size**-0.5, dtype=dtype, rng=rng)  # (4H, H)

    def parameters(self) -> dict[str, Parameter]:
        return {"W_x": self.input.W, "b": self.input.b, "W_h": self.W_h}

    def recurrent_gradient(self, da: Array, h: Array) -> None:
        """Of a = h W_h^T at all steps: `da (T, B, 4H)`, `h (T, B, H)`."""
        self.W_h.add(kernels.of(da).matmul_tn(rows(da), rows(h)))


class ZoneoutLSTM(LSTM):
    """Each unit of c and h keeps its old value with the given probability at a step (Krueger et al. 2017)."""

    def __init__(self, *sizes: int, c_rate: float, h_rate: float, dtype: Any, rng: np.random.Generator):
        super().__init__(*sizes, dtype=dtype, rng=rng)
        self.rates = c_rate, h_rate

    def forward(
        self, x: Array, batch_sizes: Array, state: State, *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, State, Any]:
        """`x (N, D)`, `state` of `(B, H)` -> `h (N, H)`, the final state, tape. Without `rng` the rates themselves mix
        old and new."""
        h0, c0 = state
        k, shape = kernels.of(x), (len(batch_sizes), *h0.shape)
        gates = self.input.forward(x, row_index).reshape(*shape[:2], -1)  # (T, B, 4H)
        h, c, tanh = np.empty((3, *shape), x.dtype)
        keep_c, keep_h = (self.draw(rate, shape, x.dtype, rng) for rate in self.rates)  # (T, B, H)
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
        dh_t, dc_t = (d.copy() for d in dstate_T)  # (B, H) the running errors
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
    def draw(rate: float, shape: tuple[int, ...], dtype: Any, rng: np.random.Generator | None) -> Array:
        """1 where a unit keeps its old value, 0 where it takes the new."""
        if rng is None:
            return np.broadcast_to(np.array(rate, dtype), shape)
        return (rng.random(shape, np.float32) < rate).astype(dtype)


class NormLSTM(LSTM):
    """The input's and the state's share of the gates, and the cell that is read, are normalised (Ba et al. 2016)."""

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
        """`x (N, D)`, `state` of `(B, H)` -> `h (N, H)`, the final state, tape."""
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
        da, dp = np.empty((2, *gates.shape), gates.dtype)  # (T, B, 4H) of the gates, and of the product in them
        dh = dh.reshape(h.shape)
        c_before = before(c0, c)
        dh_t, dc_t = (d.copy() for d in dstate_T)  # (B, H) the running errors
        for t in reversed(range(len(h))):
            tape_h, tape_c = tapes[t]
            dh_t += dh[t]
            # h = o*tanh(norm(c) + b_c)
            dn = dh_t * gates[t][:, 3 * h.shape[2] :] * (1 - tanh[t] * tanh[t])
            self.b_c.add(dn.sum(axis=0))
            dc_t += self.norm_c.backward(dn, tape_c)
            gates_backward(dh_t, dc_t, gates[t], c_before[t], tanh[t], da[t])
            # a = norm(h W_h^T) + the input's share
            dp[t] = self.norm_h.backward(da[t], tape_h)
            dh_t = k.matmul(dp[t], self.W_h.value)
        self.recurrent_gradient(dp, before(h0, h))
        dpre = to_table(rows(da), x, row_index)  # (U, 4H)
        self.input.b.add(dpre.sum(axis=0))
        dpre = self.norm_x.backward(dpre, tape_x)
        self.input.W.add(k.matmul_tn(dpre, x))
        return k.matmul(dpre, self.input.W.value), (dh_t, dc_t)


class MultiplicativeLSTM(LSTM):
    """The gates see m = (W_m h) * (W_xm x) in place of h: each input has a recurrent matrix of its own (Krause et al.
    2016)."""

    def __init__(self, *sizes: int, dtype: Any, rng: np.random.Generator):
        super().__init__(*sizes, dtype=dtype, rng=rng)
        D, H = sizes
        self.factor = Input(D, H, dtype=dtype, rng=rng)
        self.factor.b.value += 1  # at first about an LSTM with a product of two matrices
        self.W_m = uniform(H, H, bound=(3 / H) ** 0.5, dtype=dtype, rng=rng)

    def parameters(self) -> dict[str, Parameter]:
        return super().parameters() | {"W_xm": self.factor.W, "b_m": self.factor.b, "W_m": self.W_m}

    def forward(
        self, x: Array, batch_sizes: Array, state: State, *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, State, Any]:
        """`x (N, D)`, `state` of `(B, H)` -> `h (N, H)`, the final state, tape."""
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
        dh_t, dc_t = (d.copy() for d in dstate_T)  # (B, H) the running errors
        for t in reversed(range(len(h))):
            dh_t += dh[t]
            # h = o*tanh(c)
            dc_t += dh_t * gates[t][:, 3 * h.shape[2] :] * (1 - tanh[t] * tanh[t])
            gates_backward(dh_t, dc_t, gates[t], c_before[t], tanh[t], da[t])
            # a = m W_h^T + the input's share, m = (h W_m^T) * factor
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
