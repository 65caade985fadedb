"""What is shown of hidden units is what the network computes."""

from dataclasses import replace

import numpy as np
import pytest

from rnnnlp.analysis import hidden_units
from rnnnlp.analysis.hidden_units import (
    TokenTrace,
    most_probable,
    rank_units,
    read,
    text_features,
    unit_values,
    values_of,
)
from rnnnlp.errors import UserError
from rnnnlp.kernels import CELLS
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.text.characters import CharTokenizer

TEXT = 'Say "yes" (or\nno) 12.'


def network(cell: str) -> CharLMNetwork:
    tokenizer = CharTokenizer.train([TEXT])
    config = CharLMConfig(
        vocab_size=tokenizer.vocab_size, cell=cell, hidden_size=5, embedding_size=4, num_layers=2, dropout=0.0
    )
    return CharLMNetwork(config, tokenizer, rng=np.random.default_rng(0), dtype=np.float64)


@pytest.mark.parametrize("cell", CELLS)
def test_a_reading_is_what_the_network_computes(cell: str):
    model = network(cell)
    reading = read(model, TEXT)
    T = len(TEXT)
    logits, _, _ = model.forward(reading.ids, np.ones(T, np.int64), model.zero_state(1), keep_tape=False)
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(reading.surprise[1:], -np.log(p[np.arange(T - 1), reading.ids[1:]]))
    np.testing.assert_allclose(reading.p, -np.sort(-p, axis=1)[:, :10])
    for layer in (0, 1):
        of_layer = {
            name: np.stack([unit_values(model, reading, layer, k, name) for k in range(5)], axis=1)
            for name in values_of(model)
        }
        np.testing.assert_allclose(of_layer["h"], reading.states[layer])
        if cell == "lstm":
            np.testing.assert_allclose(of_layer["h"], of_layer["o"] * np.tanh(of_layer["c"]))
        if "z" in of_layer:
            h_before = np.concatenate([np.zeros((1, 5)), of_layer["h"][:-1]])
            np.testing.assert_allclose(of_layer["h"], of_layer["n"] + of_layer["z"] * (h_before - of_layer["n"]))


@pytest.mark.parametrize("rows", [1, 7, 22])
def test_a_reading_in_parts_is_the_same(rows: int, monkeypatch: pytest.MonkeyPatch):
    model = network("gru")
    whole = read(model, TEXT)
    monkeypatch.setattr(hidden_units, "ROWS", rows)
    in_parts = read(model, TEXT)
    np.testing.assert_allclose(in_parts.surprise, whole.surprise)
    np.testing.assert_array_equal(in_parts.likeliest, whole.likeliest)
    np.testing.assert_allclose(in_parts.p, whole.p)


@pytest.mark.parametrize("V", [1, 9, 10, 50])
def test_the_most_probable_are_the_first_in_order(V: int):
    p = np.random.default_rng(0).integers(0, 8, (40, V)) / 8  # many are equal
    p[1] = 0.5
    np.testing.assert_array_equal(most_probable(p, 10), np.argsort(-p, axis=1, kind="stable")[:, :10])


def test_a_text_without_a_token_is_refused():
    with pytest.raises(UserError, match="the text has no token; give one that the tokenizer of the model reads"):
        read(network("gru"), "")


def test_the_unit_that_tracks_something_is_found():
    features = text_features(TEXT, [(0, 3)])
    states = np.random.default_rng(1).normal(size=(2, len(TEXT), 3)) * 0.1
    states[1, :, 2] -= features["quotes"]
    states[0, :, 1] += features["line"]
    nothing = np.zeros((len(TEXT), 1))
    spans = np.arange(len(TEXT))[:, None] + (0, 1)
    ranked = rank_units(TokenTrace(nothing, spans, nothing, nothing, nothing, states), features)
    assert (ranked["quotes"][0].layer, ranked["quotes"][0].index) == (1, 2)
    assert ranked["quotes"][0].correlation < -0.9
    assert (ranked["line"][0].layer, ranked["line"][0].index) == (0, 1)
    assert {"brackets", "digits", "capitals", "spaces", "punctuation", "words", "marked"} <= set(ranked)


def test_features_of_a_text():
    features = text_features('a "b" (c\nd) 1')
    assert features["quotes"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert features["brackets"].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert features["line"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3]
    assert features["digits"].tolist() == [0] * 12 + [1]


def test_quotes_and_words_of_other_languages():
    def of(text: str, feature: str) -> str:
        return "".join(str(int(value)) for value in text_features(text)[feature])

    assert of("a „b“ c “d” e", "quotes") == "0011000011000"
    assert of("„a” «b»", "quotes") == "1100110"
    assert of("»a« b »c«", "quotes") == of("«a» b «c»", "quotes") == "110000110"
    assert of("“a\n\nb”", "quotes") == "110000"
    assert of("हिन्दी, e\u0301", "punctuation") == "0000001000"
    assert of("हिन्दी e\u0301", "words") == "123456012"


def test_a_feature_is_that_of_the_character_where_a_token_begins():
    features = text_features(TEXT)
    T = len(TEXT) // 2
    spans = np.stack([np.arange(T) * 2, np.arange(T) * 2 + 2], axis=1)  # tokens of two characters
    states = np.random.default_rng(0).normal(size=(1, T, 3))
    states[0, :, 1] = features["line"][: 2 * T : 2]
    best = rank_units(replace(read(network("lstm"), TEXT), spans=spans, states=states), features)["line"][0]
    assert (best.layer, best.index) == (0, 1)
    assert best.correlation == pytest.approx(1)
