"""Pooling: the outputs of all steps of a sequence to one vector, packed rows `(N, D)` to `(B, D)`."""

# N tokens, T steps, B sequences, B_t sequences alive at step t, D features

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches.packed import lengths_of, offsets_of, sequence_of_row, time_steps
from rnnnlp.kernels.backend import Array
from rnnnlp.layers.parameter import Parameter, uniform
from rnnnlp.threads import BLAS

POOLINGS = ("last", "mean", "max", "mean+max", "attention")


class Pool(Protocol):
    """A pooling layer: packed rows `(N, D)` to `(B, output_size)`.

    Attributes:
        output_size: The number of features of a pooled row.
    """

    output_size: int

    def parameters(self) -> dict[str, Parameter]:
        """The parameters by name."""

    def forward(self, x: Array, batch_sizes: Array) -> tuple[Array, Any]:
        """Pools each sequence.

        Args:
            x: `(N, D)`.
            batch_sizes: `(T,)`.

        Returns:
            y: `(B, output_size)`.
            tape: What `backward` needs.
        """

    def backward(self, dy: Array, tape: Any) -> Array:
        """Adds to the gradients of the parameters, if there are any, and returns that of the input.

        Args:
            dy: `(B, output_size)`.
            tape: The tape of the forward pass.

        Returns:
            dx: `(N, D)`.
        """


def pooling(kind: str, size: int, *, bidirectional: bool, dtype: np.dtype, rng: np.random.Generator) -> Pool:
    """Makes a pooling layer.

    Args:
        kind: One of `POOLINGS`.
        size: Number of features of each row.
        bidirectional: The second half of the features comes from layers that read backwards.
        dtype: float32 or float64.
        rng: Draws the initial parameters.

    Raises:
        ValueError: The kind is unknown.
    """
    match kind:
        case "last":
            return LastPool(size, bidirectional=bidirectional)
        case "mean" | "max" | "mean+max":
            return MeanMaxPool(size, kind.split("+"))
        case "attention":
            return AttentionPool(size, dtype=dtype, rng=rng)
    raise ValueError(f"pooling is {kind!r}; it must be one of {', '.join(POOLINGS)}")


class _NoParameters:
    def __init__(self, size: int):
        self.output_size = size

    def parameters(self) -> dict[str, Parameter]:
        return {}


class LastTape(NamedTuple):
    last: Array  # (B,) row of each sequence's last step
    N: int


class LastPool(_NoParameters):
    """The last output of each direction: of the last step for the forward half, of the first for the other half."""

    def __init__(self, size: int, *, bidirectional: bool):
        super().__init__(size)
        self.forward_size = size // 2 if bidirectional else size

    def forward(self, x: Array, batch_sizes: Array) -> tuple[Array, LastTape]:
        """`x (N, D)` -> `y (B, D)`, tape."""
        last = offsets_of(batch_sizes)[lengths_of(batch_sizes) - 1] + np.arange(batch_sizes[0])  # (B,) rows
        y = x[: len(last)].copy()  # (B, D) step 0
        y[:, : self.forward_size] = x[last, : self.forward_size]
        return y, LastTape(last, len(x))

    def backward(self, dy: Array, tape: LastTape) -> Array:
        """`dy (B, D)` -> `dx (N, D)`, 0 in rows that were not taken."""
        last, N = tape
        dx = np.zeros((N, dy.shape[1]), dy.dtype)
        # y = [x[last] | x[first]]
        dx[: len(dy), self.forward_size :] = dy[:, self.forward_size :]
        dx[last, : self.forward_size] = dy[:, : self.forward_size]
        return dx


class MeanMaxTape(NamedTuple):
    x: Array  # (N, D)
    largest: Array  # (B, D)
    batch_sizes: Array


class MeanMaxPool(_NoParameters):
    """The mean and the maximum of each feature, `parts` of them, side by side."""

    def __init__(self, size: int, parts: Sequence[str]):
        super().__init__(size * len(parts))
        self.parts = parts

    def forward(self, x: Array, batch_sizes: Array) -> tuple[Array, MeanMaxTape]:
        """`x (N, D)` -> `y (B, parts * D)`, tape."""
        mean, largest = kernels.of(x).mean_and_max(x, batch_sizes)  # (B, D)
        y = [{"mean": mean, "max": largest}[part] for part in self.parts]
        return np.concatenate(y, axis=1), MeanMaxTape(x, largest, batch_sizes)

    def backward(self, dy: Array, tape: MeanMaxTape) -> Array:
        """`dy (B, parts * D)` -> `dx (N, D)`."""
        x, largest, batch_sizes = tape
        dparts = dict(zip(self.parts, np.split(dy, len(self.parts), axis=1), strict=True))
        nothing = np.zeros_like(largest)
        dmean, dlargest = (dparts.get(part, nothing) for part in ("mean", "max"))
        return kernels.of(x).mean_and_max_backward(dmean, dlargest, x, largest, batch_sizes)


class AttentionTape(NamedTuple):
    x: Array  # (N, D)
    weight: Array  # (N,)
    batch_sizes: Array


class AttentionPool:
    """A weighted mean, weights = softmax over the sequence of x . query (after Yang et al. 2016)."""

    def __init__(self, size: int, *, dtype: np.dtype, rng: np.random.Generator):
        self.output_size = size
        self.query = uniform(size, bound=size**-0.5, dtype=dtype, rng=rng)  # (D,)

    def parameters(self) -> dict[str, Parameter]:
        return {"query": self.query}

    def forward(self, x: Array, batch_sizes: Array) -> tuple[Array, AttentionTape]:
        """`x (N, D)` -> `y (B, D)`, tape."""
        sequence = sequence_of_row(batch_sizes)  # (N,)
        with BLAS:
            score = x @ self.query.value  # (N,)
        highest = np.full(batch_sizes[0], -np.inf, x.dtype)  # (B,)
        np.maximum.at(highest, sequence, score)
        weight = np.exp(score - highest[sequence])  # (N,)
        weight /= np.bincount(sequence, weight).astype(x.dtype)[sequence]
        y = sum_by_sequence(weight[:, None] * x, batch_sizes)  # (B, D)
        return y, AttentionTape(x, weight, batch_sizes)

    def backward(self, dy: Array, tape: AttentionTape) -> Array:
        """`dy (B, D)` -> `dx (N, D)`; adds to the gradient of `query`."""
        x, weight, batch_sizes = tape
        sequence = sequence_of_row(batch_sizes)  # (N,)
        # y = sum of weight * x
        dx: Array = dy[sequence]  # (N, D)
        dweight = np.sum(dx * x, axis=1)  # (N,)
        dx *= weight[:, None]
        # weight = softmax(score), so dscore = weight * (dweight - sum of weight * dweight)
        mean = np.bincount(sequence, weight * dweight).astype(x.dtype)  # (B,)
        dscore = weight * (dweight - mean[sequence])  # (N,)
        # score = x @ query
        with BLAS:
            self.query.add(x.T @ dscore)
        dx += dscore[:, None] * self.query.value
        return dx


def sum_by_sequence(x: Array, batch_sizes: Array) -> Array:
    """Sums the rows of each sequence: `x (N, D)` -> `(B, D)`."""
    y: Array = np.zeros((int(batch_sizes[0]), x.shape[1]), x.dtype)
    for rows, B_t in time_steps(batch_sizes):
        y[:B_t] += x[rows]
    return y
