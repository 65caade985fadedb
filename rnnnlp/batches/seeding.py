"""One seed, independent random streams: each use of the seed has a stream of its own."""

from enum import IntEnum

import numpy as np


class RandomStream(IntEnum):
    """What random numbers are for. The values are part of what a seed means: never change them."""

    WEIGHTS = 1
    DROPOUT = 2
    DOCUMENTS = 3  # the order of documents in an epoch
    STREAMS = 4  # where the streams of an epoch begin
    RESETS = 5  # which streams begin a window without a carried state
    CROPS = 6
    FOLDS = 7  # of a cross-validation


def rng_for(seed: int, stream: RandomStream, *key: int) -> np.random.Generator:
    """The random generator of a stream, the same whenever it is asked for.

    Args:
        seed: The seed of the run.
        stream: What the numbers are for.
        key: The place within the stream, such as the epoch and the batch.
    """
    return np.random.default_rng([seed, int(stream), *(part + 1 for part in key)])  # NumPy takes [1, 0] for [1]
