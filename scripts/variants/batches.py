"""Windows of a corpus without two things that `StreamBatches` does."""

from typing import Any

import numpy as np

from rnnnlp.batches.streams import StreamBatches, StreamWindow


class FixedOffsets(StreamBatches):
    """Each epoch begins where the first did, so that windows always end at the same places."""

    def seek(self, position: dict[str, Any]) -> None:
        super().seek(position | {"epoch": 0})
        self.epoch = int(position["epoch"])


class NeverFresh(StreamBatches):
    """The state is carried from window to window through the whole of what is read in order."""

    def next(self) -> StreamWindow:
        window = super().next()
        return window._replace(reset=np.full(self.batch_size, (self.window - 1) % self.block == 0))
