"""Gradients that are added up, and the rows that they touch."""

import pickle

import numpy as np

from rnnnlp.layers.parameter import Parameter


def test_a_new_parameter_has_no_gradient():
    p = Parameter(np.ones((3, 2)))
    assert not p.grad.any()
    assert len(p.rows) == 0


def test_rows_that_repeat_are_summed_and_others_left_alone():
    rng = np.random.default_rng(0)
    p = Parameter(rng.normal(size=(6, 2)))
    expected = np.zeros((6, 2))
    for ids in (np.array([4, 1, 4, 4]), np.array([1, 0])):
        gradient = rng.normal(size=(len(ids), 2))
        p.add_rows(ids, gradient)
        for k, row in zip(ids, gradient, strict=True):
            expected[k] += row
    np.testing.assert_allclose(p.grad, expected, rtol=1e-14)
    assert p.rows.tolist() == [0, 1, 4]


def test_a_full_gradient_touches_every_row_before_and_after_a_sparse_one():
    for full_first in (True, False):
        p = Parameter(np.zeros((3, 1)))
        if full_first:
            p.add(np.ones((3, 1)))
        p.add_rows(np.array([1]), np.ones((1, 1)))
        if not full_first:
            p.add(np.ones((3, 1)))
        assert p.rows is None
        assert p.grad[:, 0].tolist() == [1, 2, 1]


def test_a_pickle_has_a_gradient_only_where_there_is_one():
    p = Parameter(np.ones((1000, 2)))
    assert len(pickle.dumps(p)) < 1.1 * p.value.nbytes
    again = pickle.loads(pickle.dumps(p))
    again.add_rows(np.array([3]), np.ones((1, 2)))
    assert not p.grad.any()
    twice = pickle.loads(pickle.dumps(again))
    assert twice.grad.sum() == 2
    assert twice.rows.tolist() == [3]


def test_zero_grad_clears_all_that_was_added():
    p = Parameter(np.zeros((4, 2)))
    p.add_rows(np.array([2, 0]), np.ones((2, 2)))
    p.zero_grad()
    assert not p.grad.any()
    assert len(p.rows) == 0
    p.add(np.ones((4, 2)))
    p.zero_grad()
    assert not p.grad.any()
