"""What the training loop drives: an objective, and the losses that come from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from rnnnlp.batches.shards import Shard
from rnnnlp.training.network import Network


class BatchLoss(NamedTuple):
    """The loss that came with the gradients of a batch."""

    loss: float  # nats, the mean over the targets
    tokens: int
    targets: float  # their number
    squares: float | None = None  # squared norms of the gradients of all shards, added up, where they were measured


class Step(NamedTuple):
    """The result of a training step: the loss of its batch, the gradient norm before clipping, and the update ratio."""

    batch: BatchLoss
    gradient_norm: float
    update_ratio: float | None  # where it was measured


@dataclass(frozen=True)
class ShardLoss:
    """The loss that came with the gradients of a shard."""

    loss_sum: float  # nats
    count: float  # of targets: sums and counts of all shards are divided once
    tokens: int


NO_LOSS = ShardLoss(0.0, 0.0, 0)  # of a shard without data


class Objective(Protocol):
    """What the training loop drives: the gradients of a network on its data, and how good the network is."""

    @property
    def network(self) -> Network: ...

    steps_per_epoch: int

    def next_batch(self) -> None:
        """Goes to the next batch."""

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        """Takes a shard of the batch forward and backward, and adds into the gradients of the parameters.

        What it adds is the gradient of `loss_sum` divided by the count of the whole batch.
        """

    def evaluate(self) -> dict[str, Any]:
        """Figures on the validation split. "score" decides which weights are kept; higher is better.

        It may fit buffers of the network, which are saved with the weights; the parameters stay as they are.

        All processes call it, and may share the work: see `distributed.for_each_shard`.
        """

    def sample(self) -> str | None:
        """A text that the network generates, if it generates."""

    def position(self) -> dict[str, Any]:
        """The position in the data."""

    def carried(self) -> dict[str, np.ndarray]:
        """The hidden state that is carried from one batch to the next."""

    def seek(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        """Goes to where `position` and `carried` were taken."""

    def fingerprint(self) -> Mapping[str, str]:
        """The digest of each part of the data that training and validation read; the keys name them in messages."""

    def earlier_fingerprint(self) -> str:
        """What checkpoints of 0.1 and of an early 0.2 have: a fingerprint of a part of the data. "" for new tasks."""
