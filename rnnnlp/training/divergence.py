"""Divergence of a run: a loss that is not finite, or that went up and stays there. And how far updates move weights."""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from rnnnlp import kernels
from rnnnlp.errors import UserError, option
from rnnnlp.layers.parameter import Parameter
from rnnnlp.training.options import TrainingConfig

KNOWN_STEPS = 100  # before that the running mean says little
DEVIATIONS = 6.0
SPIKE_STEPS = 50  # in a row; single batches may be hard
RATE = 0.02  # of the running mean, which looks back about 1 / RATE steps

REMEDY = f"train again with a smaller {option('lr')}"


class Diverged(UserError):
    """The loss, a gradient or a weight is not a finite number, or the loss went up and stays there.

    Attributes:
        problem: What happened, without a remedy.
        remedy: What to do.
    """

    def __init__(self, problem: str, remedy: str = REMEDY):
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problem, self.remedy)

    def with_remedy(self, remedy: str) -> Self:
        """The same error with another remedy."""
        return type(self)(self.problem, remedy)


def remedy_for(config: TrainingConfig) -> str:
    """What to do if a run with these options diverges."""
    norm = f"or {option('max_norm')}" if config.max_norm else f"or a {option('max_norm')} above 0"
    rollback = "" if config.on_divergence == "rollback" else f", or give {option('on_divergence')} rollback"
    return f"{REMEDY} {norm}{rollback}"


class DivergenceDetector:
    """Notices when a loss that had fallen is high again for `SPIKE_STEPS` steps in a row.

    A loss is high if it is above the running mean by 6 standard deviations, by half of the mean, and by half of what
    was learned since the first step. All three are needed, so a noisy run, a flat run and a hard part of a text are
    left alone. A high loss does not count for the mean.
    """

    def __init__(self) -> None:
        self.steps = self.high_steps = 0
        self.first = self.mean = self.variance = 0.0

    def check(self, step: int, loss: float, norm: float, norms: Mapping[str, float], lr: float) -> None:
        """Takes the loss and the gradient norms of a step, before its update.

        Raises:
            Diverged: If they are not finite, or the loss has been high for too long.
        """
        if not (math.isfinite(loss) and math.isfinite(norm)):
            largest = max(norms, key=lambda name: norms[name] if math.isfinite(norms[name]) else math.inf)
            raise Diverged(
                f"step {step}: the loss is {loss:.4g} and the gradient norm {norm:.4g} (largest in "
                f"{largest}: {norms[largest]:.4g}) at learning rate {lr:.3g}"
            )
        if self.update(loss):
            raise Diverged(
                f"step {step}: the loss is {loss:.4g} and was above {self.limit:.4g} for "
                f"{SPIKE_STEPS} steps, after a mean of {self.mean:.4g}"
            )

    def update(self, loss: float) -> bool:
        """Takes the loss of one more step; returns whether it has been high for too long."""
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

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to what `to_mapping` gave; ValueError if `state` is something else."""
        kinds = {name: type(value) for name, value in vars(DivergenceDetector()).items()}
        if {name: type(value) for name, value in state.items()} != kinds:
            raise ValueError(f"divergence must have {', '.join(kinds)}")
        if not all(math.isfinite(value) and (value >= 0 or name in ("first", "mean")) for name, value in state.items()):
            raise ValueError("divergence has a number that it cannot have")
        vars(self).update(state)


class UpdateRatio:
    """The norm of one update of the weights as a share of the norm of the weights; about 1e-3 is usual.

    Make it before the update, and call `measure` after it.
    """

    def __init__(self, parameters: Mapping[str, Parameter]):
        self.parameters = [(p, p.value[p.touched].copy()) for p in parameters.values()]

    def measure(self) -> float:
        changes = [np.subtract(p.value[p.touched], before) for p, before in self.parameters]
        weights = [p.value for p, _ in self.parameters]
        change, weight = (math.hypot(*kernels.of(arrays[0]).norms(arrays)) for arrays in (changes, weights))
        return change / weight if weight else 0.0
