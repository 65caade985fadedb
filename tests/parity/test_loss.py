"""The loss against that of PyTorch."""

import numpy as np
import pytest

from rnnnlp.layers.loss import softmax_cross_entropy, weighted_cross_entropy
from tests.parity.torch_or_skip import torch
from tests.parity.twins import tensor


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_mean_loss_and_gradient(weighted, label_smoothing, dtype, tolerance):
    rng = np.random.default_rng(0)
    logits, targets = (3 * rng.normal(size=(40, 6))).astype(dtype), rng.integers(6, size=40)
    weights = rng.uniform(0.1, 3, 40).astype(dtype) if weighted else np.ones(40, dtype)
    if weighted:
        loss_sum, count, dlogits = weighted_cross_entropy(logits, targets, weights, label_smoothing=label_smoothing)
    else:
        loss_sum, count, dlogits = softmax_cross_entropy(logits, targets, label_smoothing=label_smoothing)
    theirs = tensor(logits, grad=True)
    losses = torch.nn.functional.cross_entropy(
        theirs, tensor(targets), label_smoothing=label_smoothing, reduction="none"
    )
    loss = (tensor(weights) * losses).mean()
    loss.backward()
    assert loss_sum / count == pytest.approx(loss.item(), rel=tolerance)
    np.testing.assert_allclose(dlogits / dtype(count), theirs.grad.numpy(), rtol=10 * tolerance, atol=tolerance / 10)
