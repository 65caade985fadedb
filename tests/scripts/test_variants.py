"""The layers of scripts/variants against central differences and plain recurrences in float64."""

# N tokens, U unique tokens, T steps, B streams, D input, H hidden, L layers

from functools import partial

import numpy as np
import pytest
from variants.linear import SRU, MinGRU
from variants.lstms import MultiplicativeLSTM, NormLSTM, ZoneoutLSTM
from variants.names import VARIANTS, residual_lstm
from variants.stack import Stack

from rnnnlp import kernels
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.tasks.char_lm.config import CharLMConfig
from tests.gradients import check_gradients, pairs, randomize, read_only
from tests.recurrences import inner, sigmoid

B, D, H = 2, 2, 3
Zoneout = partial(ZoneoutLSTM, c_p=0.4, h_p=0.3)
STACKS = {
    "zoneout": partial(Stack, Zoneout),
    "layer norm": partial(Stack, NormLSTM),
    "mlstm": partial(Stack, MultiplicativeLSTM),
    "residual": residual_lstm,
    "mingru": partial(Stack, MinGRU, residual=True, norm=True),
    "sru": partial(Stack, SRU),
}


def stack_of(make, *, num_layers=1, rng, dtype=np.float64, hidden_size=H, **options):
    options = {"dropout": 0.0} | options
    config = CharLMConfig(vocab_size=5, embedding_size=D, hidden_size=hidden_size, num_layers=num_layers, **options)
    stack = make(config, dtype=dtype, rng=rng)
    randomize(stack.parameters(), rng)
    return stack


def draw_state(stack, rng):
    return tuple(rng.normal(size=s.shape) for s in stack.zero_state(B, np.float64))


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize(("num_layers", "training", "table"), [(1, False, True), (1, True, False), (3, True, True)])
def test_gradients(name, T, num_layers, training, table):
    rng = np.random.default_rng(T)
    stack = stack_of(STACKS[name], num_layers=num_layers, dropout=0.3, rng=rng)
    tokens = np.arange(T * B) % 3 if table else None
    x, state = rng.normal(size=(3 if table else T * B, D)), draw_state(stack, rng)
    if table:
        x = x[: len(set(tokens))]
    dy, dstate_T = rng.normal(size=(T * B, H)), draw_state(stack, rng)

    def forward():
        masks = np.random.default_rng(7) if training else None  # the same masks each time
        states = tuple(read_only(s) for s in state)
        return stack.forward(read_only(x), np.full(T, B), states, rng=masks, row_index=tokens)

    def loss():
        y, state_T, _ = forward()
        return inner([y, *state_T], [dy, *dstate_T])

    *_, tape = forward()
    dx, dstate = stack.backward(read_only(dy), tuple(read_only(d) for d in dstate_T), tape)
    gradients = {"x": (x, dx)} | pairs(stack.parameters())
    gradients |= {f"state {i}": pair for i, pair in enumerate(zip(state, dstate, strict=True))}
    check_gradients(loss, gradients)


@pytest.mark.parametrize("name", STACKS)
def test_state_is_all_that_a_window_leaves_behind(name):
    rng = np.random.default_rng(0)
    stack = stack_of(STACKS[name], num_layers=2, rng=rng)
    x, state = rng.normal(size=(5 * B, D)), draw_state(stack, rng)
    whole, end, _ = stack.forward(x, np.full(5, B), state, rng=None)
    first, between, _ = stack.forward(x[: 2 * B], np.full(2, B), state, rng=None)
    second, last, _ = stack.forward(x[2 * B :], np.full(3, B), between, rng=None)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-12)
    for a, b in zip(end, last, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def normed(a, gain):
    return gain * (a - a.mean()) / np.sqrt(a.var() + 1e-5)


def lstm_cell(a, c):
    i, f, g, o = np.split(a, 4)
    return sigmoid(f) * c + sigmoid(i) * np.tanh(g), sigmoid(o)


def plain_step(name, w, x, h, c):
    """One step of one stream from the papers' equations: output, h and c that follow (SRU and minGRU: one of them)."""
    if name == "mingru":
        z, a = sigmoid(w["W_xz"] @ x + w["b_z"]), w["W_xg"] @ x + w["b_g"]
        h = (1 - z) * h + z * np.where(a >= 0, a + 0.5, sigmoid(a))
        return h, h, None
    if name == "sru":
        u = w["W_xu"] @ x + w["b_u"]
        f = sigmoid(w["W_xf"] @ x + w["b_f"] + w["v_f"] * h)
        r = sigmoid(w["W_xr"] @ x + w["b_r"] + w["v_r"] * h)
        h = f * h + (1 - f) * u
        return r * h + (1 - r) * 3**0.5 * (w["W_xs"] @ x + w["b_s"]), h, None
    if name == "layer norm":
        a = normed(w["W_x"] @ x, w["gain_x"]) + normed(w["W_h"] @ h, w["gain_h"]) + w["b"]
        c, o = lstm_cell(a, c)
        h = o * np.tanh(normed(c, w["gain_c"]) + w["b_c"])
        return h, h, c
    if name == "mlstm":
        m = (w["W_xm"] @ x + w["b_m"]) * (w["W_m"] @ h)
        c, o = lstm_cell(w["W_x"] @ x + w["b"] + w["W_h"] @ m, c)
        return o * np.tanh(c), o * np.tanh(c), c
    assert name == "zoneout"
    c_new, o = lstm_cell(w["W_x"] @ x + w["b"] + w["W_h"] @ h, c)
    h = 0.3 * h + 0.7 * o * np.tanh(c_new)
    return h, h, 0.4 * c + 0.6 * c_new


@pytest.mark.parametrize("name", [name for name in STACKS if name != "residual"])
def test_values_are_those_of_the_equations(name):
    rng = np.random.default_rng(0)
    stack = stack_of(STACKS[name], rng=rng)
    w = {key.removeprefix("0."): p.value for key, p in stack.parameters().items()}
    x, state = rng.normal(size=(5, B, D)), draw_state(stack, rng)
    y, _, _ = stack.forward(x.reshape(-1, D), np.full(5, B), state, rng=None)
    for b in range(B):
        h, c = state[0][0, b], state[-1][0, b]
        for t in range(5):
            expected, h, c = plain_step(name, w, x[t, b], h, c)
            expected = normed(expected, w["1.gain"]) if name == "mingru" else expected
            np.testing.assert_allclose(y.reshape(5, B, H)[t, b], expected, rtol=1e-10)


def test_zoneout_keeps_whole_units():
    rng = np.random.default_rng(0)
    stack = stack_of(partial(Stack, Zoneout), hidden_size=600, rng=rng)
    state = tuple(rng.normal(size=(1, B, 600)) for _ in "hc")
    _, end, _ = stack.forward(rng.normal(size=(B, D)), np.array([B]), state, rng=rng)
    kept_h, kept_c = (float(np.mean(np.isclose(a, b))) for a, b in zip(state, end, strict=True))
    assert kept_h == pytest.approx(0.3, abs=0.05)
    assert kept_c == pytest.approx(0.4, abs=0.05)


def test_residual_stack_adds_its_first_layer():
    rng = np.random.default_rng(0)
    stack = stack_of(residual_lstm, num_layers=2, rng=rng)
    plain = Recurrent("lstm", D, H, num_layers=2, dtype=np.float64, rng=rng)
    ours = stack.parameters()
    for name, p in plain.parameters().items():
        p.value[...] = ours[name.replace("forward.", "")].value
    x, state, T = rng.normal(size=(5 * B, D)), draw_state(stack, rng), np.full(5, B)
    first, _, _ = stack.layers[0].forward(x, T, tuple(s[0] for s in state), rng=None, row_index=None, keep_tape=False)
    expected = first + plain.forward(x, T, state, rng=None)[0]
    np.testing.assert_allclose(stack.forward(x, T, state, rng=None)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", STACKS)
def test_float32_stays_float32_and_agrees(name):
    rng = np.random.default_rng(0)
    stack = stack_of(STACKS[name], num_layers=2, hidden_size=8, rng=rng)
    single = stack_of(STACKS[name], num_layers=2, hidden_size=8, rng=rng, dtype=np.float32)
    for p, q in zip(stack.parameters().values(), single.parameters().values(), strict=True):
        q.value[...] = p.value
    x, dy = rng.normal(size=(5 * B, D)), rng.normal(size=(5 * B, 8))
    kernels.use("auto")
    both = []
    for a, dtype in ((stack, np.float64), (single, np.float32)):
        y, end, tape = a.forward(x.astype(dtype), np.full(5, B), a.zero_state(B, dtype), rng=None)
        dx, start = a.backward(dy.astype(dtype), None, tape)
        both.append([y, *end, dx, *start, *(p.grad for p in a.parameters().values())])
    for a, b in zip(*both, strict=True):
        assert b.dtype == np.float32
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)


def test_every_variant_has_a_description():
    assert all(v.about for v in VARIANTS.values())
