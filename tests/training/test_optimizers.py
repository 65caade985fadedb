"""The optimizers by hand, and what torch.optim does not know: rows without a gradient."""

import numpy as np
import pytest

from rnnnlp.layers.parameter import Parameter
from rnnnlp.training.optimizers import OPTIMIZERS, Adam, RMSprop, clipping, global_norm


def approx(values):
    return pytest.approx(values, rel=1e-7)


def parameter(value, gradient=None):
    p = Parameter(np.array(value, dtype=float))
    if gradient is not None:
        p.add(np.array(gradient, dtype=float))
    return p


def two_steps(kind, **options):
    """A matrix of one entry, 3, with gradients 2 and then -1 at a learning rate of 0.1: the values after each step."""
    p = parameter([[3.0]])
    steps = OPTIMIZERS[kind]({"p": p}, **options)
    values = []
    for gradient in (2.0, -1.0):
        p.zero_grad()
        p.add(np.array([[gradient]]))
        steps.step(0.1)
        values.append(p.value[0, 0])
    return values


def test_sgd():
    # momentum 2, then 0.5*2 - 1 = 0
    assert two_steps("sgd", momentum=0.5) == approx([2.8, 2.8])
    # with decay 0.1: momentum 2 + 0.3, then 0.5*2.3 - 1 + 0.1*2.77
    assert two_steps("sgd", momentum=0.5, weight_decay=0.1) == approx([2.77, 2.77 - 0.1 * (1.15 - 1 + 0.277)])


def test_rmsprop():
    share = 1 - RMSprop.beta
    v = [share * 4, RMSprop.beta * share * 4 + share * 1]
    first = 3 - 0.1 * 2 / np.sqrt(v[0])
    assert two_steps("rmsprop") == approx([first, first + 0.1 / np.sqrt(v[1])])


@pytest.mark.parametrize("b1", [0.9, 0.6])
def test_adam_and_adamw(b1):
    b2 = Adam.beta2
    m = b1 * (1 - b1) * 2 - (1 - b1)
    v = b2 * (1 - b2) * 4 + (1 - b2)
    second = 0.1 * (m / (1 - b1**2)) / np.sqrt(v / (1 - b2**2))
    # The first step is the learning rate, whatever the gradient.
    assert two_steps("adam", momentum=b1) == approx([2.9, 2.9 - second])
    first = 3 * (1 - 0.1 * 0.5) - 0.1
    assert two_steps("adamw", weight_decay=0.5, momentum=b1) == approx([first, first * (1 - 0.1 * 0.5) - second])


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_weight_decay_spares_vectors(kind):
    p, q = parameter([1.0, 2.0], [0.5, 0.5]), parameter([1.0, 2.0], [0.5, 0.5])
    OPTIMIZERS[kind]({"p": p}, weight_decay=0.3).step(0.1)
    OPTIMIZERS[kind]({"q": q}).step(0.1)
    assert np.array_equal(p.value, q.value)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_parameter_may_learn_at_a_rate_of_its_own(kind):
    rng = np.random.default_rng(0)
    values, gradients = rng.normal(size=(3, 2)), [rng.normal(size=(3, 2)) for _ in range(3)]

    def trained(rate, lr):
        p, other = Parameter(values.copy()), Parameter(values.copy())
        p.lr_scale = rate
        steps = OPTIMIZERS[kind]({"p": p, "other": other}, weight_decay=0.1)
        for gradient in gradients:
            for q in (p, other):
                q.zero_grad()
                q.add(gradient)
            steps.step(lr)
        return p.value, other.value

    own, full = trained(0.25, 0.1)
    assert np.array_equal(full, trained(1.0, 0.1)[0])
    np.testing.assert_allclose(own, trained(1.0, 0.025)[0], rtol=1e-12)
    assert not np.allclose(own, full)


@pytest.mark.parametrize("kind", OPTIMIZERS)
@np.errstate(invalid="ignore", over="ignore")
def test_what_does_not_learn_stays_whatever_its_gradient(kind):
    frozen, other = parameter([1.0, 2.0], [np.inf, np.nan]), parameter([1.0, 2.0], [0.5, 0.5])
    frozen.lr_scale = 0.0
    OPTIMIZERS[kind]({"frozen": frozen, "other": other}, weight_decay=0.1).step(0.1)
    assert frozen.value.tolist() == [1.0, 2.0]
    assert other.value.tolist() != [1.0, 2.0]
    assert list(global_norm({"frozen": frozen, "other": other})[1]) == ["other"]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_rows_without_a_gradient_are_left_alone(kind):
    rng = np.random.default_rng(0)
    table = Parameter(rng.normal(size=(6, 2)))
    steps = OPTIMIZERS[kind]({"table": table}, weight_decay=0.1)
    for ids in ([0, 1, 3], [1, 3, 4]):
        before = table.value.copy()
        slots = {name: arrays["table"].copy() for name, arrays in steps.slots.items()}
        table.zero_grad()
        table.add_rows(np.array(ids), rng.normal(size=(3, 2)))
        steps.step(0.1)
        others = np.setdiff1d(np.arange(6), ids)
        assert (table.value[ids] != before[ids]).all()
        assert np.array_equal(table.value[others], before[others])
        for name, slot in slots.items():
            assert np.array_equal(steps.slots[name]["table"][others], slot[others])


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_sparse_gradient_of_all_rows_is_a_full_one(kind):
    rng = np.random.default_rng(0)
    value, gradients = rng.normal(size=(4, 2)), rng.normal(size=(3, 4, 2))
    sparse, full = Parameter(value.copy()), Parameter(value.copy())
    steps = [OPTIMIZERS[kind]({"p": p}, weight_decay=0.1) for p in (sparse, full)]
    for gradient in gradients:
        sparse.zero_grad()
        sparse.add_rows(np.arange(4), gradient)
        full.zero_grad()
        full.add(gradient)
        for s in steps:
            s.step(0.1)
    assert np.array_equal(sparse.value, full.value)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_gradients_are_left_alone_and_dtypes_kept(kind):
    p = Parameter(np.ones((2, 2), np.float32))
    p.add(np.full((2, 2), 0.5, np.float32))
    steps = OPTIMIZERS[kind]({"p": p}, weight_decay=0.1)
    steps.step(0.1)
    steps.step(0.1)
    assert (p.grad == 0.5).all()
    assert {p.value.dtype, *(arrays["p"].dtype for arrays in steps.slots.values())} == {np.dtype(np.float32)}


def test_global_norm_and_clipping():
    table = Parameter(np.zeros((3, 1)))
    table.add_rows(np.array([1]), np.array([[4.0]]))
    parameters = {"bias": parameter([0.0], [3.0]), "table": table}
    norm, norms = global_norm(parameters)
    assert (norm, norms) == (5.0, {"bias": 3.0, "table": 4.0})
    assert [clipping(norm, max_norm) for max_norm in (5.0, 7.0, 0.0)] == [1, 1, 1]  # 0 is no limit
    assert clipping(norm, 1.0) == pytest.approx(0.2)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_scale_multiplies_the_gradients(kind):
    rng = np.random.default_rng(0)
    start, gradient = rng.normal(size=(2, 4, 3))
    values = []
    for given, scale in ((gradient, 0.25), (0.25 * gradient, 1.0)):
        p = parameter(start)
        steps = OPTIMIZERS[kind]({"p": p}, weight_decay=0.1)
        for _ in range(2):
            p.zero_grad()
            p.add(given)
            steps.step(0.1, scale)
        values.append(p.value)
    np.testing.assert_allclose(*values, rtol=1e-12)


def test_a_gradient_that_is_not_finite_shows_in_the_norm():
    for value in (np.nan, np.inf):
        norm, norms = global_norm({"good": parameter([1.0], [1.0]), "bad": parameter([1.0], [value])})
        assert not np.isfinite(norm)
        assert np.isfinite(norms["good"])
        assert not np.isfinite(norms["bad"])
