"""The checks that every recurrent kernel and layer must pass, for any cell.

`check_kernel` and `check_recurrent` prove an implementation that they are given. Its values are compared with the steps
of the definition, one sequence and one step at a time, without packing. Its gradients are compared with central
differences in float64.
"""

# N tokens, T steps, B sequences, D input, H hidden, G gates, L layers, R directions

from functools import partial

import numpy as np

from rnnnlp.batches.packed import batch_sizes_of, pack, unpack
from rnnnlp.kernels import CELLS
from rnnnlp.kernels import numpy as numpy_backend
from rnnnlp.kernels.numpy import time_loop
from tests.gradients import check_gradients, pairs, randomize, read_only

RAGGED = {1: [1, 1, 1], 2: [2, 2, 1], 5: [5, 3, 3, 1]}  # T -> lengths
EVEN = {1: [1, 1], 2: [2, 2], 5: [5, 5]}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def plain_recurrence(cell, pre, batch_sizes, state, W_h, extra, *, reverse):
    """What `forward` of a kernel must give: `h (N, H)` and the final states `(B, H)`. `cell` is a `Cell`."""
    outputs, ends = [], []
    for b, a in enumerate(unpack(pre, batch_sizes)):  # (length, G*H)
        running = tuple(s[b : b + 1] for s in state)  # (1, H) each
        out = np.empty((len(a), state[0].shape[1]))
        for t in reversed(range(len(a))) if reverse else range(len(a)):
            running, _ = cell.step(a[t : t + 1], running, W_h, extra)
            out[t] = running[0]
        outputs.append(out)
        ends.append(running)
    return pack(outputs).values, tuple(np.concatenate(s) for s in zip(*ends, strict=True))


def draw_states(cell, shape, rng):
    """Random states of the cell of that name."""
    return tuple(rng.normal(size=shape) for _ in CELLS[cell].states)


class Inputs:
    """Random arguments of one forward and backward pass of a `Cell`, biases and initial states included."""

    def __init__(self, cell, lengths, *, H, rng):
        self.batch_sizes = batch_sizes_of(np.array(lengths))
        N, B, G = sum(lengths), len(lengths), len(cell.gates)
        self.pre, self.W_h = rng.normal(size=(N, G * H)), rng.normal(size=(G * H, H))
        self.extra = tuple(rng.normal(size=shape) for shape in cell.extra_shapes(H))
        self.state, self.dstate_T = (tuple(rng.normal(size=(B, H)) for _ in cell.states) for _ in range(2))
        self.dh = rng.normal(size=(N, H))

    def arguments(self):
        """Those of `forward`, read-only."""
        state, extra = (tuple(map(read_only, arrays)) for arrays in (self.state, self.extra))
        return read_only(self.pre), read_only(self.batch_sizes), state, read_only(self.W_h), extra


def inner(arrays, weights):
    """A loss that depends on every entry of `arrays`."""
    return sum(float(np.sum(array * weight)) for array, weight in zip(arrays, weights, strict=True))


def numpy_kernel(name):
    """The NumPy backend's forward and backward of the cell of that name."""
    return partial(numpy_backend.forward, name), numpy_backend.backward


def loop_kernel(cell, loop=time_loop):
    """The time loop over the definition of a `Cell`."""
    return partial(loop.forward, cell), loop.backward


def check_kernel(kernel, cell, lengths, *, reverse, H=3, seed=0):
    """`kernel` is forward and backward of a `Cell`, here in float64 on sequences of `lengths` (longest first)."""
    forward, backward = kernel
    inputs = Inputs(cell, lengths, H=H, rng=np.random.default_rng(seed))

    def loss():
        h, state_T, _ = forward(*inputs.arguments(), reverse=reverse)
        return inner([h, *state_T], [inputs.dh, *inputs.dstate_T])

    h, state_T, tape = forward(*inputs.arguments(), reverse=reverse)
    expected_h, expected_state_T = plain_recurrence(cell, *inputs.arguments(), reverse=reverse)
    names = ("h", *(f"{s}_T" for s in cell.states))
    for name, array, expected in zip(names, (h, *state_T), (expected_h, *expected_state_T), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-12, err_msg=name)
    dpre, dstate, dW_h, dextra = backward(read_only(inputs.dh), tuple(map(read_only, inputs.dstate_T)), tape)
    gradients = {"pre": (inputs.pre, dpre), "W_h": (inputs.W_h, dW_h)}
    gradients |= {f"{s}0": pair for s, *pair in zip(cell.states, inputs.state, dstate, strict=True)}
    gradients |= {e.name: pair for e, *pair in zip(cell.extra, inputs.extra, dextra, strict=True)}
    check_gradients(loss, gradients)


def plain_stack(cell, parameters, x, batch_sizes, state, *, num_layers, bidirectional):
    """What a recurrent stack without dropout must give, from its parameters by name."""
    spec = CELLS[cell]
    ends: list[tuple] = []
    for k in range(num_layers):
        outputs = []
        for way in ("forward", "reverse") if bidirectional else ("forward",):
            own = {name.split(".")[-1]: p.value for name, p in parameters.items() if name.startswith(f"{k}.{way}.")}
            W_x, W_h, b_x, b_h = (own[name] for name in ("W_x", "W_h", "b_x", "b_h"))
            gates = dict(zip(spec.gates, np.split(b_h, len(spec.gates)), strict=True))  # hidden biases (H,)
            extra = tuple(gates[e.hidden_bias_of] if e.hidden_bias_of else own[e.name] for e in spec.extra)
            inside = {e.hidden_bias_of for e in spec.extra}
            outside = np.concatenate([0 * b if gate in inside else b for gate, b in gates.items()])
            pre = x @ W_x.T + b_x + outside
            initial = tuple(s[len(ends)] for s in state)
            h, end = plain_recurrence(spec, pre, batch_sizes, initial, W_h, extra, reverse=way == "reverse")
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
    gradients |= {f"{s}0": pair for s, *pair in zip(CELLS[cell].states, state, dstate, strict=True)}
    check_gradients(loss, gradients)
