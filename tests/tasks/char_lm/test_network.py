"""The character language model: its loss to every parameter, and its state from window to window."""

import numpy as np
import pytest

from rnnnlp.kernels import CELLS
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from tests.gradients import check_gradients, pairs, randomize
from tests.recurrences import EVEN, RAGGED, draw_states

V, H = 5, 3
cells = pytest.mark.parametrize("cell", CELLS)


def make(cell, *, num_layers=1, tied=False, dropout=0.0, variational=False, dtype=np.float64):
    config = CharLMConfig(
        vocab_size=V,
        cell=cell,
        embedding_size=H if tied else 2,
        hidden_size=H,
        num_layers=num_layers,
        dropout=dropout,
        variational=variational,
        tied_weights=tied,
    )
    model = CharLMNetwork(config, rng=np.random.default_rng(0), dtype=dtype)
    randomize(model.parameters(), np.random.default_rng(1))
    return model


def window(T, B=2, seed=0):
    """Inputs and targets `(T*B,)` and the batch sizes."""
    rng = np.random.default_rng(seed)
    return rng.integers(V, size=T * B), rng.integers(V, size=T * B), np.full(T, B)


def check_model(model, inputs, targets, batch_sizes, **options):
    """The gradient of the mean loss with respect to every entry of every parameter."""
    B, L = int(batch_sizes[0]), model.config.num_layers
    state = draw_states(model.config.cell, (L, B, H), np.random.default_rng(2))

    def loss():
        logits, _, _ = model.forward(inputs, batch_sizes, state, rng=np.random.default_rng(3))
        loss_sum, count, _ = softmax_cross_entropy(logits, targets, **options)
        return loss_sum / count

    model.zero_grad()
    loss_sum, count, _ = model.gradients(inputs, targets, batch_sizes, state, rng=np.random.default_rng(3), **options)
    assert loss_sum / count == loss()
    check_gradients(loss, pairs(model.parameters()))


@cells
@pytest.mark.parametrize("T", EVEN)
@pytest.mark.parametrize("tied", [False, True], ids=["own", "tied"])
def test_gradient_of_the_loss(cell, tied, T):
    check_model(make(cell, tied=tied), *window(T))


@cells
@pytest.mark.parametrize("variational", [False, True])
def test_gradient_of_the_loss_with_layers_dropout_and_smoothing(cell, variational):
    model = make(cell, num_layers=2, tied=variational, dropout=0.3, variational=variational)
    check_model(model, *window(3), label_smoothing=0.1)


@cells
def test_gradient_of_the_loss_on_a_ragged_batch(cell):
    rng = np.random.default_rng(0)
    N = sum(RAGGED[5])
    check_model(make(cell), rng.integers(V, size=N), rng.integers(V, size=N), np.array([4, 3, 3, 1, 1]))


@cells
def test_loss_of_windows_with_carried_state_is_that_of_the_whole(cell):
    model = make(cell, num_layers=2)
    inputs, targets, batch_sizes = window(7)
    whole, count, end = model.loss(inputs, targets, batch_sizes, model.zero_state(2))
    assert count == 14
    total, state = 0.0, model.zero_state(2)
    for steps in (slice(0, 3), slice(3, 6), slice(6, 7)):
        rows = slice(2 * steps.start, 2 * steps.stop)
        loss_sum, _, state = model.loss(inputs[rows], targets[rows], batch_sizes[steps], state)
        total += loss_sum
    assert total == pytest.approx(whole, rel=1e-12)
    for array, expected in zip(state, end, strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-12)


def test_loss_and_gradients_agree_and_gradients_add_up():
    model = make("lstm")
    batch = window(4)
    state = model.zero_state(2)
    assert model.loss(*batch, state)[:2] == model.gradients(*batch, state)[:2]
    once = {name: p.grad.copy() for name, p in model.parameters().items()}
    model.gradients(*batch, state)
    for name, p in model.parameters().items():
        np.testing.assert_allclose(p.grad, 2 * once[name], rtol=1e-12)
    model.zero_grad()
    assert not any(p.grad.any() for p in model.parameters().values())


@cells
def test_float32_stays_float32(cell):
    model = make(cell, num_layers=2, dropout=0.2, dtype=np.float32)
    *_, state = model.gradients(*window(3), model.zero_state(2), rng=np.random.default_rng(0), label_smoothing=0.1)
    arrays = [*state, *(p.grad for p in model.parameters().values())]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_tied_weights_are_one_parameter():
    model = make("gru", tied=True)
    assert model.head.weight is model.embedding.weight
    assert "head.weight" not in model.parameters()


@pytest.mark.parametrize("variational", [False, True])
def test_every_layer_drops_what_the_configuration_says(variational):
    config = CharLMConfig(V, num_layers=2, dropout=0.3, weight_drop=0.2, variational=variational)
    model = CharLMNetwork(config, rng=np.random.default_rng(0))
    for dropout in (model.recurrent.dropout, model.dropout):
        assert (dropout.p, dropout.variational) == (0.3, variational)
    assert [direction.weight_drop.p for (direction,) in model.recurrent.layers] == [0.2, 0.2]


def test_dropout_draws_nothing_without_a_generator():
    model = make("gru", num_layers=2, dropout=0.5)
    batch, state = window(4), model.zero_state(2)
    assert model.gradients(*batch, state)[0] == model.loss(*batch, state)[0]
    rng = np.random.default_rng(0)
    assert model.gradients(*batch, state, rng=rng)[0] != model.gradients(*batch, state, rng=rng)[0]
