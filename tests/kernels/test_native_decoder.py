"""The native decoder against the NumPy code."""

# V vocabulary, D embedding, G gates, H hidden, L layers

import threading
from typing import Any

import numpy as np
import pytest

from rnnnlp.kernels import CELLS
from rnnnlp.kernels import numpy as numpy_backend
from rnnnlp.kernels.backend import LayerWeights
from rnnnlp.kernels.sampling import sample_token
from tests.kernels.native_or_skip import NATIVE_CELLS, each_isa, native, random

pytestmark = pytest.mark.usefixtures("native_as_before")


class Model:
    """A language model of random weights, and its forward pass in NumPy."""

    def __init__(self, cell: str, L: int, H: int = 33, V: int = 65, D: int = 20):
        spec = CELLS[cell]
        G = len(spec.gates)
        self.cell, self.H = cell, H
        self.embedding, self.W_out, self.b_out = random(V, D), random(V, H), random(V)
        self.layers = [
            LayerWeights(
                random(G * H, D if k == 0 else H) / 4,
                random(G * H, H) / 6,
                random(G * H),
                tuple(random(*shape) for shape in spec.extra_shapes(H)),
            )
            for k in range(L)
        ]
        self.native = native.Decoder(cell, self.embedding, self.layers, self.W_out, self.b_out)

    def read(self, tokens):
        """Logits after the tokens, and the state (L, H) of h (and c)."""
        x, ends = self.embedding[tokens].astype(np.float64), []
        for w in self.layers:
            zeros = CELLS[self.cell].zero_state((1, self.H), np.dtype(float))
            ones = np.ones(len(x), np.int64)
            x, state, _ = numpy_backend.forward(self.cell, x @ w.W_x.T + w.bias, ones, zeros, w.W_h, w.extra)
            ends.append(state)
        return x[-1] @ self.W_out.T + self.b_out, tuple(np.concatenate(s) for s in zip(*ends, strict=True))


@each_isa
@pytest.mark.parametrize("L", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_reads_as_numpy_does(cell, L, isa):
    native.use_instruction_set(isa)
    model = Model(cell, L)
    tokens = np.random.default_rng(0).integers(0, 65, 9)
    logits, state = model.read(tokens)
    model.native.read(tokens[:4])
    np.testing.assert_allclose(model.native.read(tokens[4:]), logits, rtol=1e-4, atol=2e-5)
    for ours, theirs in zip(model.native.state, state, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.8},
        {"temperature": 0.0},
        {"top_k": 5},
        {"top_p": 0.7},
        {"top_k": 20, "top_p": 0.9, "temperature": 1.3},
        {"repetition_penalty": 1.5, "repetition_window": 7},
    ],
)
def test_samples_by_the_rule(options):
    model = Model("lstm", 2)
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, "unknown_id": 2}
    window = options.get("repetition_window", 64)
    rule = plain | {name: value for name, value in options.items() if name in plain}
    uniforms = np.random.default_rng(5).random(60)
    logits = model.native.read(np.array([3]))
    state = model.native.state
    tokens = model.native.sample(uniforms[:25], repetition_window=window, **rule)
    tokens += model.native.sample(uniforms[25:], repetition_window=window, **rule, recent=tokens)
    model.native.set(state, logits)
    expected: list[int] = []
    for uniform in uniforms:
        expected.append(sample_token(model.native.logits, expected[-window:], uniform, **rule))
        model.native.read(np.array(expected[-1:]))
    assert tokens == expected


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_samples_are_the_same_from_any_number_of_threads(cell, isa):
    native.use_instruction_set(isa)
    results = []
    for threads in (1, 2, 3):
        native.set_threads(threads)
        model = Model(cell, 2)
        model.native.read(np.array([1, 2]))
        results.append((model.native.sample(np.random.default_rng(0).random(40)), model.native.logits.tolist()))
    assert results[0] == results[1] == results[2]


def test_wrong_weights_are_refused():
    model = Model("gru", 2)
    args = (model.embedding, model.layers, model.W_out, model.b_out)
    with pytest.raises(ValueError, match="cell is no-such-cell; it must be one of lstm, lstm_rms_norm, gru"):
        native.Decoder("no-such-cell", *args)
    layers = [w._replace(extra=()) for w in model.layers]
    with pytest.raises(ValueError, match="a layer must have all extra parameters of its cell"):
        native.Decoder("gru", model.embedding, layers, model.W_out, model.b_out)
    with pytest.raises(ValueError, match="the state must have one array for each state of the cell"):
        model.native.set((), model.native.logits)


OF_A_DIVERGED_MODEL = {
    "NaN": [np.nan] * 5,
    "NaN first": [np.nan, 1.0, 3.0, 2.0, np.nan],
    "NaN and -inf": [np.nan, -np.inf, -np.inf, np.nan, np.nan],
    "inf": [0.0, np.inf, 1.0, np.inf, np.nan],
    "-inf": [-np.inf] * 5,
    "large": [3e38, -3e38, 3e38, np.nan, 0.0],
}


@pytest.mark.parametrize("logits", OF_A_DIVERGED_MODEL.values(), ids=OF_A_DIVERGED_MODEL)
@pytest.mark.parametrize("unknown_id", [None, 0, 4])
@pytest.mark.parametrize(
    "options",
    [{"temperature": 0.0}, {}, {"top_k": 2}, {"top_p": 0.5}, {"repetition_penalty": 1.5}, {"temperature": 1e-300}],
)
def test_every_token_is_in_the_vocabulary_whatever_the_logits_are(logits, unknown_id, options):
    """Both backends sample the same token, and never one whose logit is NaN while another has one."""
    model = Model("lstm", L=1, V=5)
    options = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0} | options
    values = np.array(logits, np.float32)
    numbers = {k for k, x in enumerate(logits) if x > -np.inf and k != unknown_id}
    for uniform in (0.0, 0.3, 0.999999):
        model.native.set(tuple(np.zeros_like(s) for s in model.native.state), values)
        (token,) = model.native.sample(
            np.array([uniform]), **options, unknown_id=unknown_id, repetition_window=8, recent=[1, 2]
        )
        plain = {"temperature": options["temperature"], **{n: options[n] for n in ("top_k", "top_p")}}
        expected = sample_token(
            values, [1, 2], uniform, **plain, repetition_penalty=options["repetition_penalty"], unknown_id=unknown_id
        )
        assert token == expected
        assert 0 <= token < 5
        assert token in (numbers or {1 if unknown_id == 0 else 0})


def test_the_state_and_the_logits_are_those_after_a_whole_call_while_another_thread_samples():
    model, again = Model("lstm", 2), Model("lstm", 2)
    calls, seen, is_enough = 0, set(), threading.Event()

    def sample() -> None:
        nonlocal calls
        while not is_enough.is_set():
            model.native.sample(uniforms_of(calls))
            calls += 1

    sampling = threading.Thread(target=sample)
    sampling.start()
    while len(seen) < 10 and sampling.is_alive():
        seen.add(model.native.logits.tobytes())
    is_enough.set()
    sampling.join()
    after_calls = {again.native.logits.tobytes()}
    for call in range(calls):
        again.native.sample(uniforms_of(call))
        after_calls.add(again.native.logits.tobytes())
    assert len(seen) == 10
    assert seen <= after_calls


def uniforms_of(call: int) -> np.ndarray:
    return np.random.default_rng(call).random(40)


def test_a_long_prompt_is_read_as_its_parts_are():
    tokens = np.random.default_rng(0).integers(0, 65, 2500)
    at_once, in_parts = Model("gru", 1).native, Model("gru", 1).native
    logits = at_once.read(tokens)
    for token in tokens:
        in_parts.read(np.array([token]))
    assert np.array_equal(logits, in_parts.logits)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)], ids=["no tokens", "no hidden units"])
def test_a_model_without_tokens_or_units_is_refused(shape):
    V, H = shape
    weights = LayerWeights(random(H, 2), random(H, H), random(H), ())
    with pytest.raises(ValueError, match="a decoder needs"):
        native.Decoder("elman_tanh", random(V, 2), [weights], random(V, H), random(V))


@pytest.mark.parametrize(
    ("uniform", "options"),
    [
        (np.nan, {}),
        (1.0, {}),
        (-0.1, {}),
        (0.5, {"temperature": np.nan, "top_k": 3}),
        (0.5, {"temperature": -1.0}),
        (0.5, {"top_p": np.nan}),
        (0.5, {"top_p": 0.0}),
        (0.5, {"repetition_penalty": np.nan}),
    ],
)
def test_numbers_that_sampling_cannot_use_are_refused(uniform, options):
    for decoder in both(Model("gru", 1)):
        with pytest.raises(ValueError, match="must be"):
            decoder.sample(np.array([uniform]), **options)


def both(model: Model) -> list[Any]:
    """The native decoder of a model, and that of NumPy."""
    return [
        backend.Decoder(model.cell, model.embedding, model.layers, model.W_out, model.b_out)
        for backend in (native, numpy_backend)
    ]


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_what_is_not_a_number_is_gone_with_another_state(cell):
    """Also in the lanes past the last unit."""
    model = Model(cell, 2)
    model.embedding[7] = np.nan
    for decoder in both(model):
        state, logits = decoder.state, decoder.logits.copy()
        expected = decoder.read(np.array([1, 2])).copy()
        assert np.isnan(decoder.read(np.array([7, 1]))).any()
        decoder.set(state, logits)
        np.testing.assert_array_equal(decoder.read(np.array([1, 2])), expected)


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_later_changes_of_the_weights_are_not_seen(cell):
    model = Model(cell, 1)
    for decoder in both(model):
        state, logits = decoder.state, decoder.logits.copy()
        expected = decoder.read(np.array([1, 2])).copy()
        for array in (model.embedding, model.W_out, model.b_out, *model.layers[0][:3], *model.layers[0].extra):
            array += 1
        decoder.set(state, logits)
        np.testing.assert_array_equal(decoder.read(np.array([1, 2])), expected)
        for array in (model.embedding, model.W_out, model.b_out, *model.layers[0][:3], *model.layers[0].extra):
            array -= 1


def test_before_the_first_token_the_logits_are_those_of_a_state_of_zeros():
    model = Model("gru", 1)
    for decoder in both(model):
        np.testing.assert_array_equal(decoder.logits, model.b_out)
        decoder.logits[0] = -np.inf
        assert np.isfinite(model.b_out).all()


@pytest.mark.parametrize(
    "options", [{"repetition_window": 0, "repetition_penalty": 9.0, "recent": [3, 4]}, {"temperature": np.inf}, {}]
)
def test_both_sample_the_same(options):
    uniforms = np.random.default_rng(0).random(1500)  # more than are sampled in one call
    ours, theirs = (decoder.sample(uniforms, unknown_id=0, **options) for decoder in both(Model("gru", 1, H=5, V=9)))
    assert ours == theirs
    assert len(set(ours)) > 2


def test_a_prompt_that_is_refused_changes_nothing():
    for decoder in both(Model("gru", 1)):
        before = decoder.read(np.array([1])).copy()
        with pytest.raises((ValueError, IndexError)):
            decoder.read(np.array([0] * 1024 + [65]))
        np.testing.assert_array_equal(decoder.logits, before)
        uniforms = np.full(1100, 0.5)
        uniforms[-1] = 1.0
        with pytest.raises(ValueError, match="uniforms must be"):
            decoder.sample(uniforms)
        np.testing.assert_array_equal(decoder.logits, before)
