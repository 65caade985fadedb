"""Steps that each shard takes on its own between two sums over the shards, for slow networks.

Each shard has a replica of the weights and of the optimizer, and takes steps with the gradients of its part of each
batch. After `sync_every` steps all take the mean of the replicas, of their weights and of the moments of the optimizer
(local SGD, Stich 2019). So all replicas begin alike, and a checkpoint does not depend on their number. There is no
momentum over the means: with the best learning rates it made models worse (docs/guide/scale.md).

Replicas belong to shards and not to processes, so the number of processes changes no bit here either. A process with
several shards has as many replicas.
"""

import copy
import math
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from rnnnlp.batches.shards import Shard
from rnnnlp.kernels.backend import Array
from rnnnlp.training.averaging import AveragedWeights, replaced
from rnnnlp.training.distributed import own_shards, processes
from rnnnlp.training.divergence import DivergenceDetector
from rnnnlp.training.gradient_sum import Gradient, mean_loss, sum_of_shards
from rnnnlp.training.objective import Objective, ShardLoss, Step
from rnnnlp.training.optimizers import Optimizer, clipping, global_norm
from rnnnlp.training.wire import WIRES


class ReplicaRecord(NamedTuple):
    """A step of a replica: loss, gradient norm, and that of each parameter where one is not finite."""

    loss: ShardLoss
    norm: float
    norms: dict[str, float]


class Replica:
    """Weights and optimizer of one shard."""

    def __init__(self, common: Optimizer):
        self.parameters = common.parameters
        self.values = {name: p.value.copy() for name, p in self.parameters.items()}
        self.optimizer = copy.copy(common)
        self.optimizer.slots = copy.deepcopy(common.slots)
        self.records: list[ReplicaRecord] = []  # of the steps since the last mean
        self.changed: dict[str, Array | None] = {}  # the rows that these have changed, as a mask; None for all

    def arrays(self) -> list[Array]:
        """Its weights and moments, in the order of `arrays_of`."""
        return [*self.values.values(), *moments_of(self.optimizer)]

    def begin(self, common: Optimizer) -> None:
        """Goes to the weights and moments that all share."""
        self.optimizer.steps = common.steps
        self.records = []
        self.changed = {name: np.zeros(len(p.value), bool) for name, p in self.parameters.items()}
        for own, shared in zip(self.arrays(), arrays_of(common), strict=True):
            own[...] = shared

    def step(self, objective: Objective, shard: Shard, lr: float, max_norm: float, *, rng: np.random.Generator) -> None:
        """Takes a step with the gradients of a shard, as if it were the whole batch."""
        with replaced(self.parameters, self.values):
            objective.network.zero_grad()
            loss = objective.gradients(shard, rng=rng)
            norm, norms = global_norm(self.parameters)
            norm *= shard.total  # the gradients of a shard are divided by the count of the whole batch
            self.optimizer.step(lr, scale=shard.total * clipping(norm, max_norm))
        is_finite = math.isfinite(loss.loss_sum) and math.isfinite(norm)
        self.records.append(ReplicaRecord(loss, norm, {} if is_finite else norms))
        for name, p in self.parameters.items():
            if p.rows is None:
                self.changed[name] = None
            elif (mask := self.changed[name]) is not None:
                mask[p.rows] = True


class LocalSteps:
    """The replicas of this process.

    Args:
        objective: What is trained.
        optimizer: With the weights and moments that all share.
        shards: The number of shards of a batch.
        wire: A name in `WIRES`: how what is summed travels.
    """

    def __init__(self, objective: Objective, optimizer: Optimizer, *, shards: int, wire: str):
        self.objective, self.optimizer, self.shards, self.wire = objective, optimizer, shards, WIRES[wire]
        self.parameters = optimizer.parameters
        self.replicas = {shard: Replica(optimizer) for shard in own_shards(shards)}

    @np.errstate(over="ignore", invalid="ignore")  # the detector looks for what is not finite
    def train(
        self,
        rates: Iterable[float],
        averaged: AveragedWeights,
        detector: DivergenceDetector,
        *,
        max_norm: float,
        rng: np.random.Generator,
        seed: int,
    ) -> Step:
        """Takes a step of all replicas for each learning rate, then their mean.

        Raises:
            Diverged: Before the mean is taken, if a loss or a gradient is not finite or the loss stays high.
        """
        taken: list[float] = []  # the learning rates
        for replica in self.replicas.values():
            replica.begin(self.optimizer)
        for lr in rates:
            self.objective.next_batch()
            for shard, replica in self.replicas.items():
                step_rng = shard.rng(rng, seed, self.optimizer.steps + len(taken))
                replica.step(self.objective, shard, lr, max_norm, rng=step_rng)
            taken.append(lr)
        records, rows = self.exchange_records()
        losses, worst = [], records[0][0]
        for number, (lr, of_all) in enumerate(zip(taken, zip(*records, strict=True), strict=True), 1):
            batch = mean_loss([of_replica.loss for of_replica in of_all])
            worst = max(of_all, key=lambda of_replica: (len(of_replica.norms), of_replica.norm))
            detector.check(self.optimizer.steps + number, batch.loss, worst.norm, worst.norms, lr)
            losses += [of_replica.loss for of_replica in of_all]
        self.take_mean(rows)
        self.optimizer.steps += len(taken)
        averaged.update(self.optimizer.steps, taken=len(taken))
        return Step(mean_loss(losses), worst.norm, None)

    def exchange_records(self) -> tuple[list[list[ReplicaRecord]], list[Array | None]]:
        """The records of all replicas, and the rows of each parameter that any of them has changed; None for all."""
        own = list(self.replicas.values())
        changed = {
            name: union([replica.changed[name] for replica in own], len(p.value)) for name, p in self.parameters.items()
        }
        found = processes().exchange(([replica.records for replica in own], changed))
        masks = [union([of[name] for _, of in found], len(p.value)) for name, p in self.parameters.items()]
        rows = [None if mask is None else np.flatnonzero(mask) for mask in masks]
        return [of_replica for records, _ in found for of_replica in records], rows

    def take_mean(self, rows: Sequence[Array | None]) -> None:
        """Goes to the mean of all replicas; only these rows change.

        Args:
            rows: Of each parameter; None for all.
        """
        common = arrays_of(self.optimizer)
        weights = common[: len(rows)]
        rows_of = list(rows) * (len(common) // len(rows))  # moments have the rows of their parameter
        touched = [slice(None) if r is None else r for r in rows_of]

        def of_shard(shard: Shard) -> tuple[list[Gradient], None]:
            own = [array[at] for array, at in zip(self.replicas[shard].arrays(), touched, strict=True)]
            moved = [mine - shared[at] for mine, shared, at in zip(own, weights, touched, strict=False)]
            return list(map(Gradient, rows_of, moved + own[len(weights) :])), None

        sums, _ = sum_of_shards(self.shards, of_shard, common, self.wire)
        means = [total / self.shards for _, total in sums]
        for number, (array, at, mean) in enumerate(zip(common, touched, means, strict=True)):
            # weights travel as differences, which rounding harms less; moments do not, so that none turns negative
            array[at] = array[at] + mean if number < len(weights) else mean


def moments_of(optimizer: Optimizer) -> list[Array]:
    """The state arrays of an optimizer."""
    return [array for arrays in optimizer.slots.values() for array in arrays.values()]


def arrays_of(optimizer: Optimizer) -> list[Array]:
    """The weights that an optimizer updates, and its state arrays."""
    return [*(p.value for p in optimizer.parameters.values()), *moments_of(optimizer)]


def union(masks: Sequence[Array | None], length: int) -> Array | None:
    """The rows in any mask, bool `(length,)`; None, which is all rows, if one of them is None."""
    known = [mask for mask in masks if mask is not None]
    return None if len(known) < len(masks) else reduce(np.logical_or, known, np.zeros(length, bool))
