"""The stack of recurrent layers: values against the plain recurrence, gradients against central differences."""

import numpy as np
import pytest

from rnnnlp.kernels import CELLS
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.recurrent import Recurrent
from tests.recurrences import RAGGED, check_recurrent, draw_states

cells = pytest.mark.parametrize("cell", CELLS)


@cells
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_values_and_gradients(cell, num_layers, bidirectional, T):
    check_recurrent(Recurrent, cell, RAGGED[T], num_layers=num_layers, bidirectional=bidirectional)


@cells
@pytest.mark.parametrize("variational", [False, True])
def test_gradients_with_dropout_between_the_layers(cell, variational):
    check_recurrent(Recurrent, cell, RAGGED[5], num_layers=2, dropout=0.3, variational=variational)


@pytest.mark.parametrize("variational", [False, True])
def test_values_with_dropout_between_the_layers(variational):
    rng = np.random.default_rng(0)
    layer = Recurrent("gru", 2, 6, num_layers=2, dropout=0.5, variational=variational, dtype=np.float64, rng=rng)
    x, batch_sizes, state = rng.normal(size=(9, 2)), np.array([3, 3, 2, 1]), draw_states("gru", (2, 3, 6), rng)
    (lower,), (upper,) = layer.layers

    def forward(rng):
        return layer.forward(x, batch_sizes, state, rng=rng)[0]

    rng = np.random.default_rng(1)
    h, _, _ = lower.forward(x, batch_sizes, (state[0][0],), rng=None)
    h, _ = Dropout(0.5, variational=variational).forward(h, batch_sizes, rng=rng)
    expected, _, _ = upper.forward(h, batch_sizes, (state[0][1],), rng=None)
    np.testing.assert_allclose(forward(np.random.default_rng(1)), expected, rtol=1e-12)
    assert not np.allclose(forward(np.random.default_rng(2)), expected)
    assert not np.allclose(forward(None), expected)


@cells
def test_gradients_with_dropped_weights(cell):
    check_recurrent(Recurrent, cell, RAGGED[5], num_layers=2, bidirectional=True, weight_drop=0.4)


def test_weights_are_dropped_in_training_only():
    rng = np.random.default_rng(0)
    layer = Recurrent("lstm", 2, 40, weight_drop=0.5, dtype=np.float64, rng=rng)
    x, one = rng.normal(size=(4, 2)), np.array([2, 2])

    def y(rng):
        return layer.forward(x, one, layer.zero_state(2, np.dtype(float)), rng=rng)[0]

    W_h = layer.parameters()["0.forward.W_h"].value.copy()
    first, second = y(np.random.default_rng(1)), y(np.random.default_rng(2))
    assert np.array_equal(first[:2], y(None)[:2])  # from the zero state nothing comes through W_h
    assert not np.allclose(first[2:], y(None)[2:])
    assert not np.allclose(first[2:], second[2:])
    assert np.array_equal(layer.parameters()["0.forward.W_h"].value, W_h)


@cells
def test_float32_stays_float32_and_backward_takes_no_state(cell):
    rng = np.random.default_rng(0)
    layer = Recurrent(cell, 2, 3, num_layers=2, bidirectional=True, dtype=np.float32, rng=rng)
    x = rng.normal(size=(3, 2)).astype(np.float32)
    y, state, tape = layer.forward(x, np.array([2, 1]), layer.zero_state(2, np.float32), rng=None)
    dx, dstate = layer.backward(y, None, tape)
    gradients = [p.grad for p in layer.parameters().values()]
    assert {array.dtype for array in (y, *state, dx, *dstate, *gradients)} == {np.dtype(np.float32)}
    assert [s.shape for s in state] == [s.shape for s in dstate] == [(4, 2, 3)] * len(CELLS[cell].states)


def test_names_of_the_parameters():
    layer = Recurrent("gru", 2, 3, num_layers=2, bidirectional=True, dtype=np.float32, rng=np.random.default_rng(0))
    shapes = {name: p.value.shape for name, p in layer.parameters().items()}
    assert shapes == {
        f"{k}.{way}.{name}": shape
        for k in (0, 1)
        for way in ("forward", "reverse")
        for name, shape in {"W_x": (9, (2, 6)[k]), "W_h": (9, 3), "b_x": (9,), "b_h": (9,)}.items()
    }


def test_an_lstm_remembers_at_first():
    layer = Recurrent("lstm", 2, 50, dtype=np.float32, rng=np.random.default_rng(0))
    i, f, g, o = np.split(layer.parameters()["0.forward.b_x"].value, 4)
    assert abs(f.mean() - 1) < 0.1
    assert max(abs(b.mean()) for b in (i, g, o)) < 0.1
