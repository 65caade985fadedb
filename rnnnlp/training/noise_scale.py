"""The gradient noise scale: about the batch size beyond which a larger batch gains little (McCandlish et al. 2018).

It is the variance of the gradient of one example, as a multiple of the squared gradient. The gradients of the shards
of a batch are noisier than that of the whole, and by how much tells both.
"""

from rnnnlp.training.objective import BatchLoss

RATE = 0.1  # of the running means, for single measurements are very noisy


class NoiseScale:
    """Running estimates from the gradients of shards and of their batch."""

    def __init__(self) -> None:
        self.square = self.variance = 0.0  # running means, both too small at first, by the same factor

    def update(self, batch: BatchLoss, shards: int, norm: float) -> None:
        """Takes a batch whose shards were measured.

        Args:
            batch: The batch.
            shards: The number of its shards.
            norm: The norm of its gradient.
        """
        if batch.squares is None or not batch.targets or shards == 1:
            return
        large, small = batch.targets, batch.targets / shards  # targets
        large_norm2, small_norm2 = norm**2, shards * batch.squares  # squared norms of mean gradients
        square = (large * large_norm2 - small * small_norm2) / (large - small)
        variance = (small_norm2 - large_norm2) / (1 / small - 1 / large)
        self.square += RATE * (square - self.square)
        self.variance += RATE * (variance - self.variance)

    @property
    def targets(self) -> float | None:
        """The noise scale in targets: tokens of a language model, documents of a classifier. None if not yet known."""
        return max(0.0, self.variance) / self.square if self.square > 0 else None
