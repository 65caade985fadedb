"""The learning rate over a run, as a function of how much of the run is over."""

import math

SCHEDULES = ("cosine", "constant", "step")


def factor(schedule: str, progress: float, *, warmup: float, floor: float = 0.0) -> float:
    """By what to multiply the learning rate when `progress` (0 to 1) of the run is over.

    It rises in a line over the first `warmup` of the run. Then "cosine" falls to `floor` at the end (Loshchilov and
    Hutter 2017), "step" divides by ten at a half and again at three quarters, "constant" stays.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    if schedule == "cosine":
        along = (progress - warmup) / (1 - warmup)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * along))
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    return 1.0
