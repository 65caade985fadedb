import numpy as np
import pytest

from rnnnlp.layers.loss import kl_divergence, softmax, softmax_cross_entropy, weighted_cross_entropy
from tests.gradients import check_gradients

TARGETS = np.array([2, 0, 3, 3, 1])
ROW_WEIGHTS = np.array([1.5, 0.0, 0.25, 1.0, 4.0])
smoothings = pytest.mark.parametrize("label_smoothing", [0.0, 0.2])


def draw_logits(scale=1.0):
    return scale * np.random.default_rng(0).normal(size=(5, 4))


def losses_of_rows(logits, label_smoothing):
    """Written out."""
    losses = []
    for row, target in zip(logits, TARGETS, strict=True):
        log_p = np.log(np.exp(row) / np.exp(row).sum())
        q = np.full(4, label_smoothing / 4)
        q[target] += 1 - label_smoothing
        losses.append(-np.sum(q * log_p))
    return np.array(losses)


@smoothings
def test_values_and_gradient(label_smoothing):
    logits = draw_logits()
    settings = {"label_smoothing": label_smoothing}
    loss_sum, count, dlogits = softmax_cross_entropy(logits, TARGETS, **settings)
    assert loss_sum == pytest.approx(losses_of_rows(logits, label_smoothing).sum(), rel=1e-12)
    assert count == 5
    check_gradients(lambda: softmax_cross_entropy(logits, TARGETS, **settings)[0], {"logits": (logits, dlogits)})


@smoothings
def test_values_and_gradient_with_weights_of_rows(label_smoothing):
    logits = draw_logits()
    loss_sum, count, dlogits = weighted_cross_entropy(logits, TARGETS, ROW_WEIGHTS, label_smoothing=label_smoothing)
    assert loss_sum == pytest.approx(ROW_WEIGHTS @ losses_of_rows(logits, label_smoothing), rel=1e-12)
    assert count == 5
    assert not dlogits[ROW_WEIGHTS == 0].any()
    check_gradients(lambda: ROW_WEIGHTS @ losses_of_rows(logits, label_smoothing), {"logits": (logits, dlogits)})


def test_the_best_probabilities_of_a_row_are_its_smoothed_target_whatever_its_weight():
    q = np.array([[0.95, 0.05]])  # class 0, with label smoothing 0.1
    for weight in (0.51, 25.0):
        _, _, dlogits = weighted_cross_entropy(np.log(q), np.array([0]), np.array([weight]), label_smoothing=0.1)
        np.testing.assert_allclose(dlogits, 0, atol=1e-14)


@smoothings
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_stay_finite(label_smoothing, dtype):
    logits = draw_logits(1e4).astype(dtype)
    loss_sum, _, dlogits = softmax_cross_entropy(logits, TARGETS, label_smoothing=label_smoothing)
    assert np.isfinite(loss_sum)
    assert np.isfinite(dlogits).all()
    assert dlogits.dtype == dtype


def test_sums_of_parts_are_the_sum_of_the_whole():
    logits = draw_logits()
    whole, first, second = (
        softmax_cross_entropy(logits[part], TARGETS[part]) for part in (slice(None), slice(2), slice(2, None))
    )
    assert first[0] + second[0] == pytest.approx(whole[0], rel=1e-14)
    assert first[1] + second[1] == whole[1]
    np.testing.assert_allclose(np.concatenate([first[2], second[2]]), whole[2], rtol=1e-14)


def test_divergence():
    logits = draw_logits()
    p = softmax(np.random.default_rng(1).normal(size=logits.shape))
    loss_sum, count, dlogits = kl_divergence(logits, p)
    assert loss_sum == pytest.approx(np.sum(p * np.log(p / softmax(logits))), rel=1e-12)
    assert count == len(logits)
    check_gradients(lambda: kl_divergence(logits, p)[0], {"logits": (logits, dlogits)})
    assert kl_divergence(np.log(p), p)[0] == pytest.approx(0, abs=1e-12)


def test_inputs_are_left_alone():
    logits = draw_logits()
    logits.flags.writeable = False
    softmax(logits)
    softmax_cross_entropy(logits, TARGETS, label_smoothing=0.1)


def test_softmax():
    p = softmax(np.array([[0.0, np.log(3.0)], [1000.0, -1000.0]]))
    np.testing.assert_allclose(p, [[0.25, 0.75], [1.0, 0.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_divergence_of_sure_predictions_is_finite(dtype):
    logits = draw_logits(1e4).astype(dtype)
    loss_sum, _, dlogits = kl_divergence(logits, softmax(logits))
    assert loss_sum == 0
    assert not dlogits.any()
    assert np.isfinite(kl_divergence(-logits, softmax(logits))[0])
