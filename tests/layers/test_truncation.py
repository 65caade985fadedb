"""Truncated backpropagation: the state runs through, the gradient is cut every `bptt` steps."""

import numpy as np
import pytest

from rnnnlp.batches.packed import batch_sizes_of, pack, unpack
from rnnnlp.kernels import CELLS
from rnnnlp.layers.recurrent import Recurrent
from tests.gradients import randomize, read_only
from tests.recurrences import draw_states

LENGTHS = [5, 4, 3, 2, 1]
BATCH_SIZES = batch_sizes_of(np.array(LENGTHS))
N, B, D, H = sum(LENGTHS), len(LENGTHS), 2, 3
cells = pytest.mark.parametrize("cell", CELLS)


def make(cell, rng, **options):
    layer = Recurrent(cell, D, H, dtype=np.float64, rng=rng, **options)
    randomize(layer.parameters(), rng)
    return layer


def run(layer, x, batch_sizes, state, dy, dstate_T, bptt=None):
    """Forward and backward: the values, and the gradients of the input, the state and the parameters."""
    for p in layer.parameters().values():
        p.zero_grad()
    y, state_T, tape = layer.forward(read_only(x), batch_sizes, tuple(map(read_only, state)), rng=None, bptt=bptt)
    dx, dstate = layer.backward(read_only(dy), tuple(map(read_only, dstate_T)), tape)
    return y, state_T, dx, dstate, {name: p.grad.copy() for name, p in layer.parameters().items()}


def window_by_window(layer, reverse, x, state, dy, dstate_T, bptt):
    """What truncation means, written out: one sequence at a time, each window a computation of its own.

    Only the values of the state go from one window to the next. The gradient of the final state enters the window that
    runs last; that of the initial state leaves the one that runs first.
    """
    dxs, dstates, total = [], [], None
    for b, (x_b, dy_b) in enumerate(zip(unpack(x, BATCH_SIZES), unpack(dy, BATCH_SIZES), strict=True)):
        windows = [slice(t, min(t + bptt, len(x_b))) for t in range(0, len(x_b), bptt)]
        dx = np.empty_like(x_b)
        running = tuple(s[:, b : b + 1] for s in state)
        for k, window in enumerate(windows[::-1] if reverse else windows):
            ends = tuple(d[:, b : b + 1] if k == len(windows) - 1 else 0 * d[:, :1] for d in dstate_T)
            ones = np.ones(window.stop - window.start, np.int64)
            _, running, dx[window], dstate, gradients = run(layer, x_b[window], ones, running, dy_b[window], ends)
            if k == 0:
                dstates.append(dstate)
            total = gradients if total is None else {name: total[name] + gradients[name] for name in total}
        dxs.append(dx)
    return pack(dxs).values, tuple(np.concatenate(s, axis=1) for s in zip(*dstates, strict=True)), total


@cells
@pytest.mark.parametrize("bptt", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_gradients_are_those_of_separate_windows(cell, reverse, bptt):
    rng = np.random.default_rng(0)
    layer = make(cell, rng, bidirectional=reverse)
    if reverse:  # the second direction alone
        layer.layers[0].pop(0)
        layer.output_size = H
    x, state = rng.normal(size=(N, D)), draw_states(cell, (1, B, H), rng)
    dy, dstate_T = rng.normal(size=(N, H)), draw_states(cell, (1, B, H), rng)
    expected_dx, expected_dstate, expected = window_by_window(layer, reverse, x, state, dy, dstate_T, bptt)
    _, _, dx, dstate, gradients = run(layer, x, BATCH_SIZES, state, dy, dstate_T, bptt=bptt)
    np.testing.assert_allclose(dx, expected_dx, rtol=1e-10, atol=1e-12)
    for array, other in zip(dstate, expected_dstate, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-10, atol=1e-12)
    for name in expected:
        np.testing.assert_allclose(gradients[name], expected[name], rtol=1e-10, atol=1e-12, err_msg=name)


@cells
def test_values_are_those_without_truncation_and_gradients_are_not(cell):
    rng = np.random.default_rng(0)
    layer = make(cell, rng, num_layers=2, bidirectional=True)
    x, state = rng.normal(size=(N, D)), draw_states(cell, (4, B, H), rng)
    dy, dstate_T = rng.normal(size=(N, 2 * H)), draw_states(cell, (4, B, H), rng)
    y, state_T, dx, _, whole = run(layer, x, BATCH_SIZES, state, dy, dstate_T)
    for bptt in (1, 2, 3, 4):
        cut_y, cut_state_T, cut_dx, _, cut = run(layer, x, BATCH_SIZES, state, dy, dstate_T, bptt=bptt)
        np.testing.assert_allclose(cut_y, y, rtol=1e-12, atol=1e-14)
        for array, expected in zip(cut_state_T, state_T, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-14)
        assert not np.allclose(cut_dx, dx)
        assert not np.allclose(cut["0.forward.W_h"], whole["0.forward.W_h"])
    for bptt in (5, 6):
        _, _, long_dx, _, long = run(layer, x, BATCH_SIZES, state, dy, dstate_T, bptt=bptt)
        np.testing.assert_allclose(long_dx, dx, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(long["1.reverse.W_h"], whole["1.reverse.W_h"], rtol=1e-12, atol=1e-14)
