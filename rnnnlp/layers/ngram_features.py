"""Words and runs of neighbours that vote for classes, beside what a recurrent network makes of their order."""

# N tokens, B sequences, K classes, M distinct runs of one to MAX_N tokens

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches.packed import pack, sequence_of_row
from rnnnlp.layers.parameter import Parameter

MAX_N = 3  # tokens of a run
# Odd numbers that mix a run into one: which rows of the table meet is left to chance.
FIRST, SECOND = 1_000_003, 92_821

SCALE = 25.0  # of the votes: with the learning rate of the other layers a vote is learnt in some hundred updates
COUNTED_TOGETHER = 1000  # documents


class NgramFeatures:
    """The votes `log_count_ratio * weight` of a sequence's runs for each class, over the root of their number.

    `log_count_ratio (rows, K)`, the log-count ratio, is `fit` to documents before the training and says how much more of one
    class a run is; `weight (rows, K)`, 0 at first, is learnt (Wang and Manning 2012). So what stands in all
    classes alike, or in few documents, is learnt slowly and hardly by heart. Each counts once, however often it stands
    in a sequence, and has the row that a hash gives it, which it may share (Weinberger et al. 2009).
    """

    def __init__(self, rows: int, classes: int, *, dtype: np.dtype):
        self.log_count_ratio = np.zeros((rows, classes), dtype)  # (rows, K)
        self.weight = Parameter(np.zeros((rows, classes), dtype))  # (rows, K)

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight}

    def fit(self, documents: Sequence[np.ndarray], labels: np.ndarray) -> None:
        """Sets `log_count_ratio` from the ids of documents and their classes."""
        counts = np.ones(self.log_count_ratio.shape)  # (rows, K): in how many documents, and one more
        for start in range(0, len(documents), COUNTED_TOGETHER):
            packed = pack(documents[start : start + COUNTED_TOGETHER])
            sequence, found = self.distinct(packed.values, packed.batch_sizes)
            classes = labels[start : start + COUNTED_TOGETHER][packed.order]
            np.add.at(counts, (found, classes[sequence]), 1)
        others = counts.sum(axis=1, keepdims=True) - counts
        self.log_count_ratio[...] = np.log(counts / counts.sum(axis=0)) - np.log(others / others.sum(axis=0))

    def forward(self, ids: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        """Packed `ids (N,)` -> `y (B, K)`, tape."""
        B = int(batch_sizes[0])
        sequence, found = self.distinct(ids, batch_sizes)  # (M,), (M,)
        starts = np.searchsorted(sequence, np.arange(B + 1))  # (B + 1,)
        scale = (SCALE / np.sqrt(np.diff(starts))).astype(self.log_count_ratio.dtype)[:, None]  # (B, 1)
        k = kernels.of(self.log_count_ratio)
        log_count_ratio = k.gather_rows(self.log_count_ratio, found)  # (M, K)
        y = np.add.reduceat(log_count_ratio * k.gather_rows(self.weight.value, found), starts[:-1])  # (B, K)
        return y * scale, (sequence, found, scale, log_count_ratio)

    def backward(self, dy: np.ndarray, tape: Any) -> None:
        """`dy (B, K)` into the rows of the table that were used."""
        sequence, found, scale, log_count_ratio = tape
        # y = scale * sum of log_count_ratio * weight[found]
        self.weight.add_rows(found, log_count_ratio * (dy * scale)[sequence])

    def contributions(self, dy: np.ndarray, tape: Any, ids: np.ndarray, batch_sizes: np.ndarray) -> np.ndarray:
        """`dy (B, K)` -> what each token adds to sum(dy * y), `(N,)`: of a run each of its tokens has the same.

        Where a run stands more than once, each place has its share.
        """
        sequence, found, scale, log_count_ratio = tape
        votes = np.sum(log_count_ratio * self.weight.value[found] * (dy * scale)[sequence], axis=1)  # (M,)
        keys = self.keys(ids, batch_sizes)  # (MAX_N * N,)
        place = np.searchsorted(sequence.astype(np.int64) * len(self.log_count_ratio) + found, keys)
        of_keys = votes[place] / np.bincount(place)[place].astype(votes.dtype)
        N, B = len(ids), len(dy)
        before = np.concatenate([np.full(B, -1), rows_before(batch_sizes)])  # (N,)
        tokens_so_far = 1 + np.repeat(np.arange(len(batch_sizes)), batch_sizes)  # (N,)
        of_tokens = np.zeros(N, votes.dtype)
        for length, of_runs in enumerate(of_keys.reshape(MAX_N, N), start=1):
            share = of_runs / np.minimum(length, tokens_so_far).astype(votes.dtype)  # the beginning has none
            row = np.arange(N)
            for _ in range(length):
                of_tokens[row] += share
                earlier = before[row]
                row, share = earlier[earlier >= 0], share[earlier >= 0]
        return of_tokens

    def distinct(self, ids: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each run in each sequence, once: which sequence, in order, and which row of the table."""
        keys = np.sort(self.keys(ids, batch_sizes))
        keys = keys[np.append(True, keys[1:] != keys[:-1])]  # np.unique takes three times as long
        sequence, found = np.divmod(keys, len(self.log_count_ratio))
        return sequence.astype(np.int32), found.astype(np.int32)

    def keys(self, ids: np.ndarray, batch_sizes: np.ndarray) -> np.ndarray:
        """`(MAX_N * N,)`: sequence * rows + row, of each token, then of the pairs and so on that end there.

        A sequence's beginning counts as one more token, so that what it begins with is known.
        """
        before = rows_before(batch_sizes)  # (N - B,)
        beginning = np.zeros(len(ids) - len(before), np.int64)
        run = ids.astype(np.int64) + 1  # (N,)
        last = run * SECOND
        rows = len(self.log_count_ratio)
        found = [last % rows]
        for _ in range(1, MAX_N):
            run = np.concatenate([beginning, run[before]]) * FIRST + last + 1
            found.append(run % rows)
        return np.tile(sequence_of_row(batch_sizes), MAX_N) * rows + np.concatenate(found)


def rows_before(batch_sizes: np.ndarray) -> np.ndarray:
    """For each packed row from step 1 on, the row of the same sequence at the step before: `(N - B,)`."""
    # A sequence's row at step t - 1 is B_{t-1} rows above its row at step t.
    rows: np.ndarray = np.arange(batch_sizes[0], batch_sizes.sum()) - np.repeat(batch_sizes[:-1], batch_sizes[1:])
    return rows
