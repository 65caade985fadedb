"""How fast this machine trains, measured; and what follows for the number of evaluations."""

import math
import time
from collections.abc import Callable

PROBE_SECONDS = 0.5
EVALUATION_SHARE = 0.04  # of the time may go into evaluations
EVALUATION_SPEED = 3.0  # tokens are evaluated this many times faster than trained on


def shortest(step: Callable[[], object]) -> float:
    """The seconds that `step` takes when nothing disturbs it, tried for PROBE_SECONDS."""
    fastest, started = math.inf, time.monotonic()
    while time.monotonic() - started < PROBE_SECONDS:
        begin = time.monotonic()
        step()
        fastest = min(fastest, time.monotonic() - begin)
    return fastest


def evaluations_of(seen: float, validation_tokens: int) -> int:
    """The number of evaluations, 2 to 10, that takes a small share of the time of a run that reads `seen` tokens."""
    return int(min(10, max(2, EVALUATION_SHARE * seen * EVALUATION_SPEED / validation_tokens)))
