"""The network of the toy task."""

# N bags, T letters in a bag, V vocabulary

from typing import Any

import numpy as np

from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.training.network import Network
from tests.toy_task.config import ToyConfig


class ToyNetwork(Network):
    """Guesses a letter from the counts of the letters before it."""

    model_type = "toy"
    config_type = ToyConfig
    config: ToyConfig

    def __init__(self, config: ToyConfig, tokenizer: Any = None, **options: Any):
        super().__init__(config, tokenizer, **options)
        self.linear = Linear(config.vocab_size, config.vocab_size, dtype=self.dtype, rng=options["rng"])
        self.layers = {"linear": self.linear}

    def bags(self, ids: np.ndarray) -> np.ndarray:
        """The scaled counts `(N, V)` of the letters `ids (T, N)`."""
        T, N = ids.shape
        x = np.zeros((N, self.config.vocab_size), self.dtype)
        np.add.at(x, (np.arange(N), ids), self.config.sharpness / T)
        return x

    def loss(self, ids: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Nats summed over `targets (N,)` after the letters `ids (T, N)`, and the number of targets."""
        logits, _ = self.linear.forward(self.bags(ids))  # (N, V)
        return softmax_cross_entropy(logits, targets)[:2]

    def gradients(self, ids: np.ndarray, targets: np.ndarray, batch_count: int | None = None) -> tuple[float, float]:
        """As `loss`; adds the gradient of the mean loss of these bags, which are a part of `batch_count` bags."""
        logits, tape = self.linear.forward(self.bags(ids))
        loss_sum, count, dlogits = softmax_cross_entropy(logits, targets)
        self.linear.backward(dlogits / (batch_count or count), tape)
        return loss_sum, count
