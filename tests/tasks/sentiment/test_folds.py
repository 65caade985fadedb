"""The network of a fold knows nothing of the texts that it leaves out."""

from typing import Any

import numpy as np
import pytest

from rnnnlp.tasks.sentiment.config import SentimentConfig, SentimentTraining
from rnnnlp.tasks.sentiment.folds import logits_of_folds
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.objective import SentimentObjective

V, N = 12, 30
FOLDS = np.arange(N) % 3


def logits(labels: np.ndarray, weights: np.ndarray | None, **options: Any) -> np.ndarray:
    """Those of each text when it was left out, `(1 + E, n, K)`; few buckets, so n-grams of all texts share them."""
    rng = np.random.default_rng(1)
    documents = [rng.integers(V, size=length) for length in rng.integers(2, 6, size=N)]
    config = SentimentConfig(V, ("a", "b"), "gru", embedding_size=3, hidden_size=3, ngram_buckets=16)
    network = SentimentNetwork(config, rng=np.random.default_rng(0), dtype=np.float64)
    training = SentimentTraining(
        data="", tokenizer="word", batch_size=5, lr=0.05, epochs=2, evaluations=2, folds=3, **options
    )
    objective = SentimentObjective(network, (documents, labels), ([], labels[:0]), training, {}, (), weights)
    return logits_of_folds(objective, FOLDS, None, seconds=None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_labels_and_weights_of_a_fold_do_not_change_its_logits(class_weights: str, weighted: bool) -> None:
    rng = np.random.default_rng(2)
    labels, weights = rng.integers(2, size=N), rng.uniform(0.5, 2, size=N) if weighted else None
    found = logits(labels, weights, class_weights=class_weights)
    for fold in range(3):
        left_out = fold == FOLDS
        other_labels = np.where(left_out, 1 - labels, labels)
        other_weights = None if weights is None else np.where(left_out, 3.0, weights)
        other = logits(other_labels, other_weights, class_weights=class_weights)
        np.testing.assert_allclose(other[:, left_out], found[:, left_out], rtol=1e-9)
        for others in {0, 1, 2} - {fold}:  # they were trained on
            assert (np.abs(other - found)[1:, others == FOLDS] > 1e-4).all()
