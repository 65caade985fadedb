"""What the training loop drives: windows of contiguous streams, the state carried from each to the next."""

# T steps, B streams, L layers, H hidden

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp.batches.shards import Shard
from rnnnlp.batches.streams import StreamBatches
from rnnnlp.kernels.backend import State
from rnnnlp.tasks.char_lm.config import CharLMTraining
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.language_modelling import (
    EVALUATION_STREAMS,
    carried_state,
    carry,
    ends_fingerprint,
    language_model_loss,
    state_of_shard,
    whole_state,
)
from rnnnlp.training.metrics import language_model_metrics
from rnnnlp.training.objective import NO_LOSS, ShardLoss

SAMPLE_LENGTH = 200  # tokens


class CharLMObjective:
    """Truncated backpropagation through time over `ids (length,)`; see `training.objective.Objective`.

    `digests` are those of `language_modelling.digests_of_corpus`.
    """

    def __init__(
        self,
        network: CharLMNetwork,
        train: np.ndarray,
        validation: np.ndarray,
        characters: int,
        config: CharLMTraining,
        digests: Mapping[str, str],
    ):
        self.network, self.digests = network, digests
        self.config = config
        self.batches = StreamBatches(
            train,
            batch_size=config.batch_size,
            bptt=config.bptt,
            seed=config.seed,
            shuffled_block=config.shuffle_blocks,
        )
        self.steps_per_epoch = self.batches.per_epoch
        self.validation = validation[: config.validation_tokens + 1]
        self.characters_per_token = characters / max(1, len(validation))
        self.state: State = network.zero_state(self.batches.batch_size)

    def next_batch(self) -> None:
        self.window = self.batches.next()

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        window, state = self.window.shard(shard), state_of_shard(self.state, shard)
        if not len(window.inputs):
            return NO_LOSS
        loss_sum, count, state_T = self.network.gradients(
            window.inputs,
            window.targets,
            window.batch_sizes,
            carried_state(window, state),
            rng=rng,
            label_smoothing=self.config.label_smoothing,
            batch_count=len(self.window.targets),
        )
        carry(state, state_T)
        return ShardLoss(loss_sum, count, len(window.inputs))

    def evaluate(self) -> dict[str, Any]:
        shards = self.config.shards or 1
        loss_sum, tokens = language_model_loss(self.network, self.validation, streams=EVALUATION_STREAMS, shards=shards)
        metrics = language_model_metrics(loss_sum, tokens, tokens * self.characters_per_token)
        return {"score": -metrics["nats_per_char"], **metrics}

    def sample(self) -> str | None:
        return "".join(generate(self.network, "", Sampling(length=SAMPLE_LENGTH), rng=np.random.default_rng(0)))

    def position(self) -> dict[str, Any]:
        return self.batches.position

    def carried(self) -> dict[str, np.ndarray]:
        return {str(i): s for i, s in enumerate(whole_state(self.state, self.config.shards or 1))}

    def seek(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        self.batches.seek(position)
        self.state = tuple(carried[str(i)] for i in range(len(self.state)))

    def fingerprint(self) -> Mapping[str, str]:
        return self.digests

    def earlier_fingerprint(self) -> str:
        return ends_fingerprint(self.batches.ids)
