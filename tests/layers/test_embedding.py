import numpy as np

from rnnnlp.layers.embedding import Embedding
from tests.gradients import check_gradients, pairs


def test_gradient_with_repeated_and_unused_ids():
    rng = np.random.default_rng(0)
    layer = Embedding(6, 3, scale=1.0, dtype=np.float64, rng=rng)
    ids = np.array([4, 0, 4, 2, 4, 5])
    dx = rng.normal(size=(6, 3))
    x, tape = layer.forward(ids)
    assert np.array_equal(x, layer.weight.value[ids])
    layer.backward(dx, tape)
    check_gradients(lambda: np.sum(layer.forward(ids)[0] * dx), pairs(layer.parameters()))
    assert layer.weight.rows.tolist() == [0, 2, 4, 5]


def test_rows_are_perturbed_and_come_back_as_they_were():
    layer = Embedding(6, 3, scale=1.0, dtype=np.float32, rng=np.random.default_rng(0))
    before = layer.weight.value.copy()
    with layer.perturbed(np.array([4, 1]), np.array([[0.1] * 3, [0.2] * 3])):
        np.testing.assert_allclose((layer.weight.value - before)[:, 0], [0, 0.2, 0, 0, 0.1, 0], atol=1e-6)
        assert layer.weight.value.dtype == np.float32
    np.testing.assert_array_equal(layer.weight.value, before)
