"""Processes that train one model together, or the one that trains alone.

A batch is cut into shards, whatever the number of processes. Each process computes some of them. The gradients of all
shards are added in one balanced binary tree, so their sum has the same bits however many processes there are. Then all
processes update their copies of the weights alike.

All processes run the same program, and call what is here in the same order. The first one alone touches the run folder.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from rnnnlp.batches.shards import Node, Shard, shards_of
from rnnnlp.kernels.backend import Array
from rnnnlp.training.signals import Interrupted, signals_noted
from rnnnlp.training.wire import Wire

P = ParamSpec("P")
Self = TypeVar("Self")
T = TypeVar("T")


class Processes(Protocol):
    """The processes that work together, as one of them sees them."""

    rank: int  # of this process, from 0
    size: int
    threads: int | None  # of each, where the user does not say; None leaves it to the kernels
    resume_with: str  # a command, which is said if another process is lost
    waited: float  # seconds that this one has spent in messages, those of waiting for others included

    def now(self) -> float:
        """`time.monotonic()` of the first process, at the last message: all see the same time, and decide alike."""

    def exchange(self, own: T) -> list[T]:
        """What each process gives, in their order."""

    def first(self, function: Callable[[], T]) -> T:
        """What the first process gets from a function; the others do not call it. An error there is raised here."""

    def once_a_host(self, function: Callable[[], T]) -> T:
        """What a function gives here. One process of each host calls it before the others, which find its files."""

    def sum(
        self, own: Sequence[Array], nodes: Sequence[Sequence[Node]], length: int, dtype: np.dtype[Any], wire: Wire
    ) -> Array:
        """The sum `(length,)` over all shards.

        Args:
            own: What this process has of each of its nodes, `(length,)`.
            nodes: The nodes of each process.
            length: Of the arrays.
            dtype: Of their numbers.
            wire: How they travel.
        """

    def signals(self) -> AbstractContextManager[list[int]]:
        """As `signals_noted`; a signal to one process is one to all, from the next message on."""


class Alone:
    """The one process that trains without others."""

    rank, size = 0, 1
    threads: int | None = None
    resume_with = ""
    waited = 0.0

    def now(self) -> float:
        return time.monotonic()

    def exchange(self, own: T) -> list[T]:
        return [own]

    def first(self, function: Callable[[], T]) -> T:
        return function()

    def once_a_host(self, function: Callable[[], T]) -> T:
        return function()

    def sum(
        self, own: Sequence[Array], nodes: Sequence[Sequence[Node]], length: int, dtype: np.dtype[Any], wire: Wire
    ) -> Array:
        return own[0]

    def signals(self) -> AbstractContextManager[list[int]]:
        return signals_noted()


ALONE: Processes = Alone()

_current: ContextVar[Processes] = ContextVar("processes", default=ALONE)


def processes() -> Processes:
    """The processes that this one works with."""
    return _current.get()


@contextmanager
def working_with(others: Processes) -> Iterator[None]:
    """A context in which this process works with others."""
    token = _current.set(others)
    try:
        yield
    finally:
        _current.reset(token)


def by_first(method: Callable[Concatenate[Self, P], T]) -> Callable[Concatenate[Self, P], T]:
    """Makes only the first process do what a method does; all get what it returns or raises."""

    @wraps(method)
    def shared(self: Self, *args: P.args, **kwargs: P.kwargs) -> T:
        return processes().first(lambda: method(self, *args, **kwargs))

    return shared  # type: ignore[return-value]  # as a method it is called with `self` first


def for_each_shard(shards: int, function: Callable[[Shard], T]) -> list[T]:
    """What a function gives for each shard, in order. Each process calls it for its own."""
    found = processes().exchange([function(shard) for shard in own_shards(shards)])
    return [value for part in found for value in part]


def own_shards(shards: int) -> Sequence[Shard]:
    """The shards of this process."""
    return shards_of(processes().rank, processes().size, shards)


def raise_if_asked(signals: Sequence[int]) -> None:
    """Raises Interrupted if one of the signals has arrived, in any process."""
    processes().exchange(None)  # so that all know of it
    if signals:
        raise Interrupted(signals[0])
