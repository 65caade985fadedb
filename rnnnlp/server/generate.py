"""POST /v1/generate: the text after a prompt, in parts as it is made."""

import time
from collections.abc import Callable

import numpy as np

from rnnnlp.tasks.char_lm.generate import TOKENS_AT_A_TIME, Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork

FLUSHES = 2  # parts after the last token: bytes of a character without an end, and the beginning of a stop string


class Generation:
    """A text that is being generated.

    Args:
        model: The language model.
        prompt: The text to continue.
        sampling: How each token is chosen.
        seed: Of the random numbers.
        seconds: After them the text ends.
        stopping: Whether the server stops, which ends the text too.

    Attributes:
        reason: What ended it, when it has.
    """

    def __init__(
        self,
        model: CharLMNetwork,
        prompt: str,
        sampling: Sampling,
        *,
        seed: int,
        seconds: float,
        stopping: Callable[[], bool],
    ):
        self.reason = "length"
        self._sampling, self._stopping, self._ends = sampling, stopping, time.monotonic() + seconds
        self._number = 0  # of parts
        self._parts = generate(model, prompt, sampling, rng=np.random.default_rng(seed))

    def part(self) -> str | None:
        """The next part, which may be empty; None after the last."""
        if self._stopping():
            self.reason = "shutdown"
            return None
        if time.monotonic() > self._ends:
            self.reason = "time"
            return None
        part = next(self._parts, None)
        if part is not None:
            self._number += 1
        elif self._number < -(-self._sampling.length // TOKENS_AT_A_TIME) + FLUSHES:
            self.reason = "stop"
        return part

    @property
    def tokens(self) -> int:
        """The number of tokens so far; a few more if a stop string ended the text."""
        return min(self._number * TOKENS_AT_A_TIME, self._sampling.length)
