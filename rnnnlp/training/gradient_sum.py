"""The gradients of a batch, summed over its shards in one order, whichever process computes them.

Each process makes the sums of its own nodes of the tree over the shards. Then every process adds up an equal part of
all numbers, from the nodes of all processes to the root, and all get all parts.
"""

# U rows with a gradient, R rows of a parameter, P numbers in all gradients together

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from rnnnlp.batches.shards import WHOLE, Node, Shard, nodes_of
from rnnnlp.errors import UserError
from rnnnlp.kernels.backend import Array
from rnnnlp.training.distributed import processes
from rnnnlp.training.objective import BatchLoss, Objective, ShardLoss
from rnnnlp.training.optimizers import global_norm
from rnnnlp.training.provenance import difference, made_with
from rnnnlp.training.wire import WIRES, Wire

T = TypeVar("T")


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
    objective: Objective,
    shards: int,
    *,
    rng: np.random.Generator,
    seed: int,
    step: int,
    wire: str = "float32",
    measured: bool = False,
) -> BatchLoss:
    """Takes the next batch forward and backward, and sets the gradients of all parameters.

    Args:
        objective: What is trained.
        shards: Number of shards of a batch.
        rng: The random generator of the run, which a batch of one shard uses.
        seed: The seed of the run; with more shards, each has a generator for each step.
        step: The number of steps before this one.
        wire: A name in WIRES: how the gradients of shards travel.
        measured: Whether to measure the gradient of each shard, too.
    """
    named = objective.network.parameters()
    parameters = list(named.values())

    def compute(shard: Shard) -> ShardLoss:
        objective.network.zero_grad()
        return objective.gradients(shard, rng=shard.rng(rng, seed, step))

    def of_shard(shard: Shard) -> tuple[list[Gradient], tuple[ShardLoss, float]]:
        loss = compute(shard)
        square = global_norm(named)[0] ** 2 if measured else 0.0
        return [Gradient(p.rows, p.grad[p.touched].copy()) for p in parameters], (loss, square)

    objective.next_batch()
    if shards == processes().size == 1:
        return mean_loss([compute(WHOLE)])
    sums, results = sum_of_shards(shards, of_shard, [p.value for p in parameters], WIRES[wire])
    for p, (rows, values) in zip(parameters, sums, strict=True):
        p.zero_grad()
        p.rows = rows
        p.grad[p.touched] = values
    losses, squares = zip(*results, strict=True)
    return mean_loss(losses, sum(squares) if measured else None)


def mean_loss(losses: Sequence[ShardLoss], squares: float | None = None) -> BatchLoss:
    """The loss of a batch from those of its shards."""
    count = sum(loss.count for loss in losses)
    loss_sum = sum(loss.loss_sum for loss in losses)
    return BatchLoss(loss_sum / (count or 1.0), sum(loss.tokens for loss in losses), count, squares)


def sum_of_shards(
    shards: int,
    compute: Callable[[Shard], tuple[list[Gradient], T]],
    like: Sequence[Array],
    wire: Wire,
) -> tuple[list[Gradient], list[T]]:
    """Sums over all shards, which all processes get.

    Args:
        shards: The number of shards.
        compute: Returns, for a shard, its gradients and a further result.
        like: Whole arrays of the same shapes and dtype.
        wire: How the arrays travel.

    Returns:
        The sums, and the further result of each shard, in order.
    """
    own_results: list[T] = []
    shapes = [array.shape for array in like]

    def of_shard(node: Node) -> list[Gradient] | None:
        if node.end - node.begin > 1:
            return None
        arrays, result = compute(Shard(node.begin, shards))
        own_results.append(result)
        return [Gradient(rows, wire.rounded(values)) for rows, values in arrays]

    def add(left: list[Gradient], right: list[Gradient]) -> list[Gradient]:
        sums = (a.plus(b, shape) for a, b, shape in zip(left, right, shapes, strict=True))
        return [Gradient(rows, wire.rounded(values)) for rows, values in sums]

    root = Node(0, shards)
    nodes = [nodes_of(rank, processes().size, root) for rank in range(processes().size)]
    own = [node.sum(of_shard, add) for node in nodes[processes().rank]]
    masks = [_mask([arrays[i].rows for arrays in own], shape[0]) for i, shape in enumerate(shapes)]
    found = processes().exchange((own_results, masks))
    rows = [_rows(of_array) for of_array in zip(*(masks for _, masks in found), strict=True)]
    lengths = [shape[0] if r is None else len(r) for shape, r in zip(shapes, rows, strict=True)]
    found_shapes = [(length, *shape[1:]) for shape, length in zip(shapes, lengths, strict=True)]
    flat = [
        np.concatenate([a.spread(r, shape).ravel() for a, r, shape in zip(node, rows, shapes, strict=True)])
        for node in own
    ]  # (P,) each
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in found_shapes])
    total = processes().sum(flat, nodes, int(ends[-1]), like[0].dtype, wire)  # (P,)
    parts = np.split(total, ends[:-1])
    sums = [Gradient(r, part.reshape(shape)) for r, part, shape in zip(rows, parts, found_shapes, strict=True)]
    return sums, [result for of_process, _ in found for result in of_process]


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
