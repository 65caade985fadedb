"""The display of a running training: a bar with loss, throughput and time left, and one line per evaluation."""

import logging
import sys
import time
from contextlib import suppress
from typing import Any, Self

from rnnnlp.display import visible
from rnnnlp.training.clock import Clock
from rnnnlp.training.task import BatchLoss


class Progress:
    """A `tqdm` progress bar on standard error, and lines above it unless the logger `rnnnlp` has only warnings.

    Args:
        clock: The clock of the run.
    """

    def __init__(self, clock: Clock):
        from tqdm import tqdm

        self.clock = clock
        self.loss: float | None = None  # smoothed
        self.tokens_per_second = 0.0
        self.last = time.monotonic()
        self.quiet = logging.getLogger("rnnnlp").level > logging.INFO
        self.bar = tqdm(
            total=1000,
            initial=int(1000 * clock.progress),
            bar_format="{percentage:3.0f}%|{bar:20}| {desc}",
            dynamic_ncols=True,
            leave=not self.quiet,
            disable=None,  # without a terminal, only evaluations are printed
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.close()

    def step(self, batch: BatchLoss, lr: float) -> None:
        """Shows a training step.

        Args:
            batch: The loss and the number of tokens of its batch.
            lr: Its learning rate.
        """
        now = time.monotonic()
        throughput = batch.tokens / max(now - self.last, 1e-9)
        self.last = now
        loss = batch.loss
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss
        self.tokens_per_second = (
            0.9 * self.tokens_per_second + 0.1 * throughput if self.tokens_per_second else throughput
        )
        self.bar.n = int(1000 * min(1.0, self.clock.progress))
        self.bar.set_description_str(
            f"step {self.clock.step}, loss {self.loss:.4f}, {short(self.tokens_per_second)} tokens/s, "
            f"lr {lr:.2g}, {minutes(self.clock.remaining())} left"
        )

    def evaluated(self, metrics: dict[str, Any], *, best: bool, sample: str | None) -> None:
        """Prints an evaluation.

        Args:
            metrics: The validation metrics.
            best: Whether they are the best so far.
            sample: A generated text, if the task has one.
        """
        figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, float))
        self.say(f"step {self.clock.step}: validation {figures}{' (best so far)' if best else ''}")
        if sample is not None:
            for line in sample.split("\n"):
                self.say(f"    | {line}")
        self.last = time.monotonic()

    def say(self, text: str) -> None:
        """Prints one line above the bar, if somebody can read it."""
        if self.quiet:
            return
        with suppress(OSError):
            self.bar.write(visible(text), file=sys.stderr)


def short(number: float) -> str:
    """1234567 -> "1.23M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def minutes(seconds: float) -> str:
    """75.3 -> "1:15"."""
    if seconds == float("inf"):
        return "?"
    whole = int(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole % 3600 // 60:02d}:{whole % 60:02d}" if hours else f"{whole // 60}:{whole % 60:02d}"
