"""The native loss, optimizer, pooling and embedding rows against NumPy."""

# N rows or tokens, K classes, V vocabulary, D columns

import numpy as np
import pytest

from rnnnlp.batches.packed import batch_sizes_of
from rnnnlp.kernels import numpy as numpy_backend
from tests.kernels.native_or_skip import each_isa, native, random

pytestmark = pytest.mark.usefixtures("native_as_before")


@each_isa
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("K", [1, 2, 16, 65, 300])
def test_softmax_cross_entropy(K, label_smoothing, isa):
    native.use_instruction_set(isa)
    rng = np.random.default_rng(K)
    logits, targets = 5 * random(200, K), rng.integers(0, K, 200)
    options = {"label_smoothing": label_smoothing}
    loss_sum, count, dlogits = numpy_backend.softmax_cross_entropy(logits.astype(np.float64), targets, **options)
    ours = native.softmax_cross_entropy(logits, targets, **options)
    assert ours[0] == pytest.approx(loss_sum, rel=1e-6, abs=1e-4)
    assert ours[1] == count == 200
    np.testing.assert_allclose(ours[2], dlogits, rtol=1e-5, atol=1e-6)
    native.set_threads(3)
    other = native.softmax_cross_entropy(logits, targets, **options)
    assert other[0] == ours[0]
    assert np.array_equal(other[2], ours[2])


@each_isa
@pytest.mark.parametrize("D", [1, 16, 40, 256])
@pytest.mark.parametrize("lengths", [[1], [9, 4, 4, 4, 3, 1, 1], [300] * 5, list(range(70, 0, -1))], ids=len)
def test_mean_and_max(lengths, D, isa):
    native.use_instruction_set(isa)
    batch_sizes = batch_sizes_of(np.array(lengths))
    x = random(sum(lengths), D).round(1)  # with equal ones
    dmean, dlargest = random(2, len(lengths), D)
    expected = numpy_backend.mean_and_max(x.astype(np.float64), batch_sizes)
    mean, largest = native.mean_and_max(x, batch_sizes)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-5, atol=1e-6)
    assert np.array_equal(largest, expected[1].astype(np.float32))
    dx = native.mean_and_max_backward(dmean, dlargest, x, largest, batch_sizes)
    np.testing.assert_allclose(
        dx, numpy_backend.mean_and_max_backward(dmean, dlargest, x, largest, batch_sizes), rtol=1e-5, atol=1e-6
    )
    native.set_threads(3)
    assert np.array_equal(native.mean_and_max(x, batch_sizes)[0], mean)
    assert np.array_equal(native.mean_and_max_backward(dmean, dlargest, x, largest, batch_sizes), dx)


@pytest.mark.parametrize("k", [native, numpy_backend], ids=["native", "numpy"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_maximum_of_nan_is_nan(place, k):
    x = np.ones((3, 1), np.float32)
    x[place] = np.nan
    assert np.isnan(k.mean_and_max(x, np.ones(3, np.int64))).all()


def test_pooling_of_wrong_shapes():
    with pytest.raises(ValueError, match="batch_sizes must fall"):
        native.mean_and_max(random(3, 2), np.array([1, 2]))
    with pytest.raises(ValueError, match="x is"):
        native.mean_and_max(random(4, 2), np.array([2, 1]))


@each_isa
def test_loss_of_extreme_logits(isa):
    native.use_instruction_set(isa)
    logits = np.array([[1e4, -1e4, 0], [-np.inf, 0, 0], [np.nan, 0, 0]], np.float32)
    loss_sum, _, dlogits = native.softmax_cross_entropy(logits[:2], np.array([0, 1]))
    assert loss_sum == pytest.approx(np.log(2), rel=1e-5)
    np.testing.assert_allclose(dlogits, [[0, 0, 0], [0, -0.5, 0.5]], atol=1e-6)
    loss_sum, _, dlogits = native.softmax_cross_entropy(logits, np.array([0, 1, 1]))
    assert np.isnan(loss_sum)
    assert np.isnan(dlogits[2]).all()
    with pytest.raises(ValueError, match="targets has 3; expected 0 to 2"):
        native.softmax_cross_entropy(logits, np.array([0, 1, 3]))


@each_isa
def test_adam_with_clipping(isa):
    native.use_instruction_set(isa)
    shapes = [(50, 7), (130, 65), (65,), (300, 100)]
    decays = [0.1, 0.1, 0.0, 0.1]
    ours = [
        [random(*shape) for shape in shapes],
        *([np.zeros(shape, np.float32) for shape in shapes] for _ in range(2)),
    ]
    theirs = [[a.copy() for a in arrays] for arrays in ours]  # values, m, v
    for step in range(1, 6):
        rng = np.random.default_rng(step)
        gradients = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        rows = [np.arange(step, 50, 4), None, None, None]
        norms = native.norms(gradients)
        assert norms == pytest.approx(numpy_backend.norms(gradients), rel=1e-6)
        options = {"rows": rows, "decays": decays, "lr": 0.01, "step": step, "scale": 0.5 / norms[0]}
        native.adam(ours[0], gradients, *ours[1:], **options)
        numpy_backend.adam(theirs[0], gradients, *theirs[1:], **options)
        for k in range(len(shapes)):
            np.testing.assert_allclose(ours[0][k], theirs[0][k], rtol=2e-6, atol=2e-6)
            np.testing.assert_allclose(ours[1][k], theirs[1][k], rtol=1e-5, atol=1e-8)
            np.testing.assert_allclose(ours[2][k], theirs[2][k], rtol=1e-5, atol=1e-12)


def test_adam_without_touched_rows_changes_nothing():
    value, before = random(5, 3), random(5, 3)
    empty = np.empty(0, np.int64)
    others = [np.zeros_like(value) for _ in range(3)]
    native.adam([value], [others[0]], [others[1]], [others[2]], rows=[empty], decays=[0.1], lr=0.1, step=1)
    assert np.array_equal(value, before)
    for rows, message in (([5], "a row of adam"), ([1, 1], "must be sorted, each once"), ([2, 1], "must be sorted")):
        with pytest.raises(ValueError, match=message):
            native.adam(
                [value], [others[0]], [others[1]], [others[2]], rows=[np.array(rows)], decays=[0.1], lr=0.1, step=1
            )
    assert np.array_equal(value, before)


@pytest.mark.parametrize("beta", [0.9999, 0.99999999])
def test_adam_with_a_momentum_that_float32_rounds(beta):
    results = []
    for k in (native, numpy_backend):
        value, m, v = np.ones(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
        gradient = np.array([1, -2, 3], np.float32)
        options = {"rows": [None], "decays": [0.0], "lr": 0.1, "step": 1, "betas": (beta, 0.99)}
        k.adam([value], [gradient], [m], [v], **options)
        results.append(value)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    assert (results[0] != 1).all()


@each_isa
@pytest.mark.parametrize("D", [1, 7, 64, 100, 700])
def test_rows_of_an_embedding(D, isa):
    native.use_instruction_set(isa)
    ids = np.random.default_rng(D).integers(0, 30, 500)
    table, rows = random(30, D), random(500, D)
    assert np.array_equal(native.gather_rows(table, ids), table[ids])
    expected = table.astype(np.float64)
    np.add.at(expected, ids, rows)
    results = []
    for threads in (1, 2, 5):
        native.set_threads(threads)
        results.append(table.copy())
        native.add_rows(rows, ids, results[-1])
    np.testing.assert_allclose(results[0], expected, rtol=1e-5, atol=1e-5)
    assert all(np.array_equal(r, results[0]) for r in results)
    with pytest.raises(ValueError, match="ids has -30; expected 0 to 29"):
        native.gather_rows(table, ids - 30)


@pytest.mark.parametrize("N", [0, 1, 500])
def test_unique_ids(N):
    ids = np.random.default_rng(N).integers(0, 300, N)
    for ours, expected in zip(native.unique(ids, 300), np.unique(ids, return_inverse=True), strict=True):
        assert np.array_equal(ours, expected)
    with pytest.raises(ValueError, match="ids has 7; expected 0 to 6"):
        native.unique(np.array([7]), 7)


@pytest.mark.parametrize(
    "wrong", [np.asfortranarray(np.ones((3, 2), np.float32)), np.ones((3, 2)), np.ones((6, 4), np.float32)[::2, ::2]]
)
@pytest.mark.parametrize("place", range(4))
def test_adam_and_norms_refuse_what_they_could_only_copy(wrong, place):
    """An update of a copy would be lost."""
    arrays = [[np.ones((3, 2), np.float32)] for _ in range(4)]
    arrays[place] = [wrong]
    with pytest.raises(TypeError):
        native.adam(*arrays, rows=[None], decays=[0.0], lr=0.1, step=1)
    with pytest.raises(TypeError):
        native.norms([wrong])


@pytest.mark.parametrize("isa", [*native.instruction_sets().split(", "), None])  # None is NumPy
def test_moments_of_a_weight_without_a_gradient_become_0(isa):
    k = numpy_backend if isa is None else native
    if isa is not None:
        native.use_instruction_set(isa)
    value, m, v = random(3), np.zeros(3, np.float32), np.zeros(3, np.float32)
    gradients = [np.array([1, -1e-3, 1e-20], np.float32), np.zeros(3, np.float32)]
    for step in range(1, 8001):
        k.adam([value], [gradients[step > 1]], [m], [v], rows=[None], decays=[0.0], lr=1e-3, step=step)
    assert not m.any()
    assert not v.any()


def test_adam_of_rows_without_columns_does_nothing():
    nothing, rows = np.zeros((3, 0), np.float32), np.array([0, 2])
    native.adam([nothing], [nothing], [nothing], [nothing], rows=[rows], decays=[0.0], lr=1e-3, step=1)


def test_an_array_larger_than_any_memory_is_refused():
    with pytest.raises(MemoryError):
        native.empty((2**33, 2**31), np.dtype(np.float32))
    with pytest.raises(MemoryError):
        native.empty((2**62, 1), np.dtype(np.float32))


@pytest.mark.parametrize("call", [lambda ids: native.gather_rows(random(3, 2), ids), lambda ids: native.unique(ids, 3)])
def test_ids_that_int32_cannot_hold_are_refused(call):
    with pytest.raises(ValueError, match="an id is too large"):
        call(np.array([2**32 + 1]))
    with pytest.raises(TypeError, match="ids must be integers"):
        call(np.array([0.9]))


def test_pooling_takes_columns_of_a_wider_array():
    x, batch_sizes = random(6, 4), np.array([3, 2, 1])
    pooled = np.concatenate(native.mean_and_max(x, batch_sizes), axis=1)
    dx = native.mean_and_max_backward(pooled[:, :4], pooled[:, 4:], x, pooled[:, 4:], batch_sizes)
    expected = numpy_backend.mean_and_max_backward(pooled[:, :4], pooled[:, 4:], x, pooled[:, 4:], batch_sizes)
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-6)
