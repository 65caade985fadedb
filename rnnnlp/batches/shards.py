"""A batch is cut into shards, which any number of processes compute. What a shard is does not depend on that number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One of the equal parts of a batch: number `index` of `total`, from 0."""

    index: int
    total: int

    def part(self, length: int) -> slice:
        """Its contiguous part of `length` rows, such as the streams of a text. It may be empty."""
        return slice(length * self.index // self.total, length * (self.index + 1) // self.total)

    def rng(self, rng: np.random.Generator, seed: int, step: int) -> np.random.Generator:
        """The generator for what is random in this shard of a step: `rng` itself if the batch is one shard."""
        return rng if self.total == 1 else rng_for(seed, RandomStream.DROPOUT, step, self.index)


WHOLE = Shard(0, 1)


def shards_of(rank: int, size: int, shards: int) -> Sequence[Shard]:
    """The shards that process `rank` of `size` computes; none if there are more processes than shards."""
    return [Shard(index, shards) for index in range(*Shard(rank, size).part(shards).indices(shards))]


class Node(NamedTuple):
    """A node of the binary tree over the shards: those from `begin` to before `end`."""

    begin: int
    end: int

    @property
    def halves(self) -> tuple["Node", "Node"]:
        middle = (self.begin + self.end) // 2
        return Node(self.begin, middle), Node(middle, self.end)

    def inside(self, begin: int, end: int) -> "list[Node]":
        """The largest nodes below this one, or itself, that have only shards from `begin` to before `end`."""
        if begin <= self.begin and self.end <= end:
            return [self]
        if end <= self.begin or self.end <= begin:
            return []
        return [node for half in self.halves for node in half.inside(begin, end)]

    def sum(self, value: Callable[["Node"], T | None], add: Callable[[T, T], T]) -> T:
        """The value of this node: what is there, or the sum of its halves."""
        if (found := value(self)) is not None:
            return found
        left, right = (half.sum(value, add) for half in self.halves)
        return add(left, right)


def nodes_of(rank: int, size: int, root: Node) -> list[Node]:
    """The nodes whose sums process `rank` of `size` makes alone."""
    part = Shard(rank, size).part(root.end)
    return root.inside(part.start, part.stop)
