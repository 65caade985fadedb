"""The weights averaged over the last steps, which usually do better than the last ones (Polyak and Juditsky 1992)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from rnnnlp.layers.parameter import Parameter

BLOCK = 1 << 14  # numbers: what is in between stays in the cache


def blocks(array: np.ndarray) -> Iterator[slice]:
    """Slices of the rows of `array` that have about BLOCK numbers each."""
    rows = max(1, BLOCK * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)


class AveragedWeights:
    """An exponential moving average of every parameter: `decay` of the old and 1 - `decay` of the new at each step.

    The decay grows from 0 with the number of steps, so that the first weights are soon forgotten. Decay 0 is none: the
    averages are the weights themselves.
    """

    def __init__(self, parameters: Mapping[str, Parameter], decay: float):
        self.parameters, self.decay = parameters, decay
        self.values = {name: p.value.copy() if decay else p.value for name, p in parameters.items()}

    def update(self, steps: int) -> None:
        """Takes in the weights after `steps` steps."""
        if not self.decay:
            return
        decay = min(self.decay, steps / (steps + 10))
        for name, p in self.parameters.items():
            for rows in blocks(p.value):
                # average = decay*average + (1 - decay)*value
                average = self.values[name][rows]
                difference = p.value[rows] - average
                difference *= 1 - decay
                average += difference

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While inside, the parameters have the averaged values."""
        raw: dict[str, np.ndarray] = {name: p.value for name, p in self.parameters.items()}
        try:
            for name, p in self.parameters.items():
                p.value = self.values[name]
            yield
        finally:
            for name, p in self.parameters.items():
                p.value = raw[name]
