"""The gradients of a batch, summed over its shards in one order, whichever process computes them.

Each process makes the sums of its own nodes of the tree over the shards. Then every process adds up an equal part of
all numbers, from the nodes of all processes to the root, and all get all parts.
"""

# U rows with a gradient, R rows of a parameter, P numbers in all gradients together

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnnlp.batches.shards import WHOLE, Node, Shard, nodes_of
from rnnnlp.errors import UserError
from rnnnlp.kernels.backend import Array
from rnnnlp.layers.parameter import Parameter
from rnnnlp.training.distributed import processes
from rnnnlp.training.provenance import difference, made_with
from rnnnlp.training.task import BatchLoss, Objective, ShardLoss


class Gradient(NamedTuple):
    """The gradient of a parameter in some shards: the rows that it has, None for all, and their values."""

    rows: Array | None  # (U,)
    values: Array  # (U, ...) or (R, ...)

    def spread(self, rows: Array | None, shape: tuple[int, ...]) -> Array:
        """The values in these rows, among which are its own, of a parameter `shape (R, ...)`."""
        if self.rows is None or (rows is not None and len(rows) == len(self.rows)):
            return self.values
        values = np.zeros(shape if rows is None else (len(rows), *shape[1:]), self.values.dtype)
        values[self.rows if rows is None else np.searchsorted(rows, self.rows)] = self.values
        return values

    def plus(self, other: "Gradient", shape: tuple[int, ...]) -> "Gradient":
        """The sum of two."""
        rows = None if self.rows is None or other.rows is None else np.union1d(self.rows, other.rows)
        values = self.spread(rows, shape)
        values += other.spread(rows, shape)
        return Gradient(rows, values)


def gradients_of_batch(
    objective: Objective, shards: int, *, rng: np.random.Generator, seed: int, step: int
) -> BatchLoss:
    """Takes the next batch forward and backward, and sets the gradients of all parameters.

    Args:
        objective: What is trained.
        shards: Number of shards of a batch.
        rng: The random generator of the run, which a batch of one shard uses.
        seed: The seed of the run; with more shards, each has a generator for each step.
        step: The number of steps before this one.
    """
    losses: list[ShardLoss] = []
    parameters = list(objective.network.parameters().values())

    def compute(shard: Shard) -> None:
        objective.network.zero_grad()
        losses.append(objective.gradients(shard, rng=shard.rng(rng, seed, step)))

    def of_shard(node: Node) -> list[Gradient] | None:
        if node.end - node.begin > 1:
            return None
        compute(Shard(node.begin, shards))
        return [Gradient(p.rows, p.grad[p.touched].copy()) for p in parameters]

    def add(left: list[Gradient], right: list[Gradient]) -> list[Gradient]:
        return [a.plus(b, p.value.shape) for a, b, p in zip(left, right, parameters, strict=True)]

    objective.next_batch()
    if shards == processes().size == 1:
        compute(WHOLE)
    else:
        root = Node(0, shards)
        nodes = [nodes_of(rank, processes().size, root) for rank in range(processes().size)]
        own = [node.sum(of_shard, add) for node in nodes[processes().rank]]
        losses = set_sum(parameters, own, nodes, losses)
    count = sum(loss.count for loss in losses)
    return BatchLoss(sum(loss.loss_sum for loss in losses) / (count or 1.0), sum(loss.tokens for loss in losses))


def set_sum(
    parameters: Sequence[Parameter],
    own: Sequence[Sequence[Gradient]],
    nodes: Sequence[Sequence[Node]],
    losses: list[ShardLoss],
) -> list[ShardLoss]:
    """Sets the gradients of parameters to their sums over all processes; returns the losses of all shards in order.

    Args:
        parameters: The parameters.
        own: Their gradients in each node of this process.
        nodes: The nodes of each process.
        losses: Of the shards of this process.
    """
    masks = [_mask([gradients[i].rows for gradients in own], len(p.value)) for i, p in enumerate(parameters)]
    found = processes().exchange((losses, masks))
    rows = [_rows(of_parameter) for of_parameter in zip(*(masks for _, masks in found), strict=True)]
    lengths = [len(p.value) if r is None else len(r) for p, r in zip(parameters, rows, strict=True)]
    shapes = [(length, *p.value.shape[1:]) for p, length in zip(parameters, lengths, strict=True)]
    flat = [
        np.concatenate([g.spread(r, p.value.shape).ravel() for g, r, p in zip(node, rows, parameters, strict=True)])
        for node in own
    ]  # (P,) each
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    total = processes().sum(flat, nodes, int(ends[-1]), parameters[0].grad.dtype)  # (P,)
    for p, r, shape, values in zip(parameters, rows, shapes, np.split(total, ends[:-1]), strict=True):
        p.zero_grad()
        p.rows = r
        p.grad[p.touched] = values.reshape(shape)
    return [loss for of_process, _ in found for loss in of_process]


def _mask(rows: Sequence[Array | None], length: int) -> Array | None:
    """Of a parameter with `length` rows those that any of the nodes has, a bit for each; None if one has all."""
    mask = np.zeros(length, bool)
    for of_node in rows:
        if of_node is None:
            return None
        mask[of_node] = True
    return np.packbits(mask)


def _rows(masks: Sequence[Array | None]) -> Array | None:
    """The rows that any process has; None for all."""
    known = [mask for mask in masks if mask is not None]
    if len(known) < len(masks):
        return None
    return np.flatnonzero(np.unpackbits(np.bitwise_or.reduce(known)))


def begin_alike(objective: Objective) -> None:
    """Gives all processes the weights of the first.

    Raises:
        UserError: If one of them has other data, or computes in another way.
    """
    if processes().size == 1:
        return
    found = processes().exchange((dict(objective.fingerprint()), made_with()))
    for rank, (data, software) in enumerate(found):
        if data != found[0][0]:
            raise UserError(f"process {rank} has other data than process 0; give all of them the same files")
        if differs := difference(found[0][1], software):
            raise UserError(f"process {rank} has another installation than process 0: {differs}; give all the same one")
    values = processes().first(lambda: [p.value for p in objective.network.parameters().values()])
    for p, value in zip(objective.network.parameters().values(), values, strict=True):
        p.value[...] = value
