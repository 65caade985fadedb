"""The one batch layout: packed and time-major, without padding.

A batch of B sequences of different lengths is laid out as all tokens of step 0, then all of step 1, and so on. The
sequences stand longest first, so that those still alive at step t are always the first B_t. It is the layout of
cuDNN and of PyTorch's `PackedSequence`.
"""

# N tokens, T steps, B sequences, B_t sequences alive at step t

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Packed:
    """A ragged batch.

    Attributes:
        values: `(N, ...)`.
        batch_sizes: int64 `(T,)`, the number of sequences alive at each step.
        order: `(B,)`. The i-th sequence of the batch (longest first) is number `order[i]` of those that were packed.
    """

    values: np.ndarray
    batch_sizes: np.ndarray
    order: np.ndarray


def pack(sequences: Sequence[np.ndarray]) -> Packed:
    """Packs sequences. Those of equal length keep their order.

    Args:
        sequences: B non-empty arrays `(length, ...)` of one dtype.

    Raises:
        ValueError: There is no sequence, or an empty one.
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)  # (B,)
    if len(lengths) == 0 or lengths.min() == 0:
        raise ValueError("pack needs at least one sequence and no empty ones")
    order = np.argsort(-lengths, kind="stable")  # (B,)
    lengths = lengths[order]
    batch_sizes = batch_sizes_of(lengths)
    in_a_row = np.concatenate([sequences[i] for i in order])  # (N, ...), sequence after sequence
    start = np.cumsum(lengths) - lengths  # (B,)
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)  # (N,)
    return Packed(in_a_row[start[sequence_of_row(batch_sizes)] + step], batch_sizes, order)


def unpack(values: np.ndarray, batch_sizes: np.ndarray) -> list[np.ndarray]:
    """Unpacks a batch: the B sequences `(length, ...)`, longest first.

    Args:
        values: `(N, ...)`.
        batch_sizes: `(T,)`.
    """
    by_sequence = np.argsort(sequence_of_row(batch_sizes), kind="stable")  # (N,)
    return np.split(values[by_sequence], np.cumsum(lengths_of(batch_sizes))[:-1])


def batch_sizes_of(lengths: np.ndarray) -> np.ndarray:
    """`lengths (B,)` -> `batch_sizes (T,)`, the number of sequences alive at each step."""
    ended = np.bincount(lengths, minlength=int(lengths.max()) + 1).cumsum()  # (T + 1,) with length <= t
    return (len(lengths) - ended[:-1]).astype(np.int64)


def lengths_of(batch_sizes: np.ndarray) -> np.ndarray:
    """`batch_sizes (T,)` -> `lengths (B,)`, longest first."""
    return np.bincount(sequence_of_row(batch_sizes), minlength=int(batch_sizes[0]))


def offsets_of(batch_sizes: np.ndarray) -> np.ndarray:
    """`batch_sizes (T,)` -> `offsets (T + 1,)`: step t has the rows `offsets[t]:offsets[t + 1]`."""
    return np.concatenate([[0], np.cumsum(batch_sizes)])


def sequence_of_row(batch_sizes: np.ndarray) -> np.ndarray:
    """`batch_sizes (T,)` -> `(N,)`: the sequence to which each packed row belongs."""
    offsets = offsets_of(batch_sizes)
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], batch_sizes)


def time_steps(batch_sizes: np.ndarray, reverse: bool = False) -> Iterator[tuple[slice, int]]:
    """Yields the packed rows of each step and their number B_t, from the first step to the last, or backwards."""
    offsets = offsets_of(batch_sizes).tolist()
    steps = range(len(batch_sizes))
    for t in reversed(steps) if reverse else steps:
        yield slice(offsets[t], offsets[t + 1]), offsets[t + 1] - offsets[t]


def previous_rows(batch_sizes: np.ndarray, reverse: bool) -> np.ndarray | slice:
    """For each packed row, the index of the state before its step, in the initial states with the outputs below them.

    In reverse, the state before step t is that of step t + 1, or the initial state if the sequence has no step t + 1.

    Args:
        batch_sizes: `(T,)`.
        reverse: The steps run from the last to the first.

    Returns:
        An index `(N,)` into `concatenate([h0, h])` `(B + N, H)`; a slice if all sequences have the same length.
    """
    offsets = offsets_of(batch_sizes)
    B, N = int(batch_sizes[0]), int(offsets[-1])
    if not reverse and batch_sizes[-1] == B:
        return slice(0, N)
    if not reverse:
        return np.concatenate([np.arange(B), B + rows_before(batch_sizes)])
    sequence = sequence_of_row(batch_sizes)  # (N,)
    size_after = np.repeat(np.append(batch_sizes[1:], 0), batch_sizes)  # (N,)
    step_after = np.repeat(B + offsets[1:], batch_sizes)  # (N,)
    return np.where(sequence < size_after, step_after + sequence, sequence)


def rows_before(batch_sizes: np.ndarray) -> np.ndarray:
    """For each packed row from step 1 on, the row of the same sequence at the step before: `(N - B,)`."""
    # A sequence's row at step t - 1 is B_{t-1} rows above its row at step t.
    rows: np.ndarray = np.arange(batch_sizes[0], batch_sizes.sum()) - np.repeat(batch_sizes[:-1], batch_sizes[1:])
    return rows
