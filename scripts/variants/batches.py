"""Windows of a corpus without two things that `StreamBatches` does."""

from typing import Any

import numpy as np

from rnnnlp.batches.streams import StreamBatches, StreamWindow


class FixedOffsets(StreamBatches):
    """Each epoch begins at the first character, so that windows always end at the same places."""

    def seek(self, position: dict[str, Any]) -> None:
        super().seek(position)
        self.starts = (len(self.ids) - 1) // self.batch_size * np.arange(self.batch_size)


class NeverFresh(StreamBatches):
    """The state is carried from window to window through a whole epoch."""

    def next(self) -> StreamWindow:
        window = super().next()
        return window._replace(fresh=np.full(self.batch_size, self.window == 1))
