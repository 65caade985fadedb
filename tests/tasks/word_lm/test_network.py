"""Language models in both directions: their loss to every parameter, and what they share."""

import numpy as np
import pytest

from rnnnlp.batches.streams import StreamWindow
from rnnnlp.kernels import CELLS
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.sampled_softmax import Sampler
from rnnnlp.tasks.language_modelling import language_model_loss
from rnnnlp.tasks.word_lm.config import WordLMConfig
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from tests.gradients import check_gradients, pairs, randomize
from tests.recurrences import draw_states

V, D, H, B = 6, 2, 3, 2
SAMPLER = Sampler(np.array([30, 20, 10, 5, 2, 1]), 2)
cells = pytest.mark.parametrize("cell", CELLS)


def make(cell="lstm", *, num_layers=1, dropout=0.0, dtype=np.float64):
    config = WordLMConfig(V, cell, D, H, num_layers, dropout)
    model = WordLMNetwork(config, rng=np.random.default_rng(0), dtype=dtype)
    randomize(model.parameters(), np.random.default_rng(1))
    return model


def windows(T=3):
    """One of T steps for each direction."""
    rng = np.random.default_rng(0)
    return [
        StreamWindow(rng.integers(V, size=T * B), rng.integers(V, size=T * B), np.full(T, B), np.zeros(B, bool))
        for _ in range(2)
    ]


def states_of(model):
    rng = np.random.default_rng(2)
    return [draw_states(model.config.cell, (model.config.num_layers, B, H), rng) for _ in model.directions]


def mean_loss(model, states, T):
    """Written out: each direction's window among the candidates that `gradients` draws."""
    rng = np.random.default_rng(3)
    total = 0.0
    for direction, window, state in zip(model.directions.values(), windows(T), states, strict=True):
        y, _, _ = direction.forward(window.inputs, window.batch_sizes, state, rng=rng)
        candidates = SAMPLER.draw(window.targets, rng=rng)
        logits = y @ model.embedding.weight.value.T + model.output.bias.value
        logits = logits[:, candidates.ids] - candidates.log_chance
        total += softmax_cross_entropy(logits, candidates.targets)[0]
    return total / (2 * T * B)


@cells
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize(("num_layers", "dropout"), [(1, 0.0), (2, 0.3)])
def test_gradient_of_the_loss(cell, num_layers, dropout, T):
    model = make(cell, num_layers=num_layers, dropout=dropout)
    states = states_of(model)
    loss_sum, count, _ = model.gradients(windows(T), states, SAMPLER, rng=np.random.default_rng(3))
    assert loss_sum / count == pytest.approx(mean_loss(model, states, T), rel=1e-12)
    check_gradients(lambda: mean_loss(model, states, T), pairs(model.parameters()))


def test_every_layer_drops_what_the_configuration_says():
    for direction in make(num_layers=2, dropout=0.3).directions.values():
        assert direction.recurrent.dropout.p == direction.dropout.p == 0.3


def test_neither_direction_knows_the_other():
    model = make()
    ids = np.random.default_rng(0).integers(V, size=20)
    before = [language_model_loss(direction, ids)[0] for direction in model.directions.values()]
    for name, parameter in model.parameters().items():
        if name.startswith("reverse."):
            parameter.value += 1
    after = [language_model_loss(direction, ids)[0] for direction in model.directions.values()]
    assert after[0] == before[0]
    assert after[1] != before[1]


@cells
def test_loss_of_windows_with_carried_state_is_that_of_the_whole(cell):
    direction = make(cell, num_layers=2).directions["reverse"]
    window = windows()[0]
    whole, count, end = direction.loss(window.inputs, window.targets, window.batch_sizes, direction.zero_state(B))
    assert count == len(window.targets)
    total, state = 0.0, direction.zero_state(B)
    for t in range(len(window.batch_sizes)):
        rows = slice(B * t, B * t + B)
        loss_sum, _, state = direction.loss(window.inputs[rows], window.targets[rows], np.array([B]), state)
        total += loss_sum
    assert total == pytest.approx(whole, rel=1e-12)
    for array, expected in zip(state, end, strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-12)


@cells
def test_float32_stays_float32(cell):
    model = make(cell, dropout=0.2, dtype=np.float32)
    states = [direction.zero_state(B) for direction in model.directions.values()]
    *_, ends = model.gradients(windows(), states, SAMPLER, rng=np.random.default_rng(0))
    arrays = [*ends[0], *ends[1], *(p.grad for p in model.parameters().values())]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@cells
@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_configuration_knows_the_number_of_parameters(cell, num_layers):
    model = make(cell, num_layers=num_layers)
    assert model.config.num_parameters == sum(p.value.size for p in model.parameters().values())
