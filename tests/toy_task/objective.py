"""What the training loop drives: a bag of each stream of the text at a time."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp.batches.shards import Shard
from rnnnlp.batches.streams import StreamBatches
from rnnnlp.tasks.language_modelling import digests_of_ids
from rnnnlp.training.objective import ShardLoss
from tests.toy_task.config import ToyTraining
from tests.toy_task.evaluate import toy_metrics
from tests.toy_task.network import ToyNetwork


class ToyObjective:
    """See `training.objective.Objective`."""

    def __init__(self, network: ToyNetwork, train: np.ndarray, validation: np.ndarray, config: ToyTraining):
        self.network, self.config, self.validation = network, config, validation
        self.batches = StreamBatches(train, batch_size=config.batch_size, bptt=config.bptt, seed=config.seed)
        self.steps_per_epoch = self.batches.per_epoch

    def next_batch(self) -> None:
        self.window = self.batches.next()

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        window = self.window.shard(shard)
        ids = window.inputs.reshape(self.config.bptt, -1)  # (T, B)
        B = self.batches.batch_size
        return ShardLoss(*self.network.gradients(ids, window.targets[-ids.shape[1] :], batch_count=B), ids.size)

    def evaluate(self) -> dict[str, Any]:
        metrics = toy_metrics(self.network, self.validation, self.config.bptt)
        return {"score": -metrics["loss"], **metrics}

    def sample(self) -> str | None:
        return None

    def position(self) -> dict[str, Any]:
        return self.batches.position

    def carried(self) -> dict[str, np.ndarray]:
        return {}

    def seek(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        self.batches.seek(position)

    def fingerprint(self) -> Mapping[str, str]:
        return digests_of_ids(self.batches.ids, self.validation)

    def earlier_fingerprint(self) -> str:
        return ""
