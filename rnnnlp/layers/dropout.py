"""Dropout on packed rows (Srivastava et al. 2014), plain or one mask a sequence (Gal and Ghahramani 2016)."""

# N tokens, B sequences, D features

import numpy as np

from rnnnlp.batches.packed import sequence_of_row
from rnnnlp.layers.parameter import Parameter


class Dropout:
    """Zeroes each feature with probability `rate` and scales the others by 1 / (1 - rate), in training only.

    `variational` draws one mask `(B, D)` a batch and uses it at every step of a sequence.
    """

    def __init__(self, rate: float, *, variational: bool = False):
        self.rate = rate
        self.variational = variational

    def parameters(self) -> dict[str, Parameter]:
        return {}

    def forward(
        self, x: np.ndarray, batch_sizes: np.ndarray, *, rng: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """`x (N, D)` -> `y (N, D)`; without `rng`, or at rate 0, `x` itself."""
        if rng is None or self.rate == 0:
            return x, None
        rows = int(batch_sizes[0]) if self.variational else len(x)
        kept = rng.random((rows, x.shape[1]), np.float32) >= self.rate
        mask = kept.astype(x.dtype)
        mask /= 1 - self.rate
        if self.variational:
            mask = mask[sequence_of_row(batch_sizes)]  # (N, D)
        return x * mask, mask

    def backward(self, dy: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """`dy (N, D)` -> `dx (N, D)`."""
        # y = x * mask
        return dy if mask is None else dy * mask
