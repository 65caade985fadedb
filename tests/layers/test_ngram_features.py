"""Hashed n-gram features of NB-SVM."""

import math

import numpy as np
import pytest

from rnnnlp.batches.packed import pack, rows_before
from rnnnlp.layers.ngram_features import DOCUMENTS_PER_COUNT, MAX_N, SCALE, NgramFeatures
from tests.gradients import check_gradients, pairs

DOCUMENTS = [np.array([1, 2, 1, 2]), np.array([3]), np.array([2, 1, 0])]


def make(buckets=50, classes=3, dtype=np.float64):
    ngrams, rng = NgramFeatures(buckets, classes, dtype=dtype), np.random.default_rng(0)
    for array in (ngrams.log_count_ratio, ngrams.weight.value):
        array[...] = rng.normal(size=(buckets, classes))
    return ngrams


def ngrams_of(document):
    """Unigrams as they are, longer n-grams as tuples; -1 is the beginning."""
    words = [-1, *document.tolist()]
    longer = {
        tuple(words[max(0, last + 1 - n) : last + 1]) for last in range(1, len(words)) for n in range(2, MAX_N + 1)
    }
    return {*document.tolist()} | longer


def test_outputs_are_sums_over_unique_ngrams_by_the_root_of_their_number():
    ngrams, packed = make(buckets=10_000), pack(DOCUMENTS)
    y, _ = ngrams.forward(packed.values, packed.batch_sizes)
    for i, index in enumerate(packed.order):
        _, found = ngrams.unique(DOCUMENTS[index], np.ones(len(DOCUMENTS[index]), np.int64))
        assert len(found) == len(ngrams_of(DOCUMENTS[index]))
        expected = (ngrams.log_count_ratio * ngrams.weight.value)[found].sum(axis=0) * SCALE / len(found) ** 0.5
        np.testing.assert_allclose(y[i], expected)


def test_the_row_before():
    packed = pack(DOCUMENTS)
    np.testing.assert_array_equal(packed.values[rows_before(packed.batch_sizes)], [1, 2, 2, 1, 1])
    np.testing.assert_array_equal(packed.values[3:], [2, 1, 1, 0, 2])


@pytest.mark.parametrize("buckets", [3, 50])  # with three, different n-grams share a bucket
def test_gradient(buckets):
    ngrams, packed = make(buckets), pack(DOCUMENTS)
    y, tape = ngrams.forward(packed.values, packed.batch_sizes)
    dy = np.random.default_rng(1).normal(size=y.shape)
    ngrams.backward(dy, tape)
    check_gradients(
        lambda: np.sum(ngrams.forward(packed.values, packed.batch_sizes)[0] * dy), pairs(ngrams.parameters())
    )
    assert set(ngrams.weight.rows) == set(tape[1])


def test_log_count_ratio_by_hand():
    """For each n-gram: the number of documents of a class that have it, plus one, over the sum of these counts."""
    labels = np.array([0, 1, 1])
    ngrams = NgramFeatures(10_000, 2, dtype=np.float64)
    ngrams.fit(DOCUMENTS, labels)
    has = [ngrams_of(document) for document in DOCUMENTS]
    total = [len(has[0]) + 10_000, len(has[1]) + len(has[2]) + 10_000]
    for word in range(5):
        bucket = (word + 1) * 92_821 % 10_000
        counts = [1 + sum(word in h for h, label in zip(has, labels, strict=True) if label == k) for k in (0, 1)]
        expected = math.log(counts[1] / total[1]) - math.log(counts[0] / total[0])
        np.testing.assert_allclose(ngrams.log_count_ratio[bucket], [-expected, expected])


def test_log_count_ratio_does_not_depend_on_the_number_of_documents_counted_at_a_time():
    rng, ngrams, labels = np.random.default_rng(0), make(), np.arange(DOCUMENTS_PER_COUNT + 7) % 3
    documents = [rng.integers(9, size=rng.integers(1, 5)) for _ in labels]
    ngrams.fit(documents, labels)
    counts = np.ones((50, 3))
    for document, label in zip(documents, labels, strict=True):
        counts[ngrams.unique(document, np.ones(len(document), np.int64))[1], label] += 1
    share = counts / counts.sum(axis=0)
    others = counts.sum(axis=1, keepdims=True) - counts
    np.testing.assert_allclose(ngrams.log_count_ratio, np.log(share / (others / others.sum(axis=0))))


def test_contributions_add_up_to_the_whole():
    ngrams, packed = make(), pack(DOCUMENTS)
    y, tape = ngrams.forward(packed.values, packed.batch_sizes)
    dy = np.random.default_rng(1).normal(size=y.shape)
    of_tokens = ngrams.contributions(dy, tape, packed.values, packed.batch_sizes)
    assert of_tokens.shape == packed.values.shape
    assert of_tokens.sum() == pytest.approx((dy * y).sum())
    (alone,) = np.flatnonzero(packed.order == 1)  # the only token of a document has all of its output
    assert of_tokens[alone] == pytest.approx((dy * y)[alone].sum())


def test_occurrences_of_an_ngram_share_its_contribution():
    ngrams, document = make(buckets=10_000), np.array([4, 5, 4, 5, 4, 5, 4, 5, 4])
    steps = np.ones(9, np.int64)
    y, tape = ngrams.forward(document, steps)
    of_tokens = ngrams.contributions(np.ones_like(y), tape, document, steps)
    assert of_tokens[3] == pytest.approx(of_tokens[5])  # the n-grams around both are the same


def test_tokens_of_an_ngram_have_equal_shares():
    """By hand: all weights are 0 but those of one trigram, and of one n-gram that begins the document."""
    ngrams, document, steps = make(buckets=10_000, classes=1), np.array([4, 5, 6, 7]), np.ones(4, np.int64)
    keys = ngrams.keys(document, steps).reshape(MAX_N, 4)
    for ngram, shares in (
        ((2, 2), [1 / 3, 1 / 3, 1 / 3, 0]),
        ((2, 3), [0, 1 / 3, 1 / 3, 1 / 3]),
        ((2, 1), [0.5, 0.5, 0, 0]),
    ):
        ngrams.weight.value[...] = 0
        ngrams.weight.value[keys[ngram]] = 1
        y, tape = ngrams.forward(document, steps)
        of_tokens = ngrams.contributions(np.ones_like(y), tape, document, steps)
        np.testing.assert_allclose(of_tokens, np.array(shares) * y[0, 0])


def test_buckets_are_those_of_saved_models():
    """The bucket of an n-gram must never change: by hand, with 1,000,003 and 92,821."""
    ngrams, packed = make(buckets=1000), pack([np.array([4, 5, 6]), np.array([2])])
    a, b, c, d = (word * 92_821 for word in (5, 6, 7, 3))
    two = [a + 1, 5 * 1_000_003 + b + 1, 6 * 1_000_003 + c + 1]
    triples = [a + 1, two[0] * 1_000_003 + b + 1, two[1] * 1_000_003 + c + 1]
    expected = [a, d, b, c, a + 1, d + 1, *two[1:], a + 1, d + 1, *triples[1:]]
    of_second = [0, 1, 0, 0] * MAX_N
    keys = [second * 1000 + hashed % 1000 for hashed, second in zip(expected, of_second, strict=True)]
    assert ngrams.keys(packed.values, packed.batch_sizes).tolist() == keys


def test_float32_stays_float32():
    packed = pack(DOCUMENTS)
    ngrams = make(dtype=np.float32)
    ngrams.fit(DOCUMENTS, np.array([0, 1, 2]))
    y, tape = ngrams.forward(packed.values, packed.batch_sizes)
    ngrams.backward(y, tape)
    contributions = ngrams.contributions(y, tape, packed.values, packed.batch_sizes)
    assert {y.dtype, ngrams.weight.grad.dtype, contributions.dtype} == {np.dtype(np.float32)}
