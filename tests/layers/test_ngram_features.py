"""Words and runs of words that vote."""

import math

import numpy as np
import pytest

from rnnnlp.batches.packed import pack
from rnnnlp.layers.ngram_features import COUNTED_TOGETHER, LONGEST, SCALE, NgramFeatures, rows_before
from tests.gradients import check_gradients, pairs

DOCUMENTS = [np.array([1, 2, 1, 2]), np.array([3]), np.array([2, 1, 0])]


def make(rows=50, classes=3, dtype=np.float64):
    votes, rng = NgramFeatures(rows, classes, dtype=dtype), np.random.default_rng(0)
    for array in (votes.ratio, votes.weight.value):
        array[...] = rng.normal(size=(rows, classes))
    return votes


def runs(document):
    """Words as they are, longer runs as tuples; -1 is the beginning."""
    words = [-1, *document.tolist()]
    longer = {
        tuple(words[max(0, last + 1 - length) : last + 1])
        for last in range(1, len(words))
        for length in range(2, LONGEST + 1)
    }
    return {*document.tolist()} | longer


def test_a_sum_over_distinct_runs_by_the_root_of_their_number():
    votes, packed = make(rows=10_000), pack(DOCUMENTS)
    y, _ = votes.forward(packed.values, packed.batch_sizes)
    for i, place in enumerate(packed.order):
        _, found = votes.distinct(DOCUMENTS[place], np.ones(len(DOCUMENTS[place]), np.int64))
        assert len(found) == len(runs(DOCUMENTS[place]))
        expected = (votes.ratio * votes.weight.value)[found].sum(axis=0) * SCALE / len(found) ** 0.5
        np.testing.assert_allclose(y[i], expected)


def test_the_row_before():
    packed = pack(DOCUMENTS)
    np.testing.assert_array_equal(packed.values[rows_before(packed.batch_sizes)], [1, 2, 2, 1, 1])
    np.testing.assert_array_equal(packed.values[3:], [2, 1, 1, 0, 2])


@pytest.mark.parametrize("rows", [3, 50])  # with three, different runs meet
def test_gradient(rows):
    votes, packed = make(rows), pack(DOCUMENTS)
    y, tape = votes.forward(packed.values, packed.batch_sizes)
    dy = np.random.default_rng(1).normal(size=y.shape)
    votes.backward(dy, tape)
    check_gradients(lambda: np.sum(votes.forward(packed.values, packed.batch_sizes)[0] * dy), pairs(votes.parameters()))
    assert set(votes.weight.rows) == set(tape[1])


def test_the_ratio_says_in_how_many_more_documents_of_a_class_a_word_is():
    """By hand: of each run the documents of a class that have it, and one, over the sum of these."""
    labels = np.array([0, 1, 1])
    votes = NgramFeatures(10_000, 2, dtype=np.float64)
    votes.fit(DOCUMENTS, labels)
    has = [runs(document) for document in DOCUMENTS]
    total = [len(has[0]) + 10_000, len(has[1]) + len(has[2]) + 10_000]
    for word in range(5):
        row = (word + 1) * 92_821 % 10_000
        counts = [1 + sum(word in h for h, label in zip(has, labels, strict=True) if label == k) for k in (0, 1)]
        expected = math.log(counts[1] / total[1]) - math.log(counts[0] / total[0])
        np.testing.assert_allclose(votes.ratio[row], [-expected, expected])


def test_the_ratio_is_that_of_all_documents_however_many_are_counted_together():
    rng, votes, labels = np.random.default_rng(0), make(), np.arange(COUNTED_TOGETHER + 7) % 3
    documents = [rng.integers(9, size=rng.integers(1, 5)) for _ in labels]
    votes.fit(documents, labels)
    counts = np.ones((50, 3))
    for document, label in zip(documents, labels, strict=True):
        counts[votes.distinct(document, np.ones(len(document), np.int64))[1], label] += 1
    share = counts / counts.sum(axis=0)
    others = counts.sum(axis=1, keepdims=True) - counts
    np.testing.assert_allclose(votes.ratio, np.log(share / (others / others.sum(axis=0))))


def test_contributions_add_up_to_the_whole():
    votes, packed = make(), pack(DOCUMENTS)
    y, tape = votes.forward(packed.values, packed.batch_sizes)
    dy = np.random.default_rng(1).normal(size=y.shape)
    of_tokens = votes.contributions(dy, tape, packed.values, packed.batch_sizes)
    assert of_tokens.shape == packed.values.shape
    assert of_tokens.sum() == pytest.approx((dy * y).sum())
    (alone,) = np.flatnonzero(packed.order == 1)  # a document of one word has all of its own
    assert of_tokens[alone] == pytest.approx((dy * y)[alone].sum())


def test_equal_words_share_what_they_say():
    votes, document = make(rows=10_000), np.array([4, 5, 4, 5, 4, 5, 4, 5, 4])
    steps = np.ones(9, np.int64)
    y, tape = votes.forward(document, steps)
    of_tokens = votes.contributions(np.ones_like(y), tape, document, steps)
    assert of_tokens[3] == pytest.approx(of_tokens[5])  # the same on both sides, as far as runs reach


def test_each_token_of_a_run_has_the_same_share():
    """By hand: all votes are 0 but those of one run of three, and of one that begins the document."""
    votes, document, steps = make(rows=10_000, classes=1), np.array([4, 5, 6, 7]), np.ones(4, np.int64)
    rows = votes.keys(document, steps).reshape(LONGEST, 4)
    for run, shares in (
        ((2, 2), [1 / 3, 1 / 3, 1 / 3, 0]),
        ((2, 3), [0, 1 / 3, 1 / 3, 1 / 3]),
        ((2, 1), [0.5, 0.5, 0, 0]),
    ):
        votes.weight.value[...] = 0
        votes.weight.value[rows[run]] = 1
        y, tape = votes.forward(document, steps)
        of_tokens = votes.contributions(np.ones_like(y), tape, document, steps)
        np.testing.assert_allclose(of_tokens, np.array(shares) * y[0, 0])


def test_the_rows_of_runs_stay_those_of_saved_votes():
    """What a run's row is must never change: by hand, with 1,000,003 and 92,821."""
    votes, packed = make(rows=1000), pack([np.array([4, 5, 6]), np.array([2])])
    a, b, c, d = (word * 92_821 for word in (5, 6, 7, 3))
    two = [a + 1, 5 * 1_000_003 + b + 1, 6 * 1_000_003 + c + 1]
    triples = [a + 1, two[0] * 1_000_003 + b + 1, two[1] * 1_000_003 + c + 1]
    expected = [a, d, b, c, a + 1, d + 1, *two[1:], a + 1, d + 1, *triples[1:]]
    of_second = [0, 1, 0, 0] * LONGEST
    keys = [second * 1000 + row % 1000 for row, second in zip(expected, of_second, strict=True)]
    assert votes.keys(packed.values, packed.batch_sizes).tolist() == keys


def test_float32_stays_float32():
    packed = pack(DOCUMENTS)
    votes = make(dtype=np.float32)
    votes.fit(DOCUMENTS, np.array([0, 1, 2]))
    y, tape = votes.forward(packed.values, packed.batch_sizes)
    votes.backward(y, tape)
    contributions = votes.contributions(y, tape, packed.values, packed.batch_sizes)
    assert {y.dtype, votes.weight.grad.dtype, contributions.dtype} == {np.dtype(np.float32)}
