"""Dropout on packed rows (Srivastava et al. 2014), plain or variational (Gal and Ghahramani 2016)."""

# N tokens, B sequences, D features

import numpy as np

from rnnnlp.batches.packed import sequence_of_row
from rnnnlp.kernels.backend import Array
from rnnnlp.layers.parameter import Parameter


class Dropout:
    """Zeroes each feature with probability `p` and scales the others by 1 / (1 - p), in training only.

    Args:
        p: The probability.
        variational: Draw one mask `(B, D)` a batch and use it at every step of a sequence.
    """

    def __init__(self, p: float, *, variational: bool = False):
        self.p = p
        self.variational = variational

    def parameters(self) -> dict[str, Parameter]:
        return {}

    def forward(self, x: Array, batch_sizes: Array, *, rng: np.random.Generator | None) -> tuple[Array, Array | None]:
        """Drops features.

        Args:
            x: `(N, D)`.
            batch_sizes: `(T,)`.
            rng: Draws the mask; None drops nothing.

        Returns:
            y: `(N, D)`; `x` itself if nothing is dropped.
            mask: What `backward` needs.
        """
        if rng is None or self.p == 0:
            return x, None
        rows = int(batch_sizes[0]) if self.variational else len(x)
        kept = rng.random((rows, x.shape[1]), np.float32) >= self.p
        mask = kept.astype(x.dtype)
        mask /= 1 - self.p
        if self.variational:
            mask = mask[sequence_of_row(batch_sizes)]  # (N, D)
        return x * mask, mask

    def backward(self, dy: Array, mask: Array | None) -> Array:
        """`dy (N, D)` -> `dx (N, D)`."""
        # y = x * mask
        return dy if mask is None else dy * mask
