"""The weights averaged over the last steps, which usually do better than the last ones (Polyak and Juditsky 1992)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from rnnnlp.layers.parameter import Parameter


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
            # average = decay*average + (1 - decay)*value
            difference = p.value - self.values[name]
            difference *= 1 - decay
            self.values[name] += difference

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
