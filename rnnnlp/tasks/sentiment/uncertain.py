"""Which texts to label next: those between two classes, spread over classes, lengths and content (active learning)."""

# n texts, K classes

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from heapq import nsmallest
from zlib import crc32

import numpy as np

from rnnnlp.config import as_given
from rnnnlp.errors import UserError

LENGTHS = 3  # short, medium and long texts are chosen in equal proportion
GRAM, LONGEST = 5, 1000  # characters: of an n-gram, and of what is compared of a text
SKETCH = 100  # n-grams that are compared of a text
COMMON = 50  # chosen texts with an n-gram, above which it tells little
SIMILAR = 0.5  # texts that share this fraction of their n-grams are nearly the same

log = logging.getLogger(__name__)


def margins(probabilities: np.ndarray) -> np.ndarray:
    """How far the most probable class is above the second one, `(n,)`, from class probabilities `(n, K)`."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:]  # (n, 2)
    found: np.ndarray = two[:, 1] - two[:, 0]
    return found


def most_uncertain(
    texts: Sequence[str | None], probabilities: np.ndarray, n: int, *, known: Collection[str] = frozenset()
) -> np.ndarray:
    """The texts whose labels would teach a classifier most.

    They have the smallest margins (Scheffer et al. 2001) among the texts of their predicted class and length. Copies,
    texts that are nearly the same, and blank or missing ones are left out.

    Args:
        texts: The texts; None for a missing one.
        probabilities: The class probabilities of each, `(len(texts), K)`.
        n: The number of texts that are wanted.
        known: Texts that have a label already, and are not wanted.

    Returns:
        Their indices, the most useful first; fewer than `n` if no more are left.

    Raises:
        UserError: If `n` is below 1.
    """
    n = as_given(int, n, "n")
    if n < 1:
        raise UserError(f"n is {n}; it must be at least 1")
    first = {" ".join(text.split()): row for row, text in reversed(list(enumerate(texts))) if text is not None}
    for text in ("", *(" ".join(text.split()) for text in known)):
        first.pop(text, None)
    rows = np.array(sorted(first.values()), np.int64)  # (m,) the candidates
    found: list[int] = []
    if len(rows):
        lengths = np.array([len(texts[row] or "") for row in rows])
        order = spread(margins(probabilities[rows]), probabilities[rows].argmax(axis=1), lengths)
        found = without_similar([(row, texts[row] or "") for row in rows[order].tolist()], n)
    if len(found) < n:
        log.warning("%d texts instead of %d: the others have a label, no text, or are nearly the same", len(found), n)
    return np.array(found, np.int64)


def spread(margin: np.ndarray, predicted: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """An order `(m,)` in which every beginning has the same fraction of each class and length, smallest margins first.

    Args:
        margin: Of each candidate, `(m,)`.
        predicted: The predicted class of each, `(m,)`.
        lengths: The length of each, `(m,)`.
    """
    third = lengths.argsort(kind="stable").argsort(kind="stable") * LENGTHS // len(lengths)  # (m,)
    rank = np.empty(len(margin))
    for group in np.unique(group_of := predicted * LENGTHS + third):
        rows = np.flatnonzero(group_of == group)
        rows = rows[margin[rows].argsort(kind="stable")]
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((margin, rank))


def without_similar(candidates: Sequence[tuple[int, str]], n: int) -> list[int]:
    """The first `n` of numbered texts, without those that are nearly the same as one before."""
    chosen: list[int] = []
    sizes: list[int] = []
    having: dict[str, list[int]] = {}  # which of the chosen texts have an n-gram
    for number, text in candidates:
        grams = ngrams(text)
        shared = Counter(earlier for gram in grams for earlier in having.get(gram, ()))
        if any(count > SIMILAR * (len(grams) + sizes[earlier] - count) for earlier, count in shared.items()):
            continue
        for gram in grams:
            if len(earlier_texts := having.setdefault(gram, [])) < COMMON:
                earlier_texts.append(len(chosen))
        chosen.append(number)
        sizes.append(len(grams))
        if len(chosen) == n:
            break
    return chosen


def ngrams(text: str) -> set[str]:
    """Character n-grams of a text, which need no words and so suit any script.

    Of a long text they are those of the smallest hashes, so that similar texts keep the same (Broder 1997).
    """
    text = " ".join(text.lower().split())[:LONGEST]
    found = {text[start : start + GRAM] for start in range(max(1, len(text) - GRAM + 1))}
    if len(found) <= SKETCH:
        return found
    return set(nsmallest(SKETCH, found, key=lambda gram: (crc32(gram.encode("utf-8", "surrogatepass")), gram)))
