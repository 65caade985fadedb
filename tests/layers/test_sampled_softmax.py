"""The softmax over candidates: its gradients, the chance of each candidate, and what it is there for."""

import numpy as np
import pytest

from rnnnlp import kernels
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.parameter import Parameter
from rnnnlp.layers.sampled_softmax import Candidates, Sampler, WordOutput
from tests.gradients import check_gradients

V, D, N = 7, 3, 5
COUNTS = np.array([400, 200, 100, 50, 25, 12, 0])


def make(dtype=np.float64, seed=0):
    """An output layer with random weights, inputs `(N, D)` and targets `(N,)`."""
    rng = np.random.default_rng(seed)
    output = WordOutput(Parameter(rng.normal(size=(V, D)).astype(dtype)))
    output.bias.value[...] = rng.normal(size=V)
    return output, rng.normal(size=(N, D)).astype(dtype), np.array([0, 2, 0, 5, 1])


def sampled_loss(output, x, candidates):
    logits, tape = output.forward(x, candidates)
    loss_sum, _, dlogits = softmax_cross_entropy(logits, candidates.targets)
    return loss_sum, dlogits, tape


def test_gradients():
    output, x, targets = make()
    candidates = Sampler(COUNTS, 3).draw(targets, rng=np.random.default_rng(1))
    assert 4 <= len(candidates.ids) < V
    _, dlogits, tape = sampled_loss(output, x, candidates)
    dx = output.backward(dlogits, tape)
    gradients = {
        "x": (x, dx),
        "weight": (output.weight.value, output.weight.grad),
        "bias": (output.bias.value, output.bias.grad),
    }
    check_gradients(lambda: sampled_loss(output, x, candidates)[0], gradients)


def test_only_rows_of_candidates_have_a_gradient():
    output, x, targets = make()
    candidates = Sampler(COUNTS, 1).draw(targets, rng=np.random.default_rng(1))
    _, dlogits, tape = sampled_loss(output, x, candidates)
    output.backward(dlogits, tape)
    assert np.array_equal(output.weight.rows, candidates.ids)
    others = np.setdiff1d(np.arange(V), candidates.ids)
    assert len(others)
    assert not output.weight.grad[others].any()


def test_candidates_are_the_targets_and_some_more():
    targets = np.array([3, 0, 3, 6], np.uint16)
    sampler = Sampler(COUNTS, 2)
    for seed in range(20):
        candidates = sampler.draw(targets, rng=np.random.default_rng(seed))
        assert np.array_equal(candidates.ids[candidates.targets], targets)
        assert np.array_equal(candidates.ids, np.unique(candidates.ids))
        assert 3 <= len(candidates.ids) <= 5
        assert (candidates.log_chance < 0).all()


def test_the_chance_of_a_candidate_is_how_often_it_is_one():
    sampler, windows = Sampler(COUNTS, 4), 20_000
    rng = np.random.default_rng(0)
    found, chance = np.zeros(V), np.full(V, np.nan)
    for _ in range(windows):
        candidates = sampler.draw(rng.choice(V, size=6, p=sampler.share), rng=rng)
        found[candidates.ids] += 1
        chance[candidates.ids] = np.exp(candidates.log_chance)
    assert found.min() > 50
    deviation = np.sqrt(chance * (1 - chance) / windows)
    assert (np.abs(found / windows - chance) < 5 * deviation + 1e-9).all()


def mean_gradient_at_the_truth(correction):
    """Of the bias when it is the logarithm of the true shares, over many windows drawn from them."""
    sampler, windows, size = Sampler(COUNTS, 10), 2000, 30
    output = WordOutput(Parameter(np.zeros((V, D))))
    output.bias.value[...] = np.log(sampler.share)
    rng = np.random.default_rng(0)
    x = np.zeros((size, D))
    for _ in range(windows):
        candidates = sampler.draw(rng.choice(V, size=size, p=sampler.share), rng=rng)
        candidates = candidates._replace(log_chance=correction * candidates.log_chance)
        _, dlogits, tape = sampled_loss(output, x, candidates)
        output.backward(dlogits, tape)
    return np.abs(output.bias.grad / (windows * size * sampler.share)).max()


def test_the_true_distribution_is_where_training_ends():
    """Also for rare words; without the correction they would be learned as far too rare or too common."""
    assert mean_gradient_at_the_truth(1.0) < 0.1 < 0.5 < mean_gradient_at_the_truth(0.0)


def test_with_all_words_as_certain_candidates_it_is_the_softmax():
    output, x, targets = make()
    everything = Candidates(np.arange(V), targets, np.zeros(V))
    loss_sum, _, _ = sampled_loss(output, x, everything)
    assert output.loss(x, targets) == (pytest.approx(loss_sum, rel=1e-12), N)


def test_the_loss_over_all_words_does_not_depend_on_blocks(monkeypatch):
    output, x, targets = make()
    logits = x @ output.weight.value.T + output.bias.value
    expected = softmax_cross_entropy(logits, targets)[0]
    for block in (1, 2 * V, 1000 * V):
        monkeypatch.setattr("rnnnlp.layers.sampled_softmax.BLOCK", block)
        assert output.loss(x, targets)[0] == pytest.approx(expected, rel=1e-12)


def test_native_kernels_agree():
    pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)
    found = []
    for backend in ("numpy", "native"):
        kernels.use(backend)
        output, x, targets = make(np.float32)
        candidates = Sampler(COUNTS, 3).draw(targets, rng=np.random.default_rng(1))
        loss_sum, dlogits, tape = sampled_loss(output, x, candidates)
        dx = output.backward(dlogits, tape)
        exact = output.loss(x, targets)[0]
        found.append([np.float32(loss_sum), np.float32(exact), dx, output.weight.grad, output.bias.grad])
        assert {array.dtype for array in found[-1]} == {np.dtype(np.float32)}
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
