"""Batches that leave out one thing that `StreamBatches` does."""

from typing import Any

import numpy as np

from rnnnlp.batches.streams import StreamBatches, StreamWindow


class FixedOffsets(StreamBatches):
    """Every epoch begins at the same offset, so windows always end at the same characters."""

    def seek(self, position: dict[str, Any]) -> None:
        super().seek(position | {"epoch": 0})
        self.epoch = int(position["epoch"])


class NoStateReset(StreamBatches):
    """No stream is reset at random: the state is carried through the whole epoch."""

    def next(self) -> StreamWindow:
        window = super().next()
        return window._replace(reset=np.full(self.batch_size, (self.window - 1) % self.block == 0))
