"""Texts to label next: between two classes, of every class and length, and no text twice."""

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.uncertain import margins, most_uncertain, ngrams, spread, without_similar

WORDS = "apple bread cloud drum eagle flute grape house island jewel kite lemon mouse night ocean pearl".split()


def texts_of(count: int, rng: np.random.Generator) -> list[str]:
    return [" ".join(rng.choice(WORDS, size=rng.integers(3, 30))) for _ in range(count)]


def test_margin_is_that_of_the_two_most_probable_classes():
    found = margins(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]]))
    np.testing.assert_allclose(found, [0.2, 0.7, 0.0], atol=1e-12)


def test_the_smallest_margins_of_each_class_and_length_are_taken():
    rng = np.random.default_rng(0)
    margin, predicted, lengths = rng.random(600), np.repeat([0, 1], [450, 150]), rng.permutation(600)
    order = spread(margin, predicted, lengths)
    assert sorted(order) == list(range(600))
    for count in (60, 120):
        first = order[:count]
        assert abs(np.mean(predicted[first]) - 0.25) < 0.05
        thirds = np.bincount(lengths[first] * 3 // 600, minlength=3)
        assert thirds.max() - thirds.min() <= 0.1 * count
        for k in (0, 1):
            for third in range(3):
                group = (predicted == k) & (lengths * 3 // 600 == third)
                taken = np.isin(np.arange(600), first)
                assert margin[group & taken].max() < margin[group & ~taken].min()


def test_copies_known_and_missing_texts_are_left_out(caplog: pytest.LogCaptureFixture):
    texts = ["a good film", " a good  film ", None, "", "the plot is thin", "known one", "an entirely other matter"]
    probabilities = np.tile([0.5, 0.5], (7, 1))
    probabilities[2] = np.nan
    found = most_uncertain(texts, probabilities, 7, known={"known one"})
    assert sorted(found) == [0, 4, 6]
    assert "3 texts instead of 7" in caplog.text
    assert most_uncertain([], np.empty((0, 2)), 3).tolist() == []


def test_texts_that_are_nearly_the_same_are_asked_for_once():
    rng = np.random.default_rng(1)
    others = texts_of(8, rng)
    same = [f"The battery of this telephone is empty after one day, order {i}." for i in range(20)]
    chosen = without_similar(list(enumerate([*same, *others])), 28)
    assert chosen == [0, *range(20, 28)]
    assert without_similar(list(enumerate(others)), 3) == [0, 1, 2]
    assert ngrams("质量") == {"质量"}
    assert len(ngrams("x " * 10_000)) < 5
    long = " ".join(texts_of(20, rng))
    assert len(ngrams(long)) == 100
    assert len(ngrams(long) & ngrams(f"Again: {long}")) > 90


def test_less_than_one_text_is_refused():
    with pytest.raises(UserError, match=r"^n is 0; it must be at least 1"):
        most_uncertain(["a"], np.array([[0.5, 0.5]]), 0)


def test_a_classifier_tells_the_indices():
    from rnnnlp import SentimentClassifier

    rng = np.random.default_rng(2)
    options = {"steps": 3, "hidden_size": 4, "embedding_size": 4, "evaluations": 1}
    classifier = SentimentClassifier(**options).fit(texts_of(20, rng), ["up", "down"] * 10)
    pool = [None, *texts_of(30, rng)]
    found = classifier.uncertain(pool, 5)
    assert len(set(found.tolist())) == 5
    assert 0 not in found
    assert found.tolist() == classifier.network_.uncertain(pool, 5).tolist()
