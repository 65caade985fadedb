"""The recurrences once more, as slow and plain as can be, and the checks that kernels and layers must pass.

`check_kernel` and `check_recurrent` prove an implementation that they are given: first its values against the plain
recurrence, one sequence and one step at a time, then its gradients against central differences.
"""

# N tokens, T steps, B sequences, D input, H hidden, G gates, L layers, R directions

import numpy as np

from rnnnlp.batches.packed import batch_sizes_of, pack, unpack
from rnnnlp.kernels import CELLS
from tests.gradients import check_gradients, pairs, randomize, read_only

RAGGED = {1: [1, 1, 1], 2: [2, 2, 1], 5: [5, 3, 3, 1]}  # T -> lengths
EVEN = {1: [1, 1], 2: [2, 2], 5: [5, 5]}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def step(cell, a, h, c, W_h, b_hn):
    """One step of one sequence: `a (G*H,)`, `h (H,)`, `c (H,)` -> the next h and c."""
    H = len(h)
    if cell == "elman_tanh":
        return np.tanh(a + W_h @ h), None
    if cell == "elman_relu":
        return np.maximum(a + W_h @ h, 0), None
    if cell == "gru":
        p = W_h @ h
        r, z = sigmoid(a[:H] + p[:H]), sigmoid(a[H : 2 * H] + p[H : 2 * H])
        n = np.tanh(a[2 * H :] + r * (p[2 * H :] + b_hn))
        return (1 - z) * n + z * h, None
    if cell == "gru_reset_first":
        r, z = sigmoid(a[:H] + W_h[:H] @ h), sigmoid(a[H : 2 * H] + W_h[H : 2 * H] @ h)
        n = np.tanh(a[2 * H :] + W_h[2 * H :] @ (r * h))
        return (1 - z) * n + z * h, None
    a = a + W_h @ h
    i, f, g, o = sigmoid(a[:H]), sigmoid(a[H : 2 * H]), np.tanh(a[2 * H : 3 * H]), sigmoid(a[3 * H :])
    c = f * c + i * g
    return o * np.tanh(c), c


def plain_recurrence(cell, pre, batch_sizes, state, W_h, b_hn, *, reverse):
    """What `forward` of a kernel must give: `h (N, H)` and the final states `(B, H)`."""
    outputs, ends = [], []
    for b, a in enumerate(unpack(pre, batch_sizes)):  # (length, G*H)
        h, c = state[0][b], state[-1][b]
        out = np.empty((len(a), len(h)))
        for t in reversed(range(len(a))) if reverse else range(len(a)):
            h, c = step(cell, a[t], h, c, W_h, b_hn)
            out[t] = h
        outputs.append(out)
        ends.append((h, c)[: len(state)])
    return pack(outputs).values, tuple(np.stack(s) for s in zip(*ends, strict=True))


def draw_states(cell, shape, rng):
    return tuple(rng.normal(size=shape) for _ in range(2 if cell == "lstm" else 1))


def inner(arrays, weights):
    """A loss that depends on every entry of `arrays`."""
    return sum(float(np.sum(array * weight)) for array, weight in zip(arrays, weights, strict=True))


def check_kernel(kernel, cell, lengths, *, reverse, H=3, seed=0):
    """`kernel.forward` and `kernel.backward` in float64, on sequences of these `lengths` (longest first)."""
    rng = np.random.default_rng(seed)
    batch_sizes = batch_sizes_of(np.array(lengths))
    N, B, G = sum(lengths), len(lengths), CELLS[cell]
    pre, W_h = rng.normal(size=(N, G * H)), rng.normal(size=(G * H, H))
    b_hn = rng.normal(size=H) if cell == "gru" else None
    state = draw_states(cell, (B, H), rng)
    dh, dstate_T = rng.normal(size=(N, H)), draw_states(cell, (B, H), rng)

    def forward():
        b = None if b_hn is None else read_only(b_hn)
        states = tuple(read_only(s) for s in state)
        return kernel.forward(cell, read_only(pre), read_only(batch_sizes), states, read_only(W_h), b, reverse=reverse)

    def loss():
        h, state_T, _ = forward()
        return inner([h, *state_T], [dh, *dstate_T])

    h, state_T, tape = forward()
    expected_h, expected_state_T = plain_recurrence(cell, pre, batch_sizes, state, W_h, b_hn, reverse=reverse)
    for name, array, expected in zip(("h", "h_T", "c_T"), (h, *state_T), (expected_h, *expected_state_T), strict=False):
        np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-12, err_msg=name)
    dpre, dstate, dW_h, db_hn = kernel.backward(read_only(dh), tuple(read_only(d) for d in dstate_T), tape)
    gradients = {"pre": (pre, dpre), "W_h": (W_h, dW_h)}
    gradients |= {f"{s}0": pair for s, pair in zip("hc", zip(state, dstate, strict=True), strict=False)}
    if b_hn is None:
        assert db_hn is None
    else:
        gradients["b_hn"] = (b_hn, db_hn)
    check_gradients(loss, gradients)


def plain_stack(cell, parameters, x, batch_sizes, state, *, num_layers, bidirectional):
    """What a recurrent stack without dropout must give, from its parameters by name."""
    ends: list[tuple] = []
    for k in range(num_layers):
        outputs = []
        for way in ("forward", "reverse") if bidirectional else ("forward",):
            W_x, W_h, b_x, b_h = (parameters[f"{k}.{way}.{name}"].value for name in ("W_x", "W_h", "b_x", "b_h"))
            H = W_h.shape[1]
            inside = np.arange(len(b_h)) >= 2 * H if cell == "gru" else np.zeros(len(b_h), bool)
            pre = x @ W_x.T + b_x + np.where(inside, 0, b_h)
            initial = tuple(s[len(ends)] for s in state)
            h, end = plain_recurrence(cell, pre, batch_sizes, initial, W_h, b_h[2 * H :], reverse=way == "reverse")
            outputs.append(h)
            ends.append(end)
        x = np.concatenate(outputs, axis=1)
    return x, tuple(np.stack(s) for s in zip(*ends, strict=True))


def check_recurrent(Recurrent, cell, lengths, *, num_layers=1, bidirectional=True, seed=0, **dropout):
    """A class with the interface of `layers.recurrent.Recurrent`, in float64; `dropout` are its options."""
    rng = np.random.default_rng(seed)
    D, H, R = 2, 3, 2 if bidirectional else 1
    batch_sizes = batch_sizes_of(np.array(lengths))
    N, B = sum(lengths), len(lengths)
    layer = Recurrent(
        cell, D, H, num_layers=num_layers, bidirectional=bidirectional, dtype=np.float64, rng=rng, **dropout
    )
    randomize(layer.parameters(), rng)
    x, state = rng.normal(size=(N, D)), draw_states(cell, (num_layers * R, B, H), rng)
    dy, dstate_T = rng.normal(size=(N, R * H)), draw_states(cell, (num_layers * R, B, H), rng)

    def forward():
        masks = np.random.default_rng(seed) if dropout else None  # the same masks each time
        return layer.forward(read_only(x), batch_sizes, tuple(read_only(s) for s in state), rng=masks)

    def loss():
        y, state_T, _ = forward()
        return inner([y, *state_T], [dy, *dstate_T])

    y, state_T, tape = forward()
    if not dropout:
        plain = {"num_layers": num_layers, "bidirectional": bidirectional}
        expected_y, expected_state_T = plain_stack(cell, layer.parameters(), x, batch_sizes, state, **plain)
        for array, expected in zip((y, *state_T), (expected_y, *expected_state_T), strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-12)
    dx, dstate = layer.backward(read_only(dy), tuple(read_only(d) for d in dstate_T), tape)
    gradients = {"x": (x, dx)} | pairs(layer.parameters())
    gradients |= {f"{s}0": pair for s, pair in zip("hc", zip(state, dstate, strict=True), strict=False)}
    check_gradients(loss, gradients)
