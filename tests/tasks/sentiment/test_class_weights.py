"""Balanced class weights: their values, their gradient through the whole model, and what they change."""

from pathlib import Path

import numpy as np
import pytest

from rnnnlp.batches.shards import WHOLE
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.config import SentimentConfig, SentimentOptions, SentimentTraining
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.objective import SentimentObjective, balanced_weights
from tests.gradients import check_gradients, pairs, randomize
from tests.runs import trained_on

RARE = np.array([0, 1, 0, 0, 2, 0, 1, 0])


def test_every_class_weighs_the_same_in_total():
    weights = balanced_weights(RARE, 3)
    np.testing.assert_allclose(weights, [8 / (3 * 5), 8 / (3 * 2), 8 / (3 * 1)])
    np.testing.assert_allclose(np.bincount(RARE, weights[RARE]), 8 / 3)
    np.testing.assert_array_equal(balanced_weights(RARE, 4), [*weights, 0])  # a class without a text


def test_every_class_weighs_the_same_with_weights_of_the_texts():
    of_texts = np.arange(1.0, 9.0)
    weights = balanced_weights(RARE, 3, of_texts)
    np.testing.assert_allclose(np.bincount(RARE, weights[RARE] * of_texts), 36 / 3)


def test_rare_classes_decide_what_the_best_weights_are():
    config = SentimentConfig(vocab_size=6, labels=("a", "b", "c"), embedding_size=2, hidden_size=3)
    model = SentimentNetwork(config, rng=np.random.default_rng(0))
    documents = [np.array([1])] * 8
    usual = np.log(np.tile([0.8, 0.1, 0.1], (8, 1)))  # it always says a: right for 5 of 8
    fair = np.log(np.where(np.eye(3)[RARE] > 0, 0.4, 0.3))
    fair[RARE == 0] = np.log([0.3, 0.4, 0.3])
    fair[0] = np.log([0.4, 0.3, 0.3])  # right for one of them, and for all of the rare
    figures = {}
    for class_weights in ("none", "balanced"):
        training = SentimentTraining(
            data="", tokenizer="word", batch_size=64, class_weights=class_weights, lr=1e-3, evaluations=1
        )
        objective = SentimentObjective(model, (documents, RARE), (documents, RARE), training, {})
        figures[class_weights] = [objective.weighted_figures(logits, RARE) for logits in (usual, fair)]
        assert ("balanced_accuracy" in objective.evaluate()) == (class_weights == "balanced")
    assert [accuracy for accuracy, _ in figures["none"]] == [5 / 8, 4 / 8]
    assert [accuracy for accuracy, _ in figures["balanced"]] == pytest.approx([1 / 3, (1 / 5 + 1 + 1) / 3])


def test_classes_count_alike_on_validation_whatever_their_shares_in_training():
    config = SentimentConfig(vocab_size=6, labels=("a", "b", "c"), embedding_size=2, hidden_size=3)
    model = SentimentNetwork(config, rng=np.random.default_rng(0))
    training = SentimentTraining(
        data="", tokenizer="word", batch_size=64, class_weights="balanced", lr=1e-3, evaluations=1
    )
    trained, validation = np.array([0] * 90 + [1] * 9 + [2]), np.array([0, 0, 0, 1, 2])
    objective = SentimentObjective(
        model, ([np.array([1])] * 100, trained), ([np.array([1])] * 5, validation), training, {}
    )
    logits = np.log(np.where(np.eye(3)[[0, 0, 1, 0, 2]] > 0, 0.8, 0.1))  # right for two of three, none, and one
    accuracy, loss = objective.weighted_figures(logits, validation)
    assert accuracy == pytest.approx((2 / 3 + 0 + 1) / 3)
    of_texts = -logits[np.arange(5), validation]
    assert loss == pytest.approx((of_texts[:3].mean() + of_texts[3] + of_texts[4]) / 3)


@pytest.mark.parametrize("scale", [1e-50, 1e39])
def test_only_the_ratios_of_the_weights_of_texts_count(scale):
    config = SentimentConfig(vocab_size=6, labels=("a", "b", "c"), embedding_size=2, hidden_size=3, dropout=0)
    training = SentimentTraining(data="", tokenizer="word", batch_size=64, lr=1e-3, evaluations=1)
    gradients = []
    for factor in (1.0, scale):
        model = SentimentNetwork(config, rng=np.random.default_rng(0))
        weights = factor * np.arange(1.0, 9.0)
        documents = [np.array([k % 6]) for k in range(8)], RARE
        objective = SentimentObjective(model, documents, documents, training, {}, (), weights)
        objective.next_batch()
        objective.gradients(WHOLE, rng=np.random.default_rng(0))
        gradients.append(model.head.weight.grad.copy())
        assert objective.given_weights is weights  # by which checkpoints of 0.1 recognise the data
    assert np.abs(gradients[0]).max() > 1e-3
    np.testing.assert_allclose(*gradients, rtol=1e-5)


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_a_weight_scales_the_gradient_of_its_text_also_in_batches_of_one(class_weights):
    config = SentimentConfig(vocab_size=6, labels=("a", "b", "c"), embedding_size=2, hidden_size=3, dropout=0)
    training = SentimentTraining(
        data="", tokenizer="word", batch_size=1, class_weights=class_weights, lr=1e-3, evaluations=1
    )
    documents, of_texts = ([np.array([k % 6]) for k in range(8)], RARE), np.arange(1.0, 9.0)
    expected = of_texts / of_texts.mean()  # (n,)
    if class_weights == "balanced":
        expected *= balanced_weights(RARE, 3, of_texts)[RARE]
        assert expected.mean() == pytest.approx(1)
    model = SentimentNetwork(config, rng=np.random.default_rng(0))
    objective = SentimentObjective(model, documents, documents, training, {}, (), of_texts)
    for _ in range(8):
        objective.next_batch()
        batch = objective.batch.pack()
        model.zero_grad()
        model.gradients(batch)
        unweighted = model.head.bias.grad.copy()
        model.zero_grad()
        objective.gradients(WHOLE, rng=np.random.default_rng(0))
        np.testing.assert_allclose(model.head.bias.grad, expected[batch.indices[0]] * unweighted, rtol=1e-5)


def test_label_smoothing_draws_no_text_to_a_rare_class():
    config = SentimentConfig(vocab_size=6, labels=("usual", "rare"), embedding_size=2, hidden_size=3, dropout=0)
    model = SentimentNetwork(config, rng=np.random.default_rng(0))
    model.head.weight.value[...] = 0
    model.head.bias.value[...] = np.log([0.975, 0.025])  # what is best for the usual texts
    training = SentimentTraining(
        data="",
        tokenizer="word",
        batch_size=64,
        class_weights="balanced",
        label_smoothing=0.05,
        lr=1e-3,
        evaluations=1,
    )
    documents = [np.array([1])] * 51, np.array([0] * 50 + [1])
    objective = SentimentObjective(model, documents, documents, training, {})
    objective.next_batch()
    objective.gradients(WHOLE, rng=np.random.default_rng(0))
    # only the rare text, of weight 51 / 2, has a gradient
    np.testing.assert_allclose(model.head.bias.grad, [0.475, -0.475], rtol=1e-5)


def test_gradient_of_the_weighted_loss_to_every_parameter():
    config = SentimentConfig(
        vocab_size=6, labels=("a", "b", "c"), embedding_size=2, hidden_size=3, dropout=0, variational=False
    )
    model = SentimentNetwork(config, rng=np.random.default_rng(0), dtype=np.float64)
    randomize(model.parameters(), np.random.default_rng(1))
    rng = np.random.default_rng(2)
    documents = [rng.integers(6, size=length) for length in (3, 1, 4, 2, 5, 3, 2, 2)]
    training = SentimentTraining(
        data="", tokenizer="word", batch_size=64, class_weights="balanced", lr=1e-3, evaluations=1
    )
    objective = SentimentObjective(model, (documents, RARE), (documents, RARE), training, {})
    counts = np.array([5, 2, 1])

    def loss() -> float:
        logits = model.logits(documents)  # (n, K)
        nll = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), RARE]
        weights = 8 / (3 * counts[RARE])
        return float((weights * nll).sum() / weights.sum())

    objective.next_batch()
    found = objective.gradients(WHOLE, rng=rng)
    assert found.loss_sum / found.count == pytest.approx(loss(), rel=1e-12)
    check_gradients(loss, pairs(model.parameters()))


def test_a_rare_class_is_predicted_where_it_is_likelier_than_usual(tmp_path: Path):
    texts = ["plain"] * 80 + ["odd"] * 20 + ["odd"] * 10
    labels = ["usual"] * 100 + ["rare"] * 10
    options = {"hidden_size": 4, "embedding_size": 4, "batch_size": 11, "epochs": 12, "lr": 0.02, "evaluations": 1}
    for class_weights, expected in (("none", "usual"), ("balanced", "rare")):
        model = trained_on(texts, labels, tmp_path / class_weights, class_weights=class_weights, dropout=0.0, **options)
        assert model.predict(["plain", "odd"]).tolist() == ["usual", expected]


def test_runs_from_when_it_was_a_switch_are_read():
    for given, meant in ((True, "balanced"), (False, "none"), ("balanced", "balanced")):
        assert SentimentOptions.from_mapping({"data": "d", "class_weights": given}, "w").class_weights == meant
    with pytest.raises(UserError, match="class_weights is some; it must be one of none, balanced"):
        SentimentOptions.from_mapping({"data": "d", "class_weights": "some"}, "w")
