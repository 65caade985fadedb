"""A corpus to contiguous streams: the windows of truncated backpropagation through time.

The corpus is cut into B streams of equal length which are read side by side. Window after window continues them, so
the state at the end of one window is the state before the next. With shuffled blocks, streams read the blocks of the
corpus in another order each epoch, and carry no state from one block to another.
"""

# N tokens of a window (B*T), T steps, B streams

import mmap
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.seeding import Stream, rng_for
from rnnnlp.errors import UserError, option


class StreamWindow(NamedTuple):
    inputs: np.ndarray  # (N,) time-major
    targets: np.ndarray  # (N,) the ids that follow
    batch_sizes: np.ndarray  # (T,) all B
    fresh: np.ndarray  # (B,) bool: no state is carried into these streams


RELEASE_WINDOWS = 512  # so many windows of a memory-mapped corpus stay in memory
FRESH_SHARE = 0.05  # of the streams begin a window without a carried state


class StreamBatches:
    """Endless windows of `bptt` steps over `batch_size` streams of `ids (length,)`, which may be memory-mapped.

    Each epoch begins at another offset, so that windows do not always end at the same places.
    Now and then a stream forgets its state: a model that has only ever seen states thousands of steps old reads the
    beginning of a new text badly, and may never recover.

    `shuffled_block` is the length of the blocks, in tokens (made up to whole windows); 0 reads the corpus as it stands.
    """

    def __init__(self, ids: np.ndarray, *, batch_size: int, bptt: int, seed: int, shuffled_block: int = 0):
        if len(ids) <= bptt:
            raise UserError(
                f"the corpus has {len(ids)} tokens and a window needs {bptt + 1}; give more text or a "
                f"smaller {option('bptt')}"
            )
        self.ids, self.bptt, self.seed = ids, bptt, seed
        self.batch_size = min(batch_size, (len(ids) - 1) // bptt)
        window = self.batch_size * bptt
        self.per_epoch = max(1, (len(ids) - bptt) // window)
        self.shuffled = shuffled_block > 0
        self.block = min(-(-shuffled_block // bptt), self.per_epoch) if self.shuffled else self.per_epoch  # windows
        self.room = len(ids) - self.per_epoch * window  # how many places an epoch may begin at
        self.seek({"epoch": 0, "window": 0})

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "window": self.window}

    def seek(self, position: dict[str, Any]) -> None:
        self.epoch, self.window = int(position["epoch"]), int(position["window"])
        rng = rng_for(self.seed, Stream.STREAMS, self.epoch)
        offset = int(rng.integers(self.room))
        stream_length = (len(self.ids) - 1 - offset) // self.batch_size
        streams = offset + stream_length * np.arange(self.batch_size)  # (B,) where each begins
        within = np.arange(0, self.per_epoch, self.block)[:, None] * self.bptt  # (K, 1)
        self.blocks = streams + within  # (K, B) where the K blocks of each stream begin
        if self.shuffled:
            whole = self.blocks[: self.per_epoch // self.block]  # all but the last, which may be shorter
            for blocks in (whole, self.blocks[len(whole) :]):
                blocks[...] = rng.permutation(blocks.ravel()).reshape(blocks.shape)

    def next(self) -> StreamWindow:
        if self.window == self.per_epoch:
            self.seek({"epoch": self.epoch + 1, "window": 0})
        block, window = divmod(self.window, self.block)
        starts = self.blocks[block] + window * self.bptt  # (B,)
        if window % RELEASE_WINDOWS == 0:
            self._release()
        fresh = rng_for(self.seed, Stream.RESETS, self.epoch, self.window).random(self.batch_size) < FRESH_SHARE
        self.window += 1
        ids = np.stack([self.ids[s : s + self.bptt + 1] for s in starts], axis=1)  # (T + 1, B)
        batch_sizes = np.full(self.bptt, self.batch_size)
        return StreamWindow(ids[:-1].ravel(), ids[1:].ravel(), batch_sizes, fresh | (window == 0))

    def _release(self) -> None:
        """Lets go of the pages of a memory-mapped corpus that were read, where the system can."""
        if isinstance(self.ids.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.ids.base.madvise(mmap.MADV_DONTNEED)
