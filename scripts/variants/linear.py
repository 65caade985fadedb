"""Recurrences without a matrix product in the time loop: all matrix products are of the whole window."""

# N tokens (T*B), T steps, B streams, D input, H hidden

from functools import partial
from typing import Any

import numpy as np

from rnnnlp.layers.parameter import Parameter
from variants.building_blocks import Array, Projection, before, sigmoid_, times_slope_of_sigmoid, to_table


class MinGRU:
    """h = (1 - z)*h_before + z*g, where z and g depend on the input only (Feng et al. 2024)."""

    states = 1

    def __init__(self, input_size: int, hidden_size: int, *, dtype: Any, rng: np.random.Generator):
        self.gate = Projection(input_size, hidden_size, dtype=dtype, rng=rng)
        self.gate.b.value -= 1  # remember at first
        self.candidate = Projection(input_size, hidden_size, dtype=dtype, rng=rng)

    def parameters(self) -> dict[str, Parameter]:
        gate, candidate = self.gate, self.candidate
        return {"W_xz": gate.W, "b_z": gate.b, "W_xg": candidate.W, "b_g": candidate.b}

    def forward(
        self, x: Array, batch_sizes: Array, state: tuple[Array, ...], *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, tuple[Array, ...], Any]:
        (h0,) = state
        shape = (len(batch_sizes), *h0.shape)
        z = sigmoid_(self.gate.forward(x, row_index)).reshape(shape)  # (T, B, H)
        a = self.candidate.forward(x, row_index).reshape(shape)  # (T, B, H)
        # g = a + 1/2 where a >= 0, else sigmoid(a)
        s = sigmoid_(np.minimum(a, 0))
        g = np.maximum(a, 0) + s
        h = np.empty_like(z)
        h_t = h0
        for t in range(len(h)):
            # h = h_before + z*(g - h_before)
            np.subtract(g[t], h_t, out=h[t])
            h[t] *= z[t]
            h[t] += h_t
            h_t = h[t]
        return h.reshape(-1, h.shape[2]), (h_t.copy(),), (x, row_index, z, a >= 0, s, g, h, h0)

    def backward(self, dh: Array, dstate_T: tuple[Array, ...], tape: Any) -> tuple[Array, tuple[Array, ...]]:
        x, row_index, z, positive, s, g, h, h0 = tape
        dh = dh.reshape(h.shape).copy()
        keep = 1 - z
        dh_t = dstate_T[0].copy()  # (B, H) running gradient
        for t in reversed(range(len(h))):
            dh[t] += dh_t
            np.multiply(dh[t], keep[t], out=dh_t)
        # h = h_before + z*(g - h_before)
        dz = dh * (g - before(h0, h))
        times_slope_of_sigmoid(dz, z)
        dg = dh * z
        dg *= np.where(positive, 1, s * (1 - s))
        rows = (-1, h.shape[2])
        dx = self.gate.backward(dz.reshape(rows), x, row_index)
        dx += self.candidate.backward(dg.reshape(rows), x, row_index)
        return dx, (dh_t,)


class SRU:
    """c = f*c_before + (1 - f)*u, h = r*c + (1 - r)*x (Lei et al. 2018).

    The gates f and r see the state only through an elementwise product with a vector. A matrix takes x to H features
    where it has another number of them.
    """

    states = 1
    SKIP = 3**0.5  # keeps the variance of the values from layer to layer, where r is 1/2

    def __init__(self, input_size: int, hidden_size: int, *, dtype: Any, rng: np.random.Generator):
        make = partial(Projection, input_size, hidden_size, scale=3**0.5, dtype=dtype, rng=rng)
        self.gates = [make() for _ in "ufr"]
        self.gates[1].b.value += 1  # remember at first
        self.skip = None if input_size == hidden_size else make()
        self.v_f, self.v_r = (Parameter(rng.uniform(-1, 1, hidden_size).astype(dtype)) for _ in range(2))  # (H,)

    def parameters(self) -> dict[str, Parameter]:
        inputs = dict(zip("ufr", self.gates, strict=True)) | ({"s": self.skip} if self.skip else {})
        named = {f"W_x{name}": part.W for name, part in inputs.items()}
        named |= {f"b_{name}": part.b for name, part in inputs.items()}
        return named | {"v_f": self.v_f, "v_r": self.v_r}

    def forward(
        self, x: Array, batch_sizes: Array, state: tuple[Array, ...], *, rng: Any, row_index: Array | None, **_: Any
    ) -> tuple[Array, tuple[Array, ...], Any]:
        (c0,) = state
        shape = (len(batch_sizes), *c0.shape)
        u, f, r = (gate.forward(x, row_index).reshape(shape) for gate in self.gates)  # (T, B, H) each
        if self.skip:
            skip = self.skip.forward(x, row_index).reshape(shape)
        else:
            skip = (x if row_index is None else x[row_index]).reshape(shape)
        c, scratch = np.empty_like(u), np.empty_like(c0)
        c_t = c0
        for t in range(len(c)):
            f[t] += np.multiply(self.v_f.value, c_t, out=scratch)
            r[t] += np.multiply(self.v_r.value, c_t, out=scratch)
            sigmoid_(f[t])
            # c = u + f*(c_before - u)
            np.subtract(c_t, u[t], out=c[t])
            c[t] *= f[t]
            c[t] += u[t]
            c_t = c[t]
        sigmoid_(r)
        h = r * c + (1 - r) * (self.SKIP * skip)
        return h.reshape(-1, h.shape[2]), (c_t.copy(),), (x, row_index, u, f, r, skip, c, c0)

    def backward(self, dh: Array, dstate_T: tuple[Array, ...], tape: Any) -> tuple[Array, tuple[Array, ...]]:
        x, row_index, u, f, r, skip, c, c0 = tape
        dh = dh.reshape(c.shape)
        c_before = before(c0, c)
        # h = r*c + (1 - r)*SKIP*skip
        dr = dh * (c - self.SKIP * skip)
        times_slope_of_sigmoid(dr, r)
        dskip = dh * (1 - r) * self.SKIP
        dc = dh * r
        # c = f*c_before + (1 - f)*u, f = sigmoid(... + v_f*c_before)
        df = np.empty_like(f)
        slope = (c_before - u) * f * (1 - f)
        dc_t, scratch = dstate_T[0].copy(), np.empty_like(c0)  # (B, H)
        for t in reversed(range(len(c))):
            dc[t] += dc_t
            np.multiply(dc[t], slope[t], out=df[t])
            np.multiply(dc[t], f[t], out=dc_t)
            dc_t += np.multiply(df[t], self.v_f.value, out=scratch)
            dc_t += np.multiply(dr[t], self.v_r.value, out=scratch)
        self.v_f.add(np.einsum("tbh,tbh->h", df, c_before))
        self.v_r.add(np.einsum("tbh,tbh->h", dr, c_before))
        rows = (-1, c.shape[2])
        dskip = dskip.reshape(rows)
        dx = self.skip.backward(dskip, x, row_index) if self.skip else to_table(dskip, x, row_index)
        for gate, d in zip(self.gates, (dc * (1 - f), df, dr), strict=True):
            dx += gate.backward(d.reshape(rows), x, row_index)
        return dx, (dc_t,)
