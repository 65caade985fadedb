"""Averages of the weights over steps, which usually perform better than the last weights (Polyak and Juditsky 1992)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from rnnnlp.layers.parameter import Parameter

BLOCK = 1 << 14  # numbers; temporary arrays of this size stay in the cache


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Yields slices of the rows of `array` with about BLOCK numbers each."""
    rows = max(1, BLOCK * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)


class AveragedWeights:
    """An exponential moving average of every parameter.

    Each step takes `decay` of the old average and `1 - decay` of the new weights. The decay grows from 0 with the
    number of steps, so the first weights are soon forgotten.

    Args:
        parameters: The parameters, by name.
        decay: Final decay, at least 0 and below 1. 0 means no averaging: the averages are the weights themselves.
    """

    def __init__(self, parameters: Mapping[str, Parameter], decay: float):
        self.parameters, self.decay = parameters, decay
        self.values = {name: p.value.copy() if decay else p.value for name, p in parameters.items()}

    def update(self, steps: int, *, taken: int = 1) -> None:
        """Adds the current weights to the averages; `taken` is the number of steps since the last call."""
        if not self.decay:
            return
        decay = min(self.decay, steps / (steps + 10)) ** taken
        for name, p in self.parameters.items():
            for rows in blocks(p.value):
                # average = decay*average + (1 - decay)*value
                average = self.values[name][rows]
                difference = p.value[rows] - average
                difference *= 1 - decay
                average += difference

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the parameters have the averaged values."""
        with replaced(self.parameters, self.values):
            yield


@contextmanager
def replaced(parameters: Mapping[str, Parameter], values: Mapping[str, np.ndarray]) -> Iterator[None]:
    """A context in which parameters have other values, by name."""
    own = {name: p.value for name, p in parameters.items()}
    try:
        for name, p in parameters.items():
            p.value = values[name]
        yield
    finally:
        for name, p in parameters.items():
            p.value = own[name]
