"""The bag of words and pairs."""

import numpy as np
import pytest

from rnnnlp.batches.packed import pack
from rnnnlp.layers.pairs import PairBag, rows_before
from tests.gradients import check_gradients, pairs

DOCUMENTS = [np.array([1, 2, 1, 2]), np.array([3]), np.array([2, 1, 0])]


def make(rows=50, dtype=np.float64):
    return PairBag(3, rows=rows, dtype=dtype, rng=np.random.default_rng(0))


def test_a_sum_over_words_and_pairs_by_the_root_of_the_length():
    bag, packed = make(rows=10_000), pack(DOCUMENTS)
    y, _ = bag.forward(packed.values, packed.batch_sizes)
    for i, place in enumerate(packed.order):
        document = DOCUMENTS[place]
        alone = np.ones(len(document), np.int64)
        found = bag.found(document, rows_before(alone))
        assert len(set(found)) == len({*document}) + len({*zip([-1, *document], document, strict=False)})
        np.testing.assert_allclose(y[i], bag.weight.value[found].sum(axis=0) / len(document) ** 0.5)


def test_the_row_before():
    packed = pack(DOCUMENTS)
    np.testing.assert_array_equal(packed.values[rows_before(packed.batch_sizes)], [1, 2, 2, 1, 1])
    np.testing.assert_array_equal(packed.values[3:], [2, 1, 1, 0, 2])


@pytest.mark.parametrize("rows", [3, 50])  # with three, different words and pairs meet
def test_gradient(rows):
    bag, packed = make(rows), pack(DOCUMENTS)
    y, tape = bag.forward(packed.values, packed.batch_sizes)
    dy = np.random.default_rng(1).normal(size=y.shape)
    bag.backward(dy, tape)
    check_gradients(lambda: np.sum(bag.forward(packed.values, packed.batch_sizes)[0] * dy), pairs(bag.parameters()))
    assert set(bag.weight.rows) == set(tape[0])


def test_contributions_add_up_to_the_whole():
    bag, packed = make(), pack(DOCUMENTS)
    y, tape = bag.forward(packed.values, packed.batch_sizes)
    dy = np.random.default_rng(1).normal(size=y.shape)
    of_tokens = bag.contributions(dy, tape)
    assert of_tokens.shape == packed.values.shape
    assert of_tokens.sum() == pytest.approx((dy * y).sum())
    (alone,) = np.flatnonzero(packed.order == 1)  # a document of one word has all of its own
    assert of_tokens[alone] == pytest.approx((dy * y)[alone].sum())


def test_float32_stays_float32():
    packed = pack(DOCUMENTS)
    bag = make(dtype=np.float32)
    y, tape = bag.forward(packed.values, packed.batch_sizes)
    bag.backward(y, tape)
    assert {y.dtype, bag.weight.grad.dtype, bag.contributions(y, tape).dtype} == {np.dtype(np.float32)}
