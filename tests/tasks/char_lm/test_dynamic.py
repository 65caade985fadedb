"""Dynamic evaluation: its rule by difference quotients, and that nothing is learned from before it is predicted."""

import numpy as np
import pytest

from rnnnlp import kernels
from rnnnlp.errors import UserError
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.dynamic import GAIN, Learning, dynamic_loss, dynamic_losses, gradient_sizes, usual_lr
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.language_modelling import language_model_loss
from tests.gradients import difference_quotients, randomize

V = 4
cells = pytest.mark.parametrize("cell", kernels.CELLS)


def make(cell="lstm", *, dtype=np.float64, tied=False, hidden_size=3):
    config = CharLMConfig(V, cell, embedding_size=hidden_size, hidden_size=hidden_size, dropout=0.5, tied_weights=tied)
    model = CharLMNetwork(config, rng=np.random.default_rng(0), dtype=dtype)
    randomize(model.parameters(), np.random.default_rng(1))
    return model


def text(length, seed=0):
    return np.random.default_rng(seed).integers(V, size=length)


def values(model):
    return {name: p.value.copy() for name, p in model.parameters().items()}


@cells
@pytest.mark.parametrize("tied", [False, True], ids=["own", "tied"])
def test_rule_by_difference_quotients(cell, tied):
    model, ids, learning = make(cell, tied=tied), text(11), Learning(lr=0.03, decay=0.2, window=4)
    sizes = gradient_sizes(model, text(50, seed=1), 4)
    found = list(dynamic_losses(model, ids, sizes, learning))

    # The same again: weight += -lr * g / (size + mean size) + min(decay * size / mean size, 1) * (trained - weight)
    trained, state, expected = values(model), model.zero_state(1), []
    mean = np.concatenate([s.ravel() for s in sizes.values()]).mean()
    for start, stop in ((0, 4), (4, 8), (8, 10)):
        window = ids[start:stop], ids[start + 1 : stop + 1], np.ones(stop - start, np.int64), state
        n = stop - start
        loss_sum, _, state = model.loss(*window)
        expected.append((loss_sum, n))
        quotients = {
            name: difference_quotients(lambda w=window, n=n: model.loss(*w)[0] / n, p.value)
            for name, p in model.parameters().items()
        }
        for name, p in model.parameters().items():
            back = np.minimum(learning.decay * sizes[name] / mean, 1) * (trained[name] - p.value)
            p.value += back - learning.lr * quotients[name] / (sizes[name] + mean)
    assert [n for _, n in found] == [n for _, n in expected]
    np.testing.assert_allclose([s for s, _ in found], [s for s, _ in expected], rtol=1e-8)
    still = sum(s for s, _ in dynamic_losses(make(cell, tied=tied), ids, sizes, Learning(lr=0, window=4)))
    assert abs(sum(s for s, _ in found) - still) > 1e-3  # what was learned shows


def test_sizes_are_the_root_mean_square_of_the_gradients_of_windows():
    model, ids = make(), text(31)  # so short a text is one segment, read again and again
    squares = {name: np.zeros_like(p.value) for name, p in model.parameters().items()}
    state = model.zero_state(1)
    for start in (0, 10, 20):
        model.zero_grad()
        window = ids[start : start + 11]
        _, _, state = model.gradients(window[:-1], window[1:], np.ones(10, np.int64), state)
        for name, p in model.parameters().items():
            squares[name] += p.grad**2 / 3
    for name, size in gradient_sizes(model, ids, 10).items():
        np.testing.assert_allclose(size, np.sqrt(squares[name]), rtol=1e-12)


@pytest.mark.parametrize("hidden_size", [3, 12])
def test_the_usual_rate_is_that_of_a_first_order_gain(hidden_size):
    model, ids = make(hidden_size=hidden_size), text(17, seed=1)  # one window, so its gradient is all there is
    sizes = gradient_sizes(model, ids, 16)
    window = ids[:-1], ids[1:], np.ones(16, np.int64), model.zero_state(1)
    mean = np.concatenate([s.ravel() for s in sizes.values()]).mean()
    model.zero_grad()
    model.gradients(*window)
    step, before, gains = 1e-4 * usual_lr(sizes), values(model), []
    for sign in (1, -1):  # the loss at both sides, so that its curvature cancels
        for name, p in model.parameters().items():
            p.value[...] = before[name] + sign * step * p.grad / (sizes[name] + mean)
        gains.append(model.loss(*window)[0] / 16)
    assert (gains[0] - gains[1]) / 2 == pytest.approx(1e-4 * GAIN, rel=1e-5)


def test_without_a_given_rate_it_is_the_usual_one():
    model, ids, train = make(dtype=np.float32, hidden_size=8), np.tile(text(25), 20), text(300, seed=1)
    given = Learning(lr=usual_lr(gradient_sizes(model, train, 32)))
    assert dynamic_loss(model, ids, train, Learning()) == dynamic_loss(model, ids, train, given)
    assert dynamic_loss(model, ids, train, Learning()) != dynamic_loss(model, ids, train, Learning(lr=0))


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_each_token_is_predicted_before_anything_is_learned_from_it(backend):
    if backend == "native":
        pytest.importorskip("rnnnlp.kernels.native")
    kernels.use(backend)
    model, ids, window = make(dtype=np.float32), text(200), 7
    learning = Learning(lr=0.05, window=window)
    sizes = gradient_sizes(model, text(100, seed=1), window)
    losses = [loss for loss, _ in dynamic_losses(model, ids, sizes, learning)]
    for cut in (8, 64, 190):  # the first token that is another one
        changed = ids.copy()
        changed[cut:] = (changed[cut:] + 1) % V
        others = [loss for loss, _ in dynamic_losses(model, changed, sizes, learning)]
        untouched = (cut - 1) // window  # windows that end before it
        assert others[:untouched] == losses[:untouched]
        assert others[untouched] != losses[untouched]
        # Within the window too: all weights that its earlier tokens meet are those from before the window.
        (last_loss, last_count) = list(dynamic_losses(model, ids[:cut], sizes, learning))[-1]
        (again_loss, again_count) = list(dynamic_losses(model, changed[:cut], sizes, learning))[-1]
        assert (last_loss, last_count) == (again_loss, again_count)


def test_without_a_learning_rate_the_figure_is_the_static_one():
    model, ids = make(dtype=np.float32), text(500)
    loss_sum, count = dynamic_loss(model, ids, text(400, seed=1), Learning(lr=0, window=16))
    static, tokens = language_model_loss(model, ids)
    assert count == tokens == 499
    assert loss_sum == pytest.approx(static, rel=1e-6)


def test_it_learns_what_repeats_and_leaves_the_model_alone():
    model, ids = make(dtype=np.float32, hidden_size=16), np.tile(text(25), 40)
    before = values(model)
    loss_sum, count = dynamic_loss(model, ids, text(1000, seed=1), Learning(lr=0.02))
    static, _ = language_model_loss(model, ids)
    assert loss_sum / count < 0.7 * static / count
    assert all((p.value == before[name]).all() for name, p in model.parameters().items())


def test_a_certain_model_has_nothing_to_learn():
    model, ids = make(dtype=np.float32), np.ones(50, np.int64)
    model.head.bias.value[1] = 1000
    loss_sum, count = dynamic_loss(model, ids, ids, Learning())
    assert (loss_sum, count) == (0, 49)


@pytest.mark.parametrize(
    ("lr", "ids", "message"),
    [
        (-1.0, text(9), "dynamic_lr is -1.0; it must be at least 0"),
        (float("nan"), text(9), "dynamic_lr is nan; it must be at least 0"),
        (0.1, text(1), "the split has 1 tokens; to predict one from another"),
        (1e38, text(200), "give a smaller dynamic_lr"),
    ],
)
def test_refused(lr, ids, message):
    with pytest.raises(UserError, match=message):
        dynamic_loss(make(dtype=np.float32), ids, text(200, seed=1), Learning(lr=lr))
