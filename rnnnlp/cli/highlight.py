"""Shows the words that explain a prediction: green for it, red against it, the strongest in bold."""

import os
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from rnnnlp.cli.output import Coloured
from rnnnlp.display import visible

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.explain import Contribution

SHOWN = 5  # maximum number of words for the prediction, and of words against it
WEAK, STRONG = 0.1, 0.5  # shares of the largest weight in the text: no colour up to WEAK, bold above STRONG
GREEN, RED, END = "\x1b[{}32m", "\x1b[{}31m", "\x1b[0m"


def colours_wanted(file: TextIO) -> bool:
    """Whether `file` is a terminal with colours, and NO_COLOR is not set (https://no-color.org)."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def highlighted(text: str, words: Sequence["Contribution"]) -> Coloured:
    """The text on one line, with each character in the colour of its weight.

    Args:
        text: The text.
        words: The weights of its words; weights of overlapping words are added.
    """
    weights = [0.0] * len(text)
    for start, stop, weight in words:
        for index in range(start, stop):
            weights[index] += weight
    largest = max(map(abs, weights), default=0.0)
    parts = groupby(zip(text, weights, strict=True), key=lambda pair: colour(pair[1], largest))
    flat = ((begin, visible("".join(" " if c.isspace() else c for c, _ in part))) for begin, part in parts)
    return Coloured("".join(f"{begin}{part}{END}" if begin else part for begin, part in flat))


def colour(weight: float, largest: float) -> str:
    """The escape sequence for the colour of a weight; empty for a weak one."""
    if abs(weight) <= WEAK * largest:
        return ""
    return (GREEN if weight > 0 else RED).format("1;" if abs(weight) > STRONG * largest else "")


def strongest(text: str, words: Sequence["Contribution"]) -> str:
    """The words with the largest weights, such as "for: lovely +1.20  good +0.31   against: but -0.52"."""
    by_weight = sorted(words, key=lambda word: -abs(word.weight))
    sides = {
        "for": [word for word in by_weight if word.weight > 0][:SHOWN],
        "against": [word for word in by_weight if word.weight < 0][:SHOWN],
    }
    return "   ".join(
        f"{side}: " + "  ".join(f"{text[start:stop].strip()} {weight:+.2f}" for start, stop, weight in found)
        for side, found in sides.items()
        if found
    )
