"""The training speed of this machine, and the number of evaluations that fits it."""

import math
import time
from collections.abc import Callable

PROBE_SECONDS = 0.5
EVALUATION_SHARE = 0.04  # of the training time may be spent on evaluations
EVALUATION_SPEED = 3.0  # how many times faster tokens are evaluated than trained on


def shortest(step: Callable[[], object]) -> float:
    """The shortest time of a call of `step` in seconds, among all calls during PROBE_SECONDS."""
    fastest, started = math.inf, time.monotonic()
    while time.monotonic() - started < PROBE_SECONDS:
        begin = time.monotonic()
        step()
        fastest = min(fastest, time.monotonic() - begin)
    return fastest


def number_of_evaluations(seen: float, validation_tokens: int) -> int:
    """A number of evaluations, 2 to 10, that take a small share of the training time.

    Args:
        seen: Number of tokens that the run trains on.
        validation_tokens: Number of tokens in the validation split.
    """
    return int(min(10, max(2, EVALUATION_SHARE * seen * EVALUATION_SPEED / validation_tokens)))
