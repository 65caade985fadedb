"""Words and pairs of neighbours as a bag, beside what a recurrent network makes of their order."""

# N tokens, B sequences, D features, M = 2 * N words and pairs

from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches.packed import lengths_of, sequence_of_row
from rnnnlp.layers.parameter import Parameter

PAIR_ROWS = 2**18

# Odd numbers that mix a pair into one: which rows of the table meet is left to chance.
FIRST, SECOND = 1_000_003, 92_821


class PairBag:
    """The sum of vectors of a sequence's tokens and pairs of neighbours, over the root of its length.

    A pair has the row of `weight (rows, D)` that a hash gives it, which it may share (Joulin et al. 2017; Weinberger et
    al. 2009).
    """

    def __init__(self, size: int, *, rows: int = PAIR_ROWS, dtype: np.dtype, rng: np.random.Generator):
        self.output_size = size
        self.weight = Parameter(rng.normal(0, 0.05, (rows, size)).astype(dtype))  # (rows, D)

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight}

    def forward(self, ids: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        """Packed `ids (N,)` -> `y (B, D)`, tape."""
        k = kernels.of(self.weight.value)
        before = rows_before(batch_sizes)  # (N - B,)
        found = self.found(ids, before)  # (M,)
        sequence = np.tile(sequence_of_row(batch_sizes), 2)  # (M,)
        scale = lengths_of(batch_sizes)[:, None] ** -0.5  # (B, 1)
        y = np.zeros((int(batch_sizes[0]), self.output_size), self.weight.value.dtype)
        k.add_rows(k.gather_rows(self.weight.value, found), sequence, y)
        scale = scale.astype(y.dtype)
        return y * scale, (found, sequence, scale, before)

    def backward(self, dy: np.ndarray, tape: Any) -> None:
        """`dy (B, D)` into the rows of the table that were used."""
        found, sequence, scale, _ = tape
        # y = scale * sum of weight[found]
        self.weight.add_rows(found, (dy * scale)[sequence])

    def contributions(self, dy: np.ndarray, tape: Any) -> np.ndarray:
        """`dy (B, D)` -> what each token adds to sum(dy * y), `(N,)`; of a pair each of its tokens has half."""
        found, sequence, scale, before = tape
        of_found = np.sum(self.weight.value[found] * (dy * scale)[sequence], axis=1)  # (M,)
        N, B = len(found) // 2, len(dy)
        of_tokens, of_pairs = of_found[:N], of_found[N:]
        of_tokens[:B] += of_pairs[:B]  # the beginning has no part of a pair
        of_tokens[B:] += of_pairs[B:] / 2
        of_tokens[before] += of_pairs[B:] / 2
        return of_tokens

    def found(self, ids: np.ndarray, before: np.ndarray) -> np.ndarray:
        """The rows of the table: `(M,)`, of each token, and of each pair in the place of its second token.

        A sequence's first token makes a pair with the beginning.
        """
        second = ids.astype(np.int64) + 1
        first = np.concatenate([np.zeros(len(ids) - len(before), np.int64), second[before]])  # (N,)
        rows = len(self.weight.value)
        return np.concatenate([second * SECOND % rows, (first * FIRST + second * SECOND + 1) % rows]).astype(np.int32)


def rows_before(batch_sizes: np.ndarray) -> np.ndarray:
    """For each packed row from step 1 on, the row of the same sequence at the step before: `(N - B,)`."""
    # A sequence's row at step t - 1 is B_{t-1} rows above its row at step t.
    return np.arange(batch_sizes[0], batch_sizes.sum()) - np.repeat(batch_sizes[:-1], batch_sizes[1:])
