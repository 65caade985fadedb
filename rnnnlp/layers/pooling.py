"""The outputs of all steps of a sequence to one vector: packed rows `(N, D)` to `(B, D)`."""

# N tokens, T steps, B sequences, B_t sequences alive at step t, D features

from typing import Any, Protocol

import numpy as np

from rnnnlp.batches.packed import lengths_of, offsets_of, sequence_of_row, walk
from rnnnlp.layers.parameter import Parameter, uniform

POOLINGS = ("last", "mean", "max", "mean+max", "attention")


class Pool(Protocol):
    output_size: int

    def parameters(self) -> dict[str, Parameter]: ...

    def forward(self, x: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]: ...

    def backward(self, dy: np.ndarray, tape: Any) -> np.ndarray: ...


def pooling(kind: str, size: int, *, bidirectional: bool, dtype: np.dtype, rng: np.random.Generator) -> Pool:
    """The pool named `kind`, one of POOLINGS, over rows of `size` features."""
    match kind:
        case "last":
            return LastPool(size, bidirectional=bidirectional)
        case "mean":
            return MeanPool(size)
        case "max":
            return MaxPool(size)
        case "mean+max":
            return MeanMaxPool(size)
        case "attention":
            return AttentionPool(size, dtype=dtype, rng=rng)
    raise ValueError(f"pooling is {kind!r}; it must be one of {', '.join(POOLINGS)}")


class _Unlearned:
    def __init__(self, size: int):
        self.output_size = size

    def parameters(self) -> dict[str, Parameter]:
        return {}


class LastPool(_Unlearned):
    """Where each direction's walk ends: its last step for the forward half, its first for the backward half."""

    def __init__(self, size: int, *, bidirectional: bool):
        super().__init__(size)
        self.forward_size = size // 2 if bidirectional else size

    def forward(self, x: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        last = offsets_of(batch_sizes)[lengths_of(batch_sizes) - 1] + np.arange(batch_sizes[0])  # (B,) rows
        y = x[: len(last)].copy()  # (B, D) step 0
        y[:, : self.forward_size] = x[last, : self.forward_size]
        return y, (last, len(x))

    def backward(self, dy: np.ndarray, tape: Any) -> np.ndarray:
        last, N = tape
        dx = np.zeros((N, dy.shape[1]), dy.dtype)
        # y = [x[last] | x[first]]
        dx[: len(dy), self.forward_size :] = dy[:, self.forward_size :]
        dx[last, : self.forward_size] = dy[:, : self.forward_size]
        return dx


class MeanPool(_Unlearned):
    def forward(self, x: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        y = sum_by_sequence(x, batch_sizes)  # (B, D)
        y /= lengths_of(batch_sizes).astype(x.dtype)[:, None]
        return y, batch_sizes

    def backward(self, dy: np.ndarray, batch_sizes: np.ndarray) -> np.ndarray:
        # y = sum of x / length
        dx_of_sequence = dy / lengths_of(batch_sizes).astype(dy.dtype)[:, None]  # (B, D)
        return dx_of_sequence[sequence_of_row(batch_sizes)]


class MaxPool(_Unlearned):
    def forward(self, x: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        y = x[: int(batch_sizes[0])].copy()  # (B, D)
        for rows, B_t in walk(batch_sizes):
            np.maximum(y[:B_t], x[rows], out=y[:B_t])
        return y, (x, y, batch_sizes)

    def backward(self, dy: np.ndarray, tape: Any) -> np.ndarray:
        x, y, batch_sizes = tape
        # Which row holds the maximum: the first of several. Found here, because most forwards are inference.
        row = np.repeat(np.arange(len(y))[:, None], y.shape[1], axis=1)  # (B, D)
        for rows, B_t in walk(batch_sizes, True):
            np.copyto(row[:B_t], np.arange(rows.start, rows.stop)[:, None], where=x[rows] == y[:B_t])
        dx = np.zeros_like(x)
        # y = x[row]
        np.put_along_axis(dx, row, dy, axis=0)
        return dx


class MeanMaxPool:
    """The mean and the maximum side by side, `(B, 2*D)`."""

    def __init__(self, size: int):
        self.mean, self.max = MeanPool(size), MaxPool(size)
        self.output_size = 2 * size

    def parameters(self) -> dict[str, Parameter]:
        return {}

    def forward(self, x: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        mean, mean_tape = self.mean.forward(x, batch_sizes)
        largest, max_tape = self.max.forward(x, batch_sizes)
        return np.concatenate([mean, largest], axis=1), (mean_tape, max_tape)

    def backward(self, dy: np.ndarray, tape: Any) -> np.ndarray:
        D = dy.shape[1] // 2
        return self.mean.backward(dy[:, :D], tape[0]) + self.max.backward(dy[:, D:], tape[1])


class AttentionPool:
    """A weighted mean, weights = softmax over the sequence of x . query (after Yang et al. 2016)."""

    def __init__(self, size: int, *, dtype: np.dtype, rng: np.random.Generator):
        self.output_size = size
        self.query = uniform(size, bound=size**-0.5, dtype=dtype, rng=rng)  # (D,)

    def parameters(self) -> dict[str, Parameter]:
        return {"query": self.query}

    def forward(self, x: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        sequence = sequence_of_row(batch_sizes)  # (N,)
        score = x @ self.query.value  # (N,)
        highest = np.full(batch_sizes[0], -np.inf, x.dtype)  # (B,)
        np.maximum.at(highest, sequence, score)
        weight = np.exp(score - highest[sequence])  # (N,)
        weight /= np.bincount(sequence, weight).astype(x.dtype)[sequence]
        y = sum_by_sequence(weight[:, None] * x, batch_sizes)  # (B, D)
        return y, (x, weight, batch_sizes)

    def backward(self, dy: np.ndarray, tape: Any) -> np.ndarray:
        x, weight, batch_sizes = tape
        sequence = sequence_of_row(batch_sizes)  # (N,)
        # y = sum of weight * x
        dx = dy[sequence]  # (N, D)
        dweight = np.sum(dx * x, axis=1)  # (N,)
        dx *= weight[:, None]
        # weight = softmax(score), so dscore = weight * (dweight - sum of weight * dweight)
        mean = np.bincount(sequence, weight * dweight).astype(x.dtype)  # (B,)
        dscore = weight * (dweight - mean[sequence])  # (N,)
        # score = x @ query
        self.query.add(x.T @ dscore)
        dx += dscore[:, None] * self.query.value
        return dx


def sum_by_sequence(x: np.ndarray, batch_sizes: np.ndarray) -> np.ndarray:
    """`x (N, D)` -> `(B, D)`."""
    y = np.zeros((int(batch_sizes[0]), x.shape[1]), x.dtype)
    for rows, B_t in walk(batch_sizes):
        y[:B_t] += x[rows]
    return y
