"""Ids to vectors."""

# N tokens, U distinct tokens, V vocabulary, D embedding

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter


class Embedding:
    """A table `weight (V, D)` with a row for each id; initially normal with standard deviation `scale`."""

    def __init__(self, vocab_size: int, size: int, *, scale: float, dtype: np.dtype, rng: np.random.Generator):
        self.weight = Parameter(rng.normal(0, scale, (vocab_size, size)).astype(dtype))  # (V, D)

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight}

    def forward(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`ids (N,)` -> `x (N, D)`."""
        return kernels.of(self.weight.value).gather_rows(self.weight.value, ids), ids

    def distinct(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`ids (N,)` -> the U rows that occur `x (U, D)`, the place of each token's row in x `(N,)`, tape.

        Most ids occur more than once; what comes next can work on each row once and then look it up.
        """
        k = kernels.of(self.weight.value)
        rows, tokens = k.distinct(ids, len(self.weight.value))
        return k.gather_rows(self.weight.value, rows), tokens, rows

    def backward(self, dx: np.ndarray, ids: np.ndarray) -> None:
        """`dx`, of the shape of x, into the rows of the table that were used, and no others."""
        self.weight.add_rows(ids, dx)

    @contextmanager
    def moved(self, ids: np.ndarray, step: np.ndarray) -> Iterator[None]:
        """While inside, `step (U, D)` is added to the rows `ids (U,)`, each of which comes once."""
        before = self.weight.value[ids]
        self.weight.value[ids] = before + step.astype(before.dtype)
        try:
            yield
        finally:
            self.weight.value[ids] = before
