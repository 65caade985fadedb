"""A corpus as contiguous streams: the windows of truncated backpropagation through time.

The corpus is cut into B streams of equal length, which are read in parallel. Each window continues the one before it.
So the state at the end of a window is the initial state of the next. With shuffled blocks, the streams read the blocks
of the corpus in a different order in each epoch, and no state is carried from one block to another.
"""

# N tokens of a window (B*T), T steps, B streams

import logging
import mmap
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.batches.shards import Shard
from rnnnlp.errors import OptionName, UserError, option

RELEASE_WINDOWS = 512  # number of windows of a memory-mapped corpus that stay in memory
STATE_RESET_PROBABILITY = 0.05  # probability that a stream begins a window with a zero state

log = logging.getLogger(__name__)


def streams_of(tokens: int, bptt: int) -> int:
    """The largest number of streams with a whole window each that a corpus of this many tokens can have."""
    return max(1, (tokens - 1) // bptt)


class StreamWindow(NamedTuple):
    """A window of all streams.

    Attributes:
        inputs: `(N,)`, time-major.
        targets: `(N,)`, the ids that follow the inputs.
        batch_sizes: `(T,)`, all B.
        reset: bool `(B,)`, the streams whose state is reset to zero before this window.
    """

    inputs: np.ndarray
    targets: np.ndarray
    batch_sizes: np.ndarray
    reset: np.ndarray

    def shard(self, shard: Shard) -> "StreamWindow":
        """The window of the streams of a shard."""
        streams, (T, B) = shard.part(len(self.reset)), (len(self.batch_sizes), len(self.reset))
        inputs, targets = (ids.reshape(T, B)[:, streams] for ids in (self.inputs, self.targets))  # (T, B of the shard)
        return StreamWindow(inputs.ravel(), targets.ravel(), np.full(T, inputs.shape[1]), self.reset[streams])


class StreamBatches:
    """Endless windows of `bptt` steps over the streams of a corpus.

    Each epoch begins at a different offset, so windows do not always end at the same positions. Now and then, the state
    of a stream is reset. Without resets, a model only sees states that are thousands of steps old. It then predicts
    the beginning of a new text badly, and may never recover.

    Args:
        ids: The corpus, `(length,)`; it may be memory-mapped.
        batch_size: Maximum number of streams; a short corpus gives fewer.
        bptt: Number of steps in a window.
        seed: The seed of the run.
        shuffled_block: Length of the shuffled blocks in tokens, rounded up to whole windows; 0: no shuffling.

    Raises:
        UserError: If the corpus is shorter than one window.
    """

    def __init__(self, ids: np.ndarray, *, batch_size: int, bptt: int, seed: int, shuffled_block: int = 0):
        require_window(len(ids), bptt)
        self.ids, self.bptt, self.seed = ids, bptt, seed
        self.batch_size = min(batch_size, streams_of(len(ids), bptt))
        window = self.batch_size * bptt
        self.per_epoch = max(1, (len(ids) - bptt) // window)
        self.shuffled = shuffled_block > 0
        self.block = min(-(-shuffled_block // bptt), self.per_epoch) if self.shuffled else self.per_epoch  # windows
        if self.shuffled and self.per_epoch < 2 * self.block:
            log.warning(
                "%s is %d, and each of the %d streams has %d tokens: too few for two blocks, so nothing is shuffled; "
                "give at most %d",
                *(OptionName("shuffle_blocks"), shuffled_block, self.batch_size, self.per_epoch * bptt),
                self.per_epoch // 2 * bptt,
            )
        self.num_offsets = len(ids) - self.per_epoch * window  # number of positions where an epoch may begin
        self.seek({"epoch": 0, "window": 0})

    @property
    def position(self) -> dict[str, Any]:
        """Where the next window is, for `seek`."""
        return {"epoch": self.epoch, "window": self.window}

    def seek(self, position: dict[str, Any]) -> None:
        """Continues at a saved `position`."""
        self.epoch, self.window = int(position["epoch"]), int(position["window"])
        rng = rng_for(self.seed, RandomStream.STREAMS, self.epoch)
        offset = int(rng.integers(self.num_offsets))
        stream_length = (len(self.ids) - 1 - offset) // self.batch_size
        streams = offset + stream_length * np.arange(self.batch_size)  # (B,) where each begins
        within = np.arange(0, self.per_epoch, self.block)[:, None] * self.bptt  # (K, 1)
        self.blocks = streams + within  # (K, B) where the K blocks of each stream begin
        if self.shuffled:
            whole = self.blocks[: self.per_epoch // self.block]  # all but the last, which may be shorter
            for blocks in (whole, self.blocks[len(whole) :]):
                blocks[...] = rng.permutation(blocks.ravel()).reshape(blocks.shape)

    def next(self) -> StreamWindow:
        """The next window; after the last one of an epoch, the first one of the next epoch."""
        if self.window == self.per_epoch:
            self.seek({"epoch": self.epoch + 1, "window": 0})
        block, window = divmod(self.window, self.block)
        starts = self.blocks[block] + window * self.bptt  # (B,)
        if window % RELEASE_WINDOWS == 0:
            self._release()
        rng = rng_for(self.seed, RandomStream.RESETS, self.epoch, self.window)
        reset = rng.random(self.batch_size) < STATE_RESET_PROBABILITY  # (B,)
        self.window += 1
        ids = np.stack([self.ids[s : s + self.bptt + 1] for s in starts], axis=1)  # (T + 1, B)
        batch_sizes = np.full(self.bptt, self.batch_size)
        return StreamWindow(ids[:-1].ravel(), ids[1:].ravel(), batch_sizes, reset | (window == 0))

    def _release(self) -> None:
        """Releases the pages of a memory-mapped corpus that were read, where the system can."""
        if isinstance(self.ids.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.ids.base.madvise(mmap.MADV_DONTNEED)


def require_window(tokens: int, bptt: int) -> None:
    """UserError unless a corpus of this number of tokens has a window of `bptt` steps."""
    if tokens <= bptt:
        raise UserError(
            f"the corpus has {tokens} tokens and a window needs {bptt + 1}; give more text or a "
            f"smaller {option('bptt')}"
        )
