"""One seed, independent random draws: each use of the seed has a number of its own."""

import numpy as np

WEIGHTS, DROPOUT, DOCUMENTS, STREAMS, FRESH, CROPS = range(1, 7)


def generator(seed: int, use: int, *place: int) -> np.random.Generator:
    """The generator for a `use` of the seed at a `place`, such as an epoch: the same whenever it is asked for."""
    return np.random.default_rng([seed, use, *(part + 1 for part in place)])  # NumPy takes [1, 0] for [1]
