"""What the training loop drives: windows of streams from the beginning of the text, and from its end."""

# B streams, L layers, H hidden, V vocabulary

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp.batches.shards import Shard
from rnnnlp.batches.streams import StreamBatches
from rnnnlp.layers.sampled_softmax import Sampler
from rnnnlp.tasks.language_modelling import (
    EVALUATION_STREAMS,
    carried_state,
    carry,
    ends_fingerprint,
    state_of_shard,
    whole_state,
)
from rnnnlp.tasks.word_lm.config import WordLMTraining
from rnnnlp.tasks.word_lm.evaluate import word_lm_metrics
from rnnnlp.tasks.word_lm.network import WordLMNetwork, both_directions
from rnnnlp.training.objective import NO_LOSS, ShardLoss

COUNTED_TOKENS = 1 << 20  # at a time


class WordLMObjective:
    """Truncated backpropagation through time in both directions; see `training.objective.Objective`.

    `digests` are those of `language_modelling.digests_of_corpus`.
    """

    def __init__(
        self,
        network: WordLMNetwork,
        train: np.ndarray,
        validation: np.ndarray,
        config: WordLMTraining,
        digests: Mapping[str, str],
    ):
        self.network, self.digests, self.config = network, digests, config
        self.sampler = Sampler(token_counts(train, network.config.vocab_size), config.samples)
        self.batches = [
            StreamBatches(ids, batch_size=config.batch_size, bptt=config.bptt, seed=config.seed)
            for ids in both_directions(train)
        ]
        self.steps_per_epoch = self.batches[0].per_epoch
        self.validation = validation[: config.validation_tokens + 1]
        self.states = [d.zero_state(self.batches[0].batch_size) for d in network.directions.values()]

    def next_batch(self) -> None:
        self.windows = [batches.next() for batches in self.batches]

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        windows = [window.shard(shard) for window in self.windows]
        if not len(windows[0].inputs):
            return NO_LOSS
        states = [state_of_shard(state, shard) for state in self.states]
        carried = [carried_state(window, state) for window, state in zip(windows, states, strict=True)]
        batch_count = sum(len(window.targets) for window in self.windows)
        loss_sum, count, ends = self.network.gradients(windows, carried, self.sampler, rng=rng, batch_count=batch_count)
        for state, state_T in zip(states, ends, strict=True):
            carry(state, state_T)
        return ShardLoss(loss_sum, count, count)

    def evaluate(self) -> dict[str, Any]:
        shards = self.config.shards or 1
        metrics = word_lm_metrics(self.network, self.validation, streams=EVALUATION_STREAMS, shards=shards)
        return {"score": -metrics["loss"], **metrics}

    def sample(self) -> str | None:
        return None

    def position(self) -> dict[str, Any]:
        return self.batches[0].position

    def carried(self) -> dict[str, np.ndarray]:
        states = [whole_state(state, self.config.shards or 1) for state in self.states]
        return {f"{r}.{i}": s for r, state in enumerate(states) for i, s in enumerate(state)}

    def seek(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        for batches in self.batches:
            batches.seek(position)
        self.states = [tuple(carried[f"{r}.{i}"] for i in range(len(s))) for r, s in enumerate(self.states)]

    def fingerprint(self) -> Mapping[str, str]:
        return self.digests

    def earlier_fingerprint(self) -> str:
        return ends_fingerprint(self.batches[0].ids)


def token_counts(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """The number of times each token occurs in `ids`, which may be memory-mapped: `(V,)`."""
    blocks = (ids[start : start + COUNTED_TOKENS] for start in range(0, len(ids), COUNTED_TOKENS))
    return sum((np.bincount(block, minlength=vocab_size) for block in blocks), np.zeros(vocab_size, np.int64))
