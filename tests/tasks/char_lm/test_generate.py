"""Generation: sampling of tokens, the carried state, and the text that comes out."""

import numpy as np
import pytest

from rnnnlp import kernels
from rnnnlp.errors import UserError
from rnnnlp.kernels.sampling import sample_token
from rnnnlp.tasks.char_lm import generate as generation
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.generate import Sampling, StopStringBuffer, generate, samples
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.language_modelling import language_model_loss
from rnnnlp.text import ByteTokenizer, CharTokenizer, WordTokenizer, train_tokenizer

LOGITS = np.log([0.05, 0.1, 0.15, 0.3, 0.4])
PLAIN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, "unknown_id": None}


@pytest.fixture(params=["numpy", "native"])
def backend(request: pytest.FixtureRequest) -> str:
    try:
        kernels.use(request.param)
    except UserError as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(params=list(kernels.CELLS))
def model(request: pytest.FixtureRequest, backend: str) -> CharLMNetwork:
    tokenizer = CharTokenizer("\n abcdefgh")
    config = CharLMConfig(tokenizer.vocab_size, cell=request.param, embedding_size=5, hidden_size=11, num_layers=2)
    return CharLMNetwork(config, tokenizer, rng=np.random.default_rng(3))


def shares(**options: object) -> np.ndarray:
    """How often each token is sampled over evenly spread random numbers."""
    uniforms = (np.arange(2000) + 0.5) / 2000
    sampled = [sample_token(LOGITS, options.get("recent", ()), u, **PLAIN | options_of(options)) for u in uniforms]
    return np.bincount(sampled, minlength=5) / len(uniforms)


def options_of(options: dict) -> dict:
    return {name: value for name, value in options.items() if name != "recent"}


def test_tokens_are_sampled_as_often_as_they_are_probable():
    np.testing.assert_allclose(shares(), [0.05, 0.1, 0.15, 0.3, 0.4], atol=1e-3)
    hot = np.exp(LOGITS / 2)
    np.testing.assert_allclose(shares(temperature=2.0), hot / hot.sum(), atol=1e-3)


def test_a_temperature_of_zero_or_nearly_takes_the_most_probable():
    for temperature in (0.0, 1e-8, 1e-300, 5e-324):
        assert shares(temperature=temperature).tolist() == [0, 0, 0, 0, 1]


def test_top_k_and_top_p():
    np.testing.assert_allclose(shares(top_k=2), [0, 0, 0, 3 / 7, 4 / 7], atol=1e-3)
    np.testing.assert_allclose(shares(top_p=0.5), [0, 0, 0, 3 / 7, 4 / 7], atol=1e-3)
    assert shares(top_p=1e-9).tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_allclose(shares(top_k=100), shares())


def test_the_unknown_symbol_is_never_sampled():
    assert shares(unknown_id=4)[4] == 0
    assert shares(unknown_id=4, temperature=0.0)[3] == 1


def test_a_repetition_penalty_makes_recent_tokens_less_probable():
    plain, penalised = shares(), shares(recent=(4, 4), repetition_penalty=2.0)
    assert penalised[4] < plain[4]
    assert penalised[3] > plain[3]


def test_a_model_that_has_diverged_samples_a_token_all_the_same(model: CharLMNetwork):
    assert 0 <= sample_token(np.full(5, np.nan), (), 0.5, **PLAIN) < 5
    for parameter in model.parameters().values():
        parameter.value[...] = np.nan
    assert len("".join(generate(model, "ab", Sampling(length=5), rng=np.random.default_rng(0)))) == 5


@pytest.mark.parametrize(
    ("options", "window"),
    [({"temperature": 1.5}, 64), ({"top_k": 2}, 64), ({"top_p": 0.5}, 64), ({"repetition_penalty": 3.0}, 3)],
    ids=["temperature", "top_k", "top_p", "repetition_penalty"],
)
def test_the_state_is_carried_and_not_lost(model: CharLMNetwork, options: dict[str, float], window: int):
    """Each token is the one that is sampled after everything is read again from the start."""
    prompt, seed = "abc", 4
    sampling = Sampling(**{"length": 40, "temperature": 1.0, "repetition_window": window} | options)
    text = "".join(generate(model, prompt, sampling, rng=np.random.default_rng(seed)))
    rng, again, made = np.random.default_rng(seed), prompt, []
    for _ in range(sampling.length):
        ids = model.tokenizer.encode(again)
        logits, _, _ = model.forward(ids, np.ones(len(ids), np.int64), model.zero_state(1))
        token = sample_token(logits[-1], made[-window:], rng.random(), **PLAIN | options | {"unknown_id": 0})
        made.append(token)
        again += model.tokenizer.decode([token])
    assert text == again.removeprefix(prompt)


def test_both_backends_generate_the_same(model: CharLMNetwork):
    sampling = Sampling(length=60, temperature=1.2, top_k=6, top_p=0.9, repetition_penalty=1.3, repetition_window=5)
    text = "".join(generate(model, "ab", sampling, rng=np.random.default_rng(0)))
    kernels.use("numpy")
    assert text == "".join(generate(model, "ab", sampling, rng=np.random.default_rng(0)))


def test_the_text_does_not_depend_on_how_many_tokens_are_made_at_a_time(
    model: CharLMNetwork, monkeypatch: pytest.MonkeyPatch
):
    sampling = Sampling(length=50, repetition_penalty=1.4, repetition_window=7)
    texts = []
    for tokens in (1, 7, 50):
        monkeypatch.setattr(generation, "TOKENS_AT_A_TIME", tokens)
        texts.append("".join(generate(model, "", sampling, rng=np.random.default_rng(1))))
    assert len(set(texts)) == 1
    assert len(texts[0]) == 50


def test_samples_begin_at_the_end_of_the_prompt(model: CharLMNetwork):
    sampling = Sampling(length=30, temperature=0.0)
    endless = samples(model, "abc", sampling, rng=np.random.default_rng(0))
    first, second = "".join(next(endless)), "".join(next(endless))
    assert first == second


def test_a_stop_string_ends_the_text_and_is_not_shown(backend: str):
    model = CharLMNetwork(
        CharLMConfig(256, hidden_size=8, embedding_size=4), ByteTokenizer(), rng=np.random.default_rng(0)
    )
    whole = "".join(generate(model, "x", Sampling(length=200), rng=np.random.default_rng(2)))
    stop = whole[60:63]
    cut = "".join(generate(model, "x", Sampling(length=200, stop=(stop,)), rng=np.random.default_rng(2)))
    assert cut == whole[: whole.index(stop)]


def test_a_stop_string_of_bytes_that_are_no_text(caplog: pytest.LogCaptureFixture):
    model = CharLMNetwork(
        CharLMConfig(256, hidden_size=8, embedding_size=4), ByteTokenizer(), rng=np.random.default_rng(0)
    )

    def text(errors: str, stop: tuple[str, ...] = ()) -> str:
        return "".join(generate(model, "x", Sampling(200, stop=stop), rng=np.random.default_rng(2), errors=errors))

    whole = text("surrogateescape")
    stop = next(c for c in whole[60:] if "\udc80" <= c <= "\udcff")
    assert text("surrogateescape", (stop,)) == whole[: whole.index(stop)]
    assert text("replace", (stop,)) == text("replace")
    assert "stop has bytes that are not UTF-8; the text keeps such bytes only with out FILE" in caplog.text


def test_bytes_that_are_no_text_come_out_as_replacement_characters(backend: str):
    model = CharLMNetwork(
        CharLMConfig(256, hidden_size=4, embedding_size=4), ByteTokenizer(), rng=np.random.default_rng(0)
    )
    text = "".join(generate(model, "é", Sampling(length=300, temperature=3.0), rng=np.random.default_rng(0)))
    assert text.encode("utf-8").decode("utf-8") == text


def test_what_may_begin_a_stop_string_is_held_back():
    held = StopStringBuffer(("END", "dE"))
    assert [held.push(text) for text in ("abE", "N", "x", "d", "E")] == ["ab", "", "ENx", "", ""]
    assert held.stopped
    open_end = StopStringBuffer(("END",))
    assert open_end.push("abEN") + open_end.flush() == "abEN"


@pytest.mark.parametrize(
    ("stop", "text", "shown"),
    [
        (("Q: ", ":"), "A: yes", "A"),
        (("Q: ", ":"), "Yes\nQ: no", "Yes\nQ"),
        (("abc", "b"), "xabc", "xa"),
        (("bc", "abc"), "xabc", "x"),
        (("abcd", "bc"), "xabcd", "xa"),
        (("b", "abcd"), "xabcabcd", "xa"),
    ],
)
def test_the_end_does_not_depend_on_how_many_tokens_are_made_at_a_time(stop: tuple[str, ...], text: str, shown: str):
    """The string that is complete first ends the text; of several the longest."""
    for size in range(1, len(text) + 1):
        held = StopStringBuffer(stop)
        parts = []
        for at in range(0, len(text), size):
            parts.append(held.push(text[at : at + size]))
            if held.stopped:
                break
        assert "".join(parts) == shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length is -1; it must be at least 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0"),
        ({"stop": ("",)}, "it must be not an empty string"),
    ],
)
def test_a_mistaken_option_is_named(options: dict, message: str):
    with pytest.raises(UserError, match=message):
        Sampling(**options)


@pytest.mark.parametrize("backend", ["numpy", "auto"])
@pytest.mark.parametrize("prompt", ["", " ", "\u2003\n"])
def test_a_prompt_without_a_token_is_continued(prompt: str, backend: str):
    kernels.use(backend)
    tokenizer = WordTokenizer.train(["it was the best of times"], min_frequency=1)
    config = CharLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=5, embedding_size=3)
    model = CharLMNetwork(config, tokenizer, rng=np.random.default_rng(0))
    assert "".join(generate(model, prompt, Sampling(length=5), rng=np.random.default_rng(0)))


def test_one_stop_string_needs_no_tuple():
    assert Sampling(stop="END") == Sampling(stop=("END",))


def test_words_of_a_prompt_that_the_vocabulary_lacks_are_logged(caplog: pytest.LogCaptureFixture):
    tokenizer = train_tokenizer("word", ["one lamp one lamp"], vocab_size=10, min_frequency=1)
    config = CharLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=5, embedding_size=3)
    model = CharLMNetwork(config, tokenizer, rng=np.random.default_rng(0))
    assert "".join(generate(model, "one umbrella", Sampling(length=3), rng=np.random.default_rng(0)))
    assert "not in the vocabulary of the model, and read as the unknown symbol: 'umbrella'" in caplog.text


@pytest.mark.parametrize(("prompt", "begins"), [("it was", " "), ("it was ", ""), ("", "")])
def test_words_after_a_prompt_are_words_of_their_own(prompt, begins):
    tokenizer = train_tokenizer("word", ["it was the best of times"], min_frequency=1)
    config = CharLMConfig(tokenizer.vocab_size, hidden_size=4, embedding_size=4)
    network = CharLMNetwork(config, tokenizer, rng=np.random.default_rng(0))
    text = "".join(generate(network, prompt, Sampling(length=3), rng=np.random.default_rng(1)))
    assert len(text.split()) == 3
    assert text[: len(text) - len(text.lstrip())] == begins


def test_a_large_vocabulary_is_evaluated_in_smaller_windows(monkeypatch):
    """With the same loss."""
    config = CharLMConfig(50, hidden_size=4, embedding_size=4)
    network = CharLMNetwork(config, rng=np.random.default_rng(0))
    ids = np.random.default_rng(1).integers(50, size=900)
    assert network.window_tokens == 8192
    whole = language_model_loss(network, ids, streams=2)
    monkeypatch.setattr("rnnnlp.tasks.char_lm.network.BLOCK", 50 * 64)
    assert network.window_tokens == 64
    rows, forward = [], network.head.forward
    monkeypatch.setattr(network.head, "forward", lambda h: rows.append(len(h)) or forward(h))
    assert language_model_loss(network, ids, streams=2) == pytest.approx(whole)
    assert max(rows) == 64  # also while the state of the second stream is warmed up
