"""The display of a running training: a bar with loss, throughput and time left, and one line per evaluation."""

import logging
import math
import sys
import time
from contextlib import suppress
from typing import Any, Self

from rnnnlp.display import visible
from rnnnlp.training.clock import Clock
from rnnnlp.training.distributed import processes
from rnnnlp.training.objective import BatchLoss

BAR = (logging.INFO + logging.WARNING) // 2  # the level of progress bars: at it there are no lines
BETWEEN_DRAWINGS = 0.1  # seconds


class Progress:
    """A `tqdm` progress bar on standard error, and lines above it, unless logging silences them: see `is_shown`.

    Args:
        clock: The clock of the run.
    """

    def __init__(self, clock: Clock):
        from tqdm import tqdm

        self.clock = clock
        self.loss: float | None = None  # smoothed
        self.tokens_per_second = 0.0
        self.share_of_messages = 0.0  # of the time; that of waiting for other processes included
        self.noise_scale: float | None = None
        self._continue()
        self.drawn = -math.inf  # when a step was shown last
        self.quiet = not is_shown(logging.INFO)
        self.bar = tqdm(
            total=1000,
            initial=int(1000 * clock.progress),
            bar_format="{percentage:3.0f}%|{bar:20}| {desc}",
            dynamic_ncols=True,
            leave=not self.quiet,
            disable=no_bar(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.bar.close()

    def step(self, batch: BatchLoss, lr: float, noise_scale: float | None = None) -> None:
        """Shows a training step, unless one was shown just before.

        Args:
            batch: The loss and the number of tokens of its batch.
            lr: Its learning rate.
            noise_scale: The gradient noise scale in targets, where it is known.
        """
        now = time.monotonic()
        seconds = max(now - self.last, 1e-9)
        throughput, share = batch.tokens / seconds, (processes().waited - self.waited) / seconds
        self._continue()
        self.noise_scale = noise_scale
        self.share_of_messages += 0.1 * (share - self.share_of_messages)
        loss = batch.loss
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss
        self.tokens_per_second = (
            0.9 * self.tokens_per_second + 0.1 * throughput if self.tokens_per_second else throughput
        )
        self.bar.n = int(1000 * min(1.0, self.clock.progress))
        self.bar.set_description_str(
            f"step {self.clock.step}, loss {self.loss:.4f}, {short(self.tokens_per_second)} tokens/s, "
            f"{visible(self._shown_of_processes())}lr {lr:.2g}, {minutes(self.clock.remaining())} left",
            refresh=False,
        )
        if now - self.drawn >= BETWEEN_DRAWINGS:
            self.drawn = now
            self.bar.refresh()

    def _shown_of_processes(self) -> str:
        """The share of messages and the noise scale, where there are several processes or shards."""
        shown = f"{self.share_of_messages:.0%} in messages, " if processes().size > 1 else ""
        return shown + (f"noise scale {short(self.noise_scale)}, " if self.noise_scale is not None else "")

    def evaluated(self, metrics: dict[str, Any], *, best: bool, sample: str | None) -> None:
        """Prints an evaluation.

        Args:
            metrics: The validation metrics.
            best: Whether they are the best so far.
            sample: A generated text, if the task has one.
        """
        self.bar.refresh()
        figures = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, float))
        self.say(f"step {self.clock.step}: validation {figures}{' (best so far)' if best else ''}")
        if sample is not None:
            for line in sample.split("\n"):
                self.say(f"    | {line}")
        self._continue()

    def _continue(self) -> None:
        """Does not count the time until now."""
        self.last, self.waited = time.monotonic(), processes().waited

    def of_processes(self) -> dict[str, float]:
        """What is of interest if a batch has several shards, for `metrics.jsonl`; else nothing."""
        if self.noise_scale is None and processes().size == 1:
            return {}
        found = {"tokens_per_second": round(self.tokens_per_second, 1)}
        if processes().size > 1:
            found["share_of_messages"] = round(self.share_of_messages, 4)
        return found if self.noise_scale is None else found | {"noise_scale": round(self.noise_scale, 1)}

    def say(self, text: str) -> None:
        """Prints one line above the bar, if somebody can read it."""
        if self.quiet:
            return
        with suppress(OSError):
            self.bar.write(visible(text), file=sys.stderr)


def is_shown(level: int) -> bool:
    """Whether progress of this level is shown: as the logger `rnnnlp` says, or where nobody has set its level.

    The root logger is at WARNING by default, in notebooks also with a handler. Only above that does it ask for silence.
    """
    logger = logging.getLogger("rnnnlp")
    return logger.isEnabledFor(level if logger.level else logging.WARNING) and logger.manager.disable < level


def no_bar() -> bool | None:
    """The argument `disable` of `tqdm`: True if logging silences bars; None, so that only a terminal has one."""
    return None if is_shown(BAR) else True


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
