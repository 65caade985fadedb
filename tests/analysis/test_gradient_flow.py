"""The gradient that reaches each step back in time, held against central differences."""

import numpy as np
import pytest

from rnnnlp.analysis.gradient_flow import gradient_norms, state_gradients
from rnnnlp.errors import UserError
from rnnnlp.kernels import CELLS
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from tests.gradients import check_gradients, randomize
from tests.recurrences import draw_states

V, T, B, L, H = 5, 4, 2, 2, 3


def make(cell, dtype=np.float64):
    config = CharLMConfig(
        vocab_size=V, cell=cell, embedding_size=2, hidden_size=H, num_layers=L, dropout=0.5, weight_drop=0.5
    )
    model = CharLMNetwork(config, rng=np.random.default_rng(0), dtype=dtype)
    randomize(model.parameters(), np.random.default_rng(1))
    return model


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_the_state_before_each_step(cell):
    model, ids = make(cell), np.random.default_rng(2).integers(V, size=(T + 1, B))
    state = draw_states(cell, (L, B, H), np.random.default_rng(3))
    states = [state]
    for inputs in ids[:-1]:
        states.append(model.forward(inputs, np.array([B]), states[-1])[1])
    gradients = list(state_gradients(model, ids, state))
    assert len(gradients) == T
    for back, gradient in enumerate(gradients, start=1):
        here = tuple(s.copy() for s in states[T - back])
        rest = ids[T - back : T]

        def loss(here=here, rest=rest):
            """Of the last step, when the text is read on from the state `here`."""
            logits, _, _ = model.forward(rest.ravel(), np.full(len(rest), B), here)
            last = logits[-B:]  # (B, V)
            return float(np.sum(np.log(np.exp(last).sum(axis=1)) - last[np.arange(B), ids[-1]]))

        check_gradients(loss, {f"{back} back, {i}": pair for i, pair in enumerate(zip(here, gradient, strict=True))})
    assert not any(p.grad.any() for p in model.parameters().values())


def test_norms_are_of_evenly_spread_streams_after_some_text():
    model, ids = make("lstm"), np.random.default_rng(2).integers(V, size=50)
    norms = gradient_norms(model, ids, steps=4, streams=3)
    assert norms.shape == (4, 3)
    for stream, begin in enumerate((0, 20, 41)):
        text = ids[begin : begin + 9]
        _, state, _ = model.forward(text[:4], np.ones(4, int), model.zero_state(1))
        for back, dstate in enumerate(state_gradients(model, text[4:, None], state)):
            assert norms[back, stream] == pytest.approx(np.linalg.norm(np.concatenate(dstate)), rel=1e-12)


def test_a_linear_network_shrinks_and_grows_as_its_weights_say():
    model = make("elman_relu")
    for p in model.parameters().values():
        p.value[...] = np.abs(p.value)  # every unit stays in its linear part
    for layer in model.recurrent.layers:
        layer[0].W_x.value[...] = 0
        layer[0].b_x.value[...] = 1
        layer[0].W_h.value[...] = 0
    ids = np.zeros(40, np.int64)
    for factor in (0.5, 2.0):
        model.recurrent.layers[-1][0].W_h.value[...] = factor * np.eye(H)
        norms = gradient_norms(model, ids, steps=10, streams=2)
        np.testing.assert_allclose(norms[1:] / norms[:-1], factor, rtol=1e-9)


def test_in_float64_small_gradients_are_seen():
    model = make("elman_tanh", np.float32)
    for layer in model.recurrent.layers:
        layer[0].W_h.value *= 1e-3
    ids = np.random.default_rng(2).integers(V, size=101)
    assert gradient_norms(model, ids, steps=20, streams=1)[-1] == 0
    assert 0 < gradient_norms(model.copy(np.float64), ids, steps=20, streams=1)[-1] < 1e-45


def test_too_little_text():
    with pytest.raises(UserError, match="the text has 8 tokens and 4 steps need 9; give more text or fewer steps"):
        gradient_norms(make("gru"), np.zeros(8, np.int64), steps=4, streams=1)
