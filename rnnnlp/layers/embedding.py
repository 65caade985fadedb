"""Ids to vectors."""

# N tokens, U unique tokens, V vocabulary, D embedding

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from rnnnlp import kernels
from rnnnlp.kernels.backend import Array
from rnnnlp.layers.parameter import Parameter


class Embedding:
    """A table `weight` `(V, D)` with a row for each id.

    Args:
        vocab_size: V.
        size: D.
        scale: Standard deviation of the initial weights, which are normal.
        dtype: float32 or float64.
        rng: Draws the initial weights.
    """

    def __init__(self, vocab_size: int, size: int, *, scale: float, dtype: np.dtype, rng: np.random.Generator):
        self.weight = Parameter(rng.normal(0, scale, (vocab_size, size)).astype(dtype))  # (V, D)

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight}

    def forward(self, ids: Array) -> tuple[Array, Array]:
        """Looks up ids.

        Args:
            ids: `(N,)`.

        Returns:
            x: Their rows `(N, D)`.
            tape: What `backward` needs.
        """
        return kernels.of(self.weight.value).gather_rows(self.weight.value, ids), ids

    def unique(self, ids: Array) -> tuple[Array, Array, Array]:
        """Looks up unique ids. Most ids occur more than once, so the next layer can work on each row once.

        Args:
            ids: `(N,)`.

        Returns:
            x: The rows of the unique ids `(U, D)`.
            row_index: `(N,)`, the row of `x` for each token.
            tape: What `backward` needs: the unique ids `(U,)`.
        """
        k = kernels.of(self.weight.value)
        rows, row_index = k.unique(ids, len(self.weight.value))
        return k.gather_rows(self.weight.value, rows), row_index, rows

    def backward(self, dx: Array, ids: Array) -> None:
        """Adds the gradient to the rows of the table that were used, and to no others.

        Args:
            dx: `(N, D)`, or `(U, D)` after `unique`.
            ids: The tape.
        """
        # x = weight[ids]
        self.weight.add_rows(ids, dx)

    @contextmanager
    def perturbed(self, ids: Array, perturbation: Array) -> Iterator[None]:
        """Adds a perturbation to rows of the table while the context is open.

        Args:
            ids: Unique ids `(U,)`.
            perturbation: `(U, D)`.
        """
        before = self.weight.value[ids]
        self.weight.value[ids] = before + perturbation.astype(before.dtype)
        try:
            yield
        finally:
            self.weight.value[ids] = before
