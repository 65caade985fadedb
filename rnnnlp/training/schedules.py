"""Learning-rate schedules, as functions of the progress of a run."""

import math

SCHEDULES = ("cosine", "constant", "step")


def factor(schedule: str, progress: float, *, warmup: float) -> float:
    """The factor for the peak learning rate.

    It rises linearly during the warmup. After that, it depends on the schedule:

    - "cosine": falls to 0 at the end of the run (Loshchilov and Hutter 2017),
    - "step": is divided by ten at half of the run, and again at three quarters,
    - "constant": stays at 1.

    Args:
        schedule: One of SCHEDULES.
        progress: Fraction of the run that is over, 0 to 1.
        warmup: Fraction of the run in which the learning rate rises.

    Returns:
        A factor from 0 to 1.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    if schedule == "cosine":
        along = (progress - warmup) / (1 - warmup)
        return 0.5 * (1 + math.cos(math.pi * along))
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    return 1.0
