"""Is the run well? Whether its loss went up and stays there, and how far an update moves the weights."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter

KNOWN_STEPS = 100  # before that the running mean says little
DEVIATIONS = 6.0
SPIKE_STEPS = 50  # in a row; single batches may be hard
RATE = 0.02  # of the running mean: it looks back about so many steps as 1 / RATE


class LossWatch:
    """Notices when a loss that had fallen is high again for `SPIKE_STEPS` steps in a row.

    High is above the running mean by 6 deviations, by half of the mean, and by half of what was learned since the
    first step: all three, so that a noisy run, a flat one and a hard stretch of text are all left alone. What is high
    does not count for the mean.
    """

    def __init__(self) -> None:
        self.steps = self.high_steps = 0
        self.first = self.mean = self.variance = 0.0

    def see(self, loss: float) -> bool:
        """Takes the loss of one more step; whether it has been high for too long."""
        if not self.steps:
            self.first = self.mean = loss
        self.steps += 1
        if self.steps > KNOWN_STEPS and loss > self.limit:
            self.high_steps += 1
            return self.high_steps >= SPIKE_STEPS
        self.high_steps = 0
        difference = loss - self.mean
        self.mean += RATE * difference
        self.variance = (1 - RATE) * (self.variance + RATE * difference * difference)
        return False

    @property
    def limit(self) -> float:
        """A loss above it is high."""
        rise = (DEVIATIONS * math.sqrt(self.variance), self.mean / 2, (self.first - self.mean) / 2)
        return self.mean + max(rise)

    def to_mapping(self) -> dict[str, Any]:
        return dict(vars(self))

    def go_to(self, state: Mapping[str, Any]) -> None:
        """Back to what `to_mapping` gave; ValueError if this is not that."""
        kinds = {name: type(value) for name, value in vars(LossWatch()).items()}
        if {name: type(value) for name, value in state.items()} != kinds:
            raise ValueError(f"health must have {', '.join(kinds)}")
        if not all(math.isfinite(value) and (value >= 0 or name in ("first", "mean")) for name, value in state.items()):
            raise ValueError("health has a number that it cannot have")
        vars(self).update(state)


class UpdateRatio:
    """The norm of one update of the weights, as a share of the norm of the weights; about 1e-3 is usual.

    Made before the update, of the rows that will change; `measure` is for after it.
    """

    def __init__(self, parameters: Mapping[str, Parameter]):
        self.parameters = [(p, p.value[p.touched].copy()) for p in parameters.values()]

    def measure(self) -> float:
        changes = [np.subtract(p.value[p.touched], before) for p, before in self.parameters]
        weights = [p.value for p, _ in self.parameters]
        change, weight = (math.hypot(*kernels.of(arrays[0]).norms(arrays)) for arrays in (changes, weights))
        return change / weight if weight else 0.0
