import numpy as np
import pytest

from rnnnlp.batches.packed import unpack
from rnnnlp.layers.dropout import Dropout
from tests.gradients import check_gradients

BATCH_SIZES = np.array([3, 2, 2, 1])


@pytest.mark.parametrize("variational", [False, True])
def test_gradient_with_a_fixed_mask(variational):
    rng = np.random.default_rng(0)
    layer = Dropout(0.4, variational=variational)
    x, dy = rng.normal(size=(8, 5)), rng.normal(size=(8, 5))

    def forward():
        return layer.forward(x, BATCH_SIZES, rng=np.random.default_rng(1))

    y, mask = forward()
    dx = layer.backward(dy, mask)
    assert np.any(y == 0)
    check_gradients(lambda: np.sum(forward()[0] * dy), {"x": (x, dx)})


@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_share_of_zeros_and_mean(p, variational):
    layer = Dropout(p, variational=variational)
    x = np.ones((400, 300), np.float32)
    y, _ = layer.forward(x, np.array([200, 200]), rng=np.random.default_rng(0))
    assert y.dtype == np.float32
    assert np.mean(y == 0) == pytest.approx(p, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.04)
    assert np.unique(y).tolist() == pytest.approx([0, 1 / (1 - p)])


def test_variational_keeps_one_mask_for_all_steps_of_a_sequence():
    y, _ = Dropout(0.5, variational=True).forward(np.ones((8, 50)), BATCH_SIZES, rng=np.random.default_rng(0))
    masks = unpack(y, BATCH_SIZES)
    for mask in masks:
        assert (mask == mask[0]).all()
    assert not np.array_equal(masks[0][0], masks[1][0])


def test_plain_draws_a_mask_for_every_step():
    y, _ = Dropout(0.5).forward(np.ones((8, 50)), BATCH_SIZES, rng=np.random.default_rng(0))
    assert len(np.unique(y, axis=0)) == 8


@pytest.mark.parametrize(("p", "rng"), [(0.5, None), (0.0, np.random.default_rng(0))])
def test_evaluation_and_p_zero_change_nothing(p, rng):
    x = np.ones((8, 2))
    y, mask = Dropout(p).forward(x, BATCH_SIZES, rng=rng)
    assert y is x
    assert Dropout(p).backward(x, mask) is x
