"""The definition of each cell: gradients against central differences, values against the papers' formulas by hand."""

# B sequences, H hidden

import numpy as np
import pytest

from rnnnlp.kernels import CELLS, definition
from tests.recurrences import EVEN, RAGGED, Inputs, check_kernel, loop_kernel, sigmoid

cells = pytest.mark.parametrize("cell", CELLS)


@cells
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("lengths", [RAGGED, EVEN], ids=["ragged", "even"])
def test_gradients(cell, lengths, T, reverse):
    check_kernel(loop_kernel(CELLS[cell]), CELLS[cell], lengths[T], reverse=reverse)


def lstm(a, U, h, c):
    i, f, o = (sigmoid(a[k] + U[k] @ h) for k in (0, 1, 3))
    new_c = f * c + i * np.tanh(a[2] + U[2] @ h)
    return o * np.tanh(new_c), new_c


def lstm_rms_norm(a, U, h, c):
    _, new_c = lstm(a, U, h, c)
    return sigmoid(a[3] + U[3] @ h) * np.tanh(new_c / np.sqrt(np.mean(new_c**2) + 1e-5)), new_c


def gru(a, U, h, b_hn):
    r, z = sigmoid(a[0] + U[0] @ h), sigmoid(a[1] + U[1] @ h)
    return ((1 - z) * np.tanh(a[2] + r * (U[2] @ h + b_hn)) + z * h,)


def gru_reset_first(a, U, h):
    r, z = sigmoid(a[0] + U[0] @ h), sigmoid(a[1] + U[1] @ h)
    return ((1 - z) * np.tanh(a[2] + U[2] @ (r * h)) + z * h,)


PAPERS = {  # of one sequence: the gates' inputs, the blocks of W_h, the states before, the extra parameters
    "lstm": lstm,
    "lstm_rms_norm": lstm_rms_norm,
    "gru": gru,
    "gru_reset_first": gru_reset_first,
    "elman_tanh": lambda a, U, h: (np.tanh(a[0] + U[0] @ h),),
    "elman_relu": lambda a, U, h: (np.where(a[0] + U[0] @ h > 0, a[0] + U[0] @ h, 0),),
}


@cells
def test_values_are_those_of_the_papers(cell):
    assert cell in PAPERS, f"PAPERS has no equations of {cell}; add those of its paper, for one sequence"
    spec = CELLS[cell]
    inputs = Inputs(spec, [1, 1, 1], H=4, rng=np.random.default_rng(0))
    states, _ = spec.step(inputs.pre, inputs.state, inputs.W_h, inputs.extra)
    U = np.split(inputs.W_h, len(spec.gates))
    for b in range(3):
        a = np.split(inputs.pre[b], len(spec.gates))
        expected = PAPERS[cell](a, U, *(state[b] for state in inputs.state), *inputs.extra)
        for state, of_paper in zip(states, expected, strict=True):
            np.testing.assert_allclose(state[b], of_paper, rtol=1e-12, atol=1e-12)


def test_sigmoid_does_not_overflow():
    a = np.array([-1e30, -2, 0, 2, 1e30], np.float32)
    np.testing.assert_allclose(definition.sigmoid(a), [0, sigmoid(-2), 0.5, sigmoid(2), 1], rtol=1e-6)
