"""How much of a run is over: counted in steps, or in seconds of wall time, or in both."""

import time


class Clock:
    """Ends after `total_steps` steps or `budget` seconds, whichever comes first; `seconds` counts earlier sittings."""

    def __init__(self, *, total_steps: int | None, budget: float | None, started: float | None = None):
        self.total_steps, self.budget = total_steps, budget
        self.step = 0
        self.reserve = 0.0  # seconds to keep for the last evaluation
        self._since = time.monotonic() if started is None else started
        self._before = 0.0  # seconds of earlier sittings

    def resume(self, step: int, seconds: float, reserve: float) -> None:
        """Goes on from a checkpoint. The time that this sitting took to load is not counted again."""
        self.step, self._before, self.reserve = step, seconds, reserve
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._since

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        of_steps = self.step / self.total_steps if self.total_steps is not None else 0.0
        of_time = self.seconds / max(self.budget - self.reserve, 1e-9) if self.budget is not None else 0.0
        return min(1.0, max(of_steps, of_time))

    @property
    def over(self) -> bool:
        return self.progress >= 1

    def remaining(self) -> float:
        """Estimated seconds to the end."""
        progress = self.progress
        return self.seconds / progress * (1 - progress) if progress else float("inf")
