"""The options of the loss of a classifier: each is part of what the training loop drives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnnlp.batches.documents import DocumentBatch
from rnnnlp.batches.shards import WHOLE
from rnnnlp.tasks.sentiment.adversarial import adversarial_gradients, vat_gradients
from rnnnlp.tasks.sentiment.config import SentimentConfig, SentimentTraining
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.objective import SentimentObjective

V = 9
Gradients = dict[str, np.ndarray]
IDS = np.random.default_rng(1).integers(V, size=(8, 8))
DOCUMENTS = [ids[:length] for ids, length in zip(IDS, (7, 5, 4, 2, 6), strict=False)], np.array([0, 1, 1, 0, 1])
UNLABELLED = [IDS[5], IDS[6, :3], IDS[7, :1]]


def make(**options: Any) -> SentimentObjective:
    config = SentimentConfig(V, ("a", "b"), embedding_size=3, hidden_size=4, dropout=0.3)
    network = SentimentNetwork(config, rng=np.random.default_rng(0), dtype=np.float64)
    options = {"batch_size": 16, "lr": 1e-3, "evaluations": 1} | options
    training = SentimentTraining(data="", tokenizer="word", **options)
    return SentimentObjective(network, DOCUMENTS, DOCUMENTS, training, {}, UNLABELLED)


def gradients(objective: SentimentObjective, add: Callable[[np.random.Generator], Any]) -> Gradients:
    """The gradient of each parameter of the network that is added."""
    objective.network.zero_grad()
    add(np.random.default_rng(2))
    return {name: p.grad.copy() for name, p in objective.network.parameters().items()}


def plain(network: SentimentNetwork, batch: DocumentBatch, rng: np.random.Generator) -> None:
    network.gradients(batch, rng=rng)


def are_equal(a: Gradients, b: Gradients) -> bool:
    return all(np.allclose(a[name], b[name], rtol=1e-9, atol=1e-12) for name in a)


@pytest.mark.parametrize(
    ("option", "value", "written_out"),
    [
        ("bptt", 2, lambda network, batch, rng: network.gradients(batch, rng=rng, bptt=2)),
        ("label_smoothing", 0.2, lambda network, batch, rng: network.gradients(batch, rng=rng, label_smoothing=0.2)),
        ("adversarial", 0.5, lambda network, batch, rng: adversarial_gradients(network, batch, 0.5, rng=rng)),
    ],
    ids=["bptt", "label_smoothing", "adversarial"],
)
def test_an_option_of_the_loss(option: str, value: Any, written_out: Callable[..., Any]) -> None:
    objective = make(**{option: value})
    objective.next_batch()
    network, batch = objective.network, objective.batch.pack()
    assert batch is not None
    found = gradients(objective, lambda rng: objective.gradients(WHOLE, rng=rng))
    assert are_equal(found, gradients(objective, lambda rng: written_out(network, batch, rng)))
    assert not are_equal(found, gradients(objective, lambda rng: plain(network, batch, rng)))


@pytest.mark.parametrize("bptt", [None, 2])
def test_virtual_adversarial_training_adds_the_loss_of_all_texts(bptt: int | None) -> None:
    objective = make(virtual_adversarial=0.5, bptt=bptt)
    objective.next_batch()
    network, batch, texts = objective.network, objective.batch.pack(), objective.vat_batch.pack()
    assert batch is not None
    assert sorted(texts.indices) == list(range(len(DOCUMENTS[0]) + len(UNLABELLED)))

    def written_out(rng: np.random.Generator) -> None:
        vat_gradients(network, texts, 0.5, rng=rng, bptt=bptt)
        network.gradients(batch, rng=rng, bptt=bptt)

    found = gradients(objective, lambda rng: objective.gradients(WHOLE, rng=rng))
    assert are_equal(found, gradients(objective, written_out))
    assert not are_equal(found, gradients(objective, lambda rng: plain(network, batch, rng)))


@pytest.mark.parametrize("crop", [None, 4])
def test_texts_are_cropped_in_training_only(crop: int | None) -> None:
    objective = make(crop=crop, virtual_adversarial=0.5)
    objective.next_batch()
    labelled = [len(document) for document in DOCUMENTS[0]]
    for batch, lengths in ((objective.batch, labelled), (objective.vat_batch, [*labelled, 8, 3, 1])):
        assert batch is not None
        assert sorted(map(len, batch.documents)) == sorted(min(length, crop or length) for length in lengths)
    assert objective.validation is DOCUMENTS
