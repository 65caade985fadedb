"""The progress of a run, measured in steps, in seconds of wall time, or in both; and how often it is evaluated."""

import time
from collections.abc import Callable

from rnnnlp.training.options import TrainingConfig

EVALUATION_SHARE = 0.04  # of the training time may be spent on evaluations
EVALUATION_SPEED = 3.0  # how many times faster tokens are evaluated than trained on


class Clock:
    """Ends after a number of steps or seconds, whichever comes first.

    Args:
        total_steps: Number of steps; None means no limit.
        budget: Training time in seconds, including the time before a resume; None means no limit.
        started: When the run started; None means now.
        now: Tells the time in seconds.
    """

    def __init__(
        self,
        *,
        total_steps: int | None,
        budget: float | None,
        started: float | None = None,
        now: Callable[[], float] = time.monotonic,
    ):
        self.total_steps, self.budget = total_steps, budget
        self.step = 0
        self.reserve = 0.0  # seconds that are kept for the last evaluation
        self._now = now
        self._since = now() if started is None else started
        self._before = 0.0  # seconds before the last resume

    def resume(self, step: int, seconds: float, reserve: float) -> None:
        """Continues from a checkpoint. The time that it took to load is not counted.

        Args:
            step: Number of steps so far.
            seconds: Training time so far.
            reserve: Seconds to keep for the last evaluation.
        """
        self.step, self._before, self.reserve = step, seconds, reserve
        self._since = self._now()

    @property
    def seconds(self) -> float:
        """Training time so far, including the time before a resume."""
        return self._before + self._now() - self._since

    @property
    def progress(self) -> float:
        """Fraction of the run that is over, 0 to 1."""
        of_steps = self.step / self.total_steps if self.total_steps is not None else 0.0
        of_time = self.seconds / max(self.budget - self.reserve, 1e-9) if self.budget is not None else 0.0
        return min(1.0, max(of_steps, of_time))

    @property
    def over(self) -> bool:
        """Whether the run has reached its end."""
        return self.progress >= 1

    def remaining(self) -> float:
        """Estimated seconds to the end of the run."""
        progress = self.progress
        return self.seconds / progress * (1 - progress) if progress else float("inf")


def total_steps(config: TrainingConfig, steps_per_epoch: int) -> int | None:
    """The number of steps of a run that its budget does not cut short; None if only the budget ends it."""
    epochs = config.epochs or config.max_epochs
    return epochs * steps_per_epoch if epochs else config.steps


def number_of_evaluations(seen: float, validation_tokens: int) -> int:
    """A number of evaluations, 2 to 10, that take a small share of the training time.

    Args:
        seen: Number of tokens that the run trains on.
        validation_tokens: Number of tokens in the validation split.
    """
    return int(min(10, max(2, EVALUATION_SHARE * seen * EVALUATION_SPEED / validation_tokens)))
