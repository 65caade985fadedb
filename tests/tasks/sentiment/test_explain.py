"""The contribution of a token is the derivative of the log-odds along its embedding, at its position in the text."""

import numpy as np
import pytest

from rnnnlp.kernels import CELLS
from rnnnlp.layers.loss import log_odds_gradient, softmax
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.explain import Contribution, Explanation, Explanations, whole_clusters
from rnnnlp.tasks.sentiment.linear import VIEWS, LinearModel, ngrams_of
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import BPETokenizer, ByteTokenizer, CharTokenizer, Tokenizer, WordTokenizer
from tests.gradients import check_gradients, randomize
from tests.tasks.sentiment.log_odds import slope_along

WORDS = "the film was good but bad".split()
MARKED = ["ที่นี่น้ำดี", "ខ្ញុំល្អ", "က္ကော", "中か\u3099好"]  # letters with marks, one token each by words


def make(
    cell: str = "gru", pooling: str = "mean+max", labels: str = "abc", tokenizer: Tokenizer | None = None, **settings
) -> SentimentNetwork:
    tokenizer = tokenizer or WordTokenizer(WORDS)
    config = SentimentConfig(
        vocab_size=tokenizer.vocab_size,
        labels=tuple(labels),
        cell=cell,
        embedding_size=3,
        hidden_size=4,
        pooling=pooling,
        **settings,
    )
    model = SentimentNetwork(config, tokenizer, rng=np.random.default_rng(0), dtype=np.float64)
    randomize(model.parameters(), np.random.default_rng(1))
    model.log_temperature[0] = 0.3
    return model


def test_another_label_than_the_most_probable():
    model, texts = make(labels="ab"), ["the film was good", "bad but good"]
    of_labels = [model.explain_classes(texts, np.full(2, label)) for label in (0, 1)]
    for words in zip(*of_labels, strict=True):
        one, other = ([word.weight for word in of_label] for of_label in words)
        assert one == pytest.approx([-weight for weight in other])  # for one of two is against the other
    best = model.predict_proba(texts).argmax(axis=1)
    assert model.explain_classes(texts, best) == model.explain(texts)


@pytest.mark.parametrize("classes", [[0, 1, 3, 2, 1], [3, 3, 0, 0, 2]])
def test_gradient_of_the_log_odds(classes):
    logits, row = np.random.default_rng(0).normal(size=(5, 4)), np.arange(5)

    def loss() -> float:
        p = softmax(logits)[row, classes]
        return float(np.log(p / (1 - p)).sum())

    check_gradients(loss, {"logits": (logits, log_odds_gradient(logits, np.array(classes)))})


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_contribution_is_the_change_of_the_log_odds_along_the_embedding(cell: str, pooling: str):
    model = make(cell, pooling, num_layers=2)
    for text in ("the film was good", "bad but good, bad film"):
        label = int(model.predict_proba([text])[0].argmax())
        (found,) = model.explain([text])
        for word in set(text.replace(",", " ,").split()):
            row = model.embedding.weight.value[model.encode([word])[0][0]]
            total = sum(weight for start, stop, weight in found if text[start:stop] == word)
            assert total == pytest.approx(slope_along([row], model, text, label), rel=1e-6, abs=1e-8), word


def test_each_text_is_explained_as_if_it_were_alone_and_in_order():
    model = make()
    texts = ["good", "", "the film was bad but good", "the the the bad", "good film"]
    together = model.explain(texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = model.explain([text])
        assert [word[:2] for word in found] == [word[:2] for word in alone]
        np.testing.assert_allclose([w.weight for w in found], [w.weight for w in alone], rtol=1e-10)
        assert [text[start:stop] for start, stop, _ in found] == text.split()
    assert model.explain([]) == []


def test_no_gradient_is_left_behind():
    model = make(pooling="attention")
    model.explain(["the film was good", "bad"])
    assert not any(p.grad.any() for p in model.parameters().values())


def test_of_a_long_text_the_parts_that_were_read_are_explained():
    model = make(max_length=4)
    text = "the film was good but bad good"
    (found,) = model.explain([text])
    assert [text[start:stop] for start, stop, _ in found] == ["the", "film", "bad", "good"]


def test_of_a_long_text_other_words_that_contribute_are_explained_too():
    """A linear model of characters reads the whole text."""
    model, text = make(labels="ab", max_length=4), "the film was good so xyz or good film"
    ngrams = np.unique(ngrams_of(VIEWS["characters"], ["xyz"], []).ngrams)
    model.add_linear(LinearModel({"characters": len(ngrams)}, 2))
    view = model.linear.views["characters"]
    view.ngrams[...], view.scale[...], view.weight[...] = ngrams, 1, 1
    model.linear.weights[...], model.stacking[...] = 1, 0.5
    (found,) = model.explain([text])
    assert [text[start:stop] for start, stop, _ in found] == ["the", "film", "xyz", "good", "film"]
    assert all(word.weight for word in found)


def test_ngram_features_contribute_too():
    """Along all embeddings and n-gram weights at once the log-odds change by the sum of all contributions."""
    model, text = make(ngram_buckets=20), "the film was good but good"
    rng = np.random.default_rng(5)
    for table in (model.ngrams.log_count_ratio, model.ngrams.weight.value):
        table[...] = 0.1 * rng.normal(size=table.shape)
    label = int(model.predict_proba([text])[0].argmax())
    (found,) = model.explain([text])
    tables = [model.embedding.weight.value, model.ngrams.weight.value]
    assert sum(word.weight for word in found) == pytest.approx(slope_along(tables, model, text, label), rel=1e-6)


@pytest.mark.parametrize(
    "tokenizer",
    [
        ByteTokenizer(),
        CharTokenizer.train(MARKED),
        BPETokenizer.train(["ท", "น้"], vocab_size=300, min_frequency=1),
        WordTokenizer.train(MARKED, min_frequency=1),
    ],
    ids=lambda tokenizer: tokenizer.kind,
)
def test_a_letter_and_its_marks_are_explained_together(tokenizer: Tokenizer):
    model = make(tokenizer=tokenizer)
    for text, tokens, words in zip(MARKED, model.explain_classes(MARKED), model.explain(MARKED), strict=True):
        assert sum(word.weight for word in words) == pytest.approx(sum(token.weight for token in tokens))
        assert [text[word.start : word.stop].strip() for word in words if text[word.start : word.stop].strip()] == [
            text[start:stop] for start, stop in WordTokenizer([]).spans(text)
        ]


@pytest.mark.parametrize(
    "tokenizer",
    [ByteTokenizer(), CharTokenizer.train(["a b\r\n\t"]), BPETokenizer.train(["a"], vocab_size=300, min_frequency=1)],
    ids=lambda tokenizer: tokenizer.kind,
)
def test_white_space_around_a_text_means_nothing(tokenizer: Tokenizer):
    """Texts of one class may come from a file with other line ends."""
    model, texts = make(tokenizer=tokenizer), ["a b", "b", ""]
    around = [f"\t {text}\r\n" for text in texts]
    assert np.array_equal(model.predict_proba(around), model.predict_proba(texts))
    for text, plain, words in zip(around, model.explain(texts), model.explain(around), strict=True):
        assert [(start - 2, stop - 2, weight) for start, stop, weight in words] == list(plain)
        assert "".join(text[start:stop] for start, stop, _ in words) == text.strip()


def test_words_that_are_far_apart_are_not_joined():
    first, last = Contribution(0, 1, 1.0), Contribution(5, 6, 2.0)
    assert whole_clusters("ที่ที่", [first, last]) == [first, last]  # the middle was not read
    assert whole_clusters("ที่ที่", [first, Contribution(1, 3, 2.0)]) == [Contribution(0, 3, 3.0)]
    assert whole_clusters("中", [Contribution(0, 1, 1.0)] * 3) == [Contribution(0, 1, 3.0)]


def test_a_notebook_shows_the_text_in_colours():
    found = Explanation("a <b> good\u202e", [Contribution(2, 5, 0.5), Contribution(6, 10, -1.0)])
    shown = found._repr_html_()
    assert "rgba(0, 150, 60, 0.30)" in shown
    assert "rgba(220, 50, 30, 0.60)" in shown
    assert "&lt;b&gt;</span> <span" in shown
    assert "\u202e" not in shown  # it would turn the page around
    assert Explanations([found, None])._repr_html_().startswith(shown)
    model = make()
    assert "good" in model.explain(["the film was good"])._repr_html_()
