"""The speed of this machine."""

import time
from collections.abc import Callable
from statistics import median

LEAST_SECONDS, MOST_SECONDS, SHARE_OF_BUDGET = 0.5, 3.0, 0.005  # of a measurement


def usual_seconds(step: Callable[[], object], budget: float | None) -> float:
    """The median time of a call of `step` in seconds.

    The fastest call would promise too much: on a machine that others use too, it may take half of the usual time. The
    first one, which also fills caches, counts only if it takes all the time that a measurement may take.

    Args:
        step: What is measured.
        budget: The training budget in seconds; the measurement takes half a percent of it. None if there is no limit.
    """
    least = min(max(LEAST_SECONDS, SHARE_OF_BUDGET * (budget or 0.0)), MOST_SECONDS)
    times, started = [timed(step)], time.monotonic()
    if times[0] >= least:
        return times[0]
    while len(times) < 2 or time.monotonic() - started < least:
        times.append(timed(step))
    return median(times[1:])


def timed(step: Callable[[], object]) -> float:
    """How long a call takes, in seconds."""
    started = time.monotonic()
    step()
    return time.monotonic() - started
