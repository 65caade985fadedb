"""The linear model beside a network: against scikit-learn, in explanations, and on disk."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment import linear_fitting
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.linear import SPACE, VIEWS, LinearModel, NgramModel, characters_of, ngrams_of, places_in
from rnnnlp.tasks.sentiment.linear_fitting import Examples, cross_validated, fit, fit_linear, stratified_folds
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.train import views_for
from rnnnlp.text import train_tokenizer

GOOD, BAD = ("good", "fine", "lovely", "a joy"), ("bad", "poor", "awful", "a bore")


def texts_with_labels(number: int, classes: int = 2, seed: int = 0) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, number)
    words = [*GOOD, *BAD, "the film", "it was", "and then", "very", "İstanbul", "Ende"]
    texts = []
    for label in labels:
        chosen = rng.choice(words, 5).tolist() + [(BAD, GOOD, ("so so", "meh"))[label][rng.integers(0, 2)]] * 2
        texts.append("  ".join(chosen))
    return texts, labels


def examples_of(number: int, classes: int = 2) -> Examples:
    texts, labels = texts_with_labels(number, classes)
    tokenizer = train_tokenizer("word", texts, min_frequency=1)
    return Examples(texts, tokenizer.encode_batch(texts), labels, None, classes)


def fitted(view: str, examples: Examples, strength: float = 1.0, rows: np.ndarray | None = None) -> NgramModel:
    counted = ngrams_of(VIEWS[view], examples.texts, examples.documents)
    model = NgramModel(VIEWS[view], len(np.unique(counted.ngrams)), examples.classes)
    model.ngrams[...] = np.unique(counted.ngrams)
    rows = np.arange(len(examples.texts)) if rows is None else rows
    fit(model, examples, counted.of(model.ngrams), rows, strength)
    return model


def test_words_are_tf_idf_with_logistic_regression() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    examples = examples_of(60)
    as_words = [" ".join(f"w{i}" for i in ids) for ids in examples.documents]
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))
    expected = LogisticRegression(C=3.0, tol=1e-6).fit(vectorizer.fit_transform(as_words[:40]), examples.labels[:40])
    z = expected.decision_function(vectorizer.transform(as_words))
    model = fitted("words", examples, 3.0, np.arange(40))
    np.testing.assert_allclose(
        model.logits(examples.texts, examples.documents), np.stack([-z / 2, z / 2], axis=1), atol=5e-3
    )


def test_characters_are_those_within_words() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    examples = examples_of(20)
    vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), norm="l2")
    matrix = vectorizer.fit_transform(examples.texts)
    counted = ngrams_of(VIEWS["characters"], examples.texts, examples.documents)
    vocabulary = np.unique(counted.ngrams)
    model = NgramModel(VIEWS["characters"], len(vocabulary), 2)
    model.ngrams[...], found = vocabulary, counted.of(vocabulary)
    in_texts = np.bincount(found.ngrams)
    model.scale[...] = np.log((1 + len(examples.texts)) / (1 + in_texts)) + 1
    features = model.features(found)
    for i, row in enumerate(matrix):  # scikit-learn counts the space between two words twice, as a part of each
        assert np.corrcoef(np.sort(features[found.starts[i] : found.starts[i + 1]]), np.sort(row.data))[0, 1] > 0.99


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("classes", [2, 3])
def test_views_learn_and_their_contributions_add_up(view: str, classes: int) -> None:
    examples = examples_of(120, classes)
    model = fitted(view, examples)
    logits = model.logits(examples.texts, examples.documents)
    assert (logits.argmax(axis=1) == examples.labels).mean() > 0.85
    dlogits = np.random.default_rng(1).normal(size=classes)
    dz = (dlogits[1:] - dlogits[:1]) / 2 if classes == 2 else dlogits
    for text, ids, z in zip(examples.texts[:9], examples.documents, logits, strict=False):
        own = characters_of(text) if VIEWS[view].characters else ids
        of_ids = model.contributions(own, dz)
        np.testing.assert_allclose(of_ids.sum() + model.bias @ dz, z @ dlogits, rtol=1e-4)
        if VIEWS[view].characters:
            assert not of_ids[own == SPACE].any()


def test_places_of_characters_are_in_the_text() -> None:
    for text in ("", " ", "Hello  World ", "\n\tİstanbul ΟΔΟΣ\u2003c", "ß", "ﬁn ŉ"):
        places = places_in(text)
        assert len(places) == (len(characters_of(text)) if text else 0)
        assert all(0 <= place < len(text) for place in places)
    assert places_in("a  bc").tolist() == [0, 0, 3, 3, 4, 4]


def test_a_class_that_the_rows_lack_is_improbable() -> None:
    examples = examples_of(90, 3)
    model = fitted("words", examples, rows=np.flatnonzero(examples.labels != 2))
    assert model.logits(examples.texts, examples.documents).argmax(axis=1).max() == 1
    one = fitted("words", examples, rows=np.flatnonzero(examples.labels == 1))
    assert np.isfinite(one.logits(examples.texts, examples.documents)).all()


@pytest.mark.parametrize("only", [0, 1])
def test_rows_of_one_class_make_it_probable(only: int) -> None:
    examples = examples_of(40)
    model = fitted("words", examples, rows=np.flatnonzero(examples.labels == only))
    assert (model.logits(examples.texts, examples.documents).argmax(axis=1) == only).all()


@pytest.mark.parametrize("balanced", [False, True])
def test_texts_without_weight_do_not_count(balanced: bool) -> None:
    examples = examples_of(60)
    weights = np.where(np.arange(60) < 40, 1.0, 0.0)
    weighted = dataclasses.replace(examples, weights=weights, balanced=balanced)
    model = fitted("words", weighted)
    some = fitted("words", dataclasses.replace(examples, balanced=balanced), rows=np.arange(40))
    if not balanced:
        np.testing.assert_allclose(model.weight, some.weight, rtol=1e-4, atol=1e-5)
    only_one_class = dataclasses.replace(weighted, weights=np.asarray(examples.labels, float))
    logits = fitted("words", only_one_class).logits(examples.texts, examples.documents)
    assert (logits.argmax(axis=1) == 1).all()


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("scale", [1e-50, 1e39])
def test_only_the_ratios_of_weights_count(scale: float, balanced: bool) -> None:
    examples = examples_of(60)
    weights = 1.0 + np.arange(60) % 3
    first, second = (
        fitted("words", dataclasses.replace(examples, weights=factor * weights, balanced=balanced))
        for factor in (1.0, scale)
    )
    assert np.abs(first.weight).max() > 0.1
    np.testing.assert_allclose(first.weight, second.weight, rtol=1e-4, atol=1e-5)


def test_a_vocabulary_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_fitting, "MAX_NGRAMS", 10)
    found = ngrams_of(VIEWS["words"], *(lambda e: (e.texts, e.documents))(examples_of(20)))
    vocabulary = linear_fitting.vocabulary_of(found)
    assert len(vocabulary) == 10
    assert (np.diff(vocabulary) > 0).all()


def test_folds_are_stratified_and_may_be_of_a_part() -> None:
    labels = np.array([0] * 50 + [1] * 10 + [2])
    folds = stratified_folds(labels, 5, rng=np.random.default_rng(0))
    assert np.bincount(folds).tolist() == [13, 12, 12, 12, 12]
    assert np.bincount(folds[labels == 1]).tolist() == [2, 2, 2, 2, 2]
    some = stratified_folds(labels, 3, rng=np.random.default_rng(0), most=20)
    assert 14 <= (some >= 0).sum() <= 20
    assert set(some.tolist()) == {-1, 0, 1, 2}


def test_out_of_fold_logits_are_of_models_that_have_not_seen_the_text() -> None:
    """Labels without any relation to the texts are predicted no better than by chance."""
    texts, _ = texts_with_labels(200)
    labels = np.random.default_rng(5).integers(0, 2, 200)
    tokenizer = train_tokenizer("word", texts, min_frequency=1)
    examples = Examples(texts, tokenizer.encode_batch(texts), labels, None, 2)
    folds = stratified_folds(labels, 5, rng=np.random.default_rng(0))
    model, out_of_fold_logits, _ = cross_validated(VIEWS["characters"], examples, folds)
    assert abs((out_of_fold_logits.argmax(axis=1) == labels).mean() - 0.5) < 0.1
    assert (model.logits(texts, examples.documents).argmax(axis=1) == labels).mean() > 0.6


THAI = ["อาหารอร่อยมาก", "บริการแย่มาก"]


@pytest.mark.parametrize(
    ("kind", "texts", "budget", "views"),
    [
        ("word", ["a good film"], None, ("words", "ratios", "characters")),
        ("word", THAI, 60.0, ("words", "ratios", "characters")),
        ("bpe", ["a good film"], 60.0, ("words", "ratios", "characters")),
        ("bpe", THAI, 60.0, ("characters", "character_ratios")),
        ("bpe", ["这家酒店很好"], None, ("characters", "character_ratios")),
        ("bpe", [20_000 * text for text in THAI], 5.0, ("words", "ratios")),  # too many for the time
        ("word", [400_000 * "good film "], None, ("words", "ratios", "characters")),
        ("word", [400_001 * "good film "], None, ("words", "ratios")),  # too many for the memory
    ],
)
def test_what_linear_models_see(kind: str, texts: list[str], budget: float | None, views: tuple[str, ...]) -> None:
    tokenizer = train_tokenizer(kind, THAI, vocab_size=300)
    examples = Examples(texts, [], np.zeros(len(texts), np.int64), None, 2)
    assert views_for(examples, tokenizer, budget) == views


def test_a_saved_model_has_the_same_weights_for_its_views(tmp_path: Path) -> None:
    examples = examples_of(100)
    folds = stratified_folds(examples.labels, 5, rng=np.random.default_rng(0))
    model = fit_linear(("character_ratios", "characters"), examples, folds).model
    tokenizer = train_tokenizer("word", examples.texts, min_frequency=1)
    config = SentimentConfig(tokenizer.vocab_size, ("a", "b"), "gru", 4, 4)
    network = SentimentNetwork(config, tokenizer, rng=np.random.default_rng(0))
    network.add_linear(model)
    model.weights[...] = [3.0, 0.1]
    network.stacking[...] = 0.0, 1.0
    network.save_pretrained(tmp_path / "run")
    loaded = SentimentNetwork.from_pretrained(tmp_path / "run")
    np.testing.assert_array_equal(loaded.predict_proba(examples.texts), network.predict_proba(examples.texts))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_shares_of_the_classes_are_those_of_the_texts(classes: int) -> None:
    """Whatever the weights of the views are, unless the shares shall be others."""
    texts, labels = texts_with_labels(900, classes)
    rng = np.random.default_rng(3)
    labels = np.where(rng.random(900) < 0.3, rng.integers(0, classes, 900), labels)  # hard to tell
    kept = np.flatnonzero((labels > 0) | (rng.random(900) < 0.15))
    texts, labels = [texts[k] for k in kept], labels[kept]
    tokenizer = train_tokenizer("word", texts, min_frequency=1)
    examples = Examples(texts, tokenizer.encode_batch(texts), labels, None, classes)
    folds = stratified_folds(labels, 5, rng=np.random.default_rng(0))
    found = fit_linear(("words", "ratios"), examples, folds)
    shares = np.bincount(labels) / len(labels)
    assert softmax(found.out_of_fold_logits).mean(axis=0) == pytest.approx(shares, abs=0.01)
    alike = fit_linear(("words", "ratios"), dataclasses.replace(examples, weights=np.full(len(labels), 2.0)), folds)
    assert softmax(alike.out_of_fold_logits).mean(axis=0) == pytest.approx(shares, abs=0.01)
    found = fit_linear(("words", "ratios"), dataclasses.replace(examples, balanced=True), folds)
    assert softmax(found.out_of_fold_logits).mean(axis=0)[0] > shares[0] + 0.05


def test_views_are_stacked() -> None:
    examples = examples_of(100)
    found = fit_linear(list(VIEWS), examples, stratified_folds(examples.labels, 5, rng=np.random.default_rng(0)))
    assert isinstance(found.model, LinearModel)
    assert found.model.weights.min() >= 0
    parts = [m.logits(examples.texts, examples.documents) for m in found.model.views.values()]
    expected = np.tensordot(found.model.weights, np.stack(parts), 1)
    np.testing.assert_allclose(found.model.logits(examples.texts, examples.documents), expected, rtol=1e-5)
    assert (found.out_of_fold_logits.argmax(axis=1) == examples.labels).mean() > 0.8


@pytest.mark.parametrize("view", ["words", "ratios"])
def test_a_small_vocabulary_has_the_ngrams_that_decide(view: str) -> None:
    examples = examples_of(120)
    folds = stratified_folds(examples.labels, 3, rng=np.random.default_rng(0))
    whole, small = (cross_validated(VIEWS[view], examples, folds, most=most)[0] for most in (10_000, 20))
    assert len(small.ngrams) == 20 < len(whole.ngrams)
    assert small.is_ordered
    assert set(small.ngrams.tolist()) <= set(whole.ngrams.tolist())
    right = small.logits(examples.texts, examples.documents).argmax(axis=1) == examples.labels
    assert right.mean() > 0.9
