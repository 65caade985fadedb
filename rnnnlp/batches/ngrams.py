"""Documents to sparse rows of n-gram counts."""

# n documents, N tokens, M n-grams: unique ones of each document

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

# Part of what saved weights mean: never change them.
_NEXT, _MIXED, _BITS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), 44
_TOKENS, _DOCUMENTS = 1 << 22, 1 << 18  # that are counted at a time, at most


class NgramCounts(NamedTuple):
    """A sparse matrix of counts, by rows.

    Attributes:
        starts: int64 `(n + 1,)`: the n-grams of document i are those from `starts[i]` to `starts[i + 1]`.
        ngrams: int64 `(M,)`, ascending in each document: a hash of each n-gram, or its place in a vocabulary.
        counts: float32 `(M,)`.
    """

    starts: np.ndarray
    ngrams: np.ndarray
    counts: np.ndarray

    def of(self, vocabulary: np.ndarray) -> "NgramCounts":
        """The counts of those n-grams that are in a vocabulary, by their places there.

        Args:
            vocabulary: Hashes in ascending order.
        """
        places = np.searchsorted(vocabulary, self.ngrams)
        known = np.zeros(len(places), bool)
        if len(vocabulary):
            known = vocabulary[np.minimum(places, len(vocabulary) - 1)] == self.ngrams
        starts = np.concatenate([[0], np.cumsum(known)])[self.starts]
        return NgramCounts(starts, places[known], self.counts[known])


def count_ngrams(
    documents: Sequence[np.ndarray], shortest: int, longest: int, *, space: int | None = None
) -> NgramCounts:
    """Counts the n-grams of each document. A hash of 44 bits stands for each.

    Args:
        documents: The ids of each document, `(length,)`: of tokens, or of characters.
        shortest: Smallest n.
        longest: Largest n.
        space: An id that an n-gram may begin or end with, but has nowhere else: n-grams of characters stay in words.
    """
    lengths = np.array([len(ids) for ids in documents], np.int64)
    parts, first = [], 0
    ends = np.cumsum(lengths)
    while first < len(documents):
        if lengths[first] > _TOKENS:
            last = first + 1
            parts.append(_count_in_parts(documents[first], shortest, longest, space))
        else:
            before = ends[first - 1] if first else 0
            last = min(int(np.searchsorted(ends, before + _TOKENS, side="right")), first + _DOCUMENTS)
            parts.append(_count(documents[first:last], lengths[first:last], shortest, longest, space))
        first = last
    if not parts:
        return NgramCounts(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    number = np.concatenate([[0], *(np.diff(part.starts) for part in parts)])  # of n-grams of each document
    return NgramCounts(
        np.cumsum(number),
        np.concatenate([part.ngrams for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


def _count(
    documents: Sequence[np.ndarray], lengths: np.ndarray, shortest: int, longest: int, space: int | None
) -> NgramCounts:
    document = np.repeat(np.arange(len(documents)), lengths)  # (N,)
    found = ngrams_in(np.concatenate(documents), document, shortest, longest, space=space)
    keys = [(document[starts] << _BITS) + ngrams for _, starts, ngrams in found]
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)  # (M,), (M,)
    starts = np.searchsorted(unique, np.arange(len(documents) + 1) << _BITS)
    return NgramCounts(starts, unique & ((1 << _BITS) - 1), counts.astype(np.float32))


def _count_in_parts(ids: np.ndarray, shortest: int, longest: int, space: int | None) -> NgramCounts:
    """As `_count`, of one long document `(N,)`. Each n-gram is counted in the part that it begins in."""
    uniques, counts = [], []
    for start in range(0, len(ids), _TOKENS):
        part = ids[start : start + _TOKENS + longest - 1]
        found = ngrams_in(part, np.zeros(len(part), np.int64), shortest, longest, space=space)
        begun = [ngrams[: np.searchsorted(starts, _TOKENS)] for _, starts, ngrams in found]
        of_part = np.unique(np.concatenate(begun), return_counts=True)
        uniques.append(of_part[0])
        counts.append(of_part[1])
    unique, which = np.unique(np.concatenate(uniques), return_inverse=True)  # (M,)
    sums = np.bincount(which, np.concatenate(counts), len(unique))  # (M,)
    return NgramCounts(np.array([0, len(unique)]), unique, sums.astype(np.float32))


def ngrams_in(
    ids: np.ndarray, document: np.ndarray, shortest: int, longest: int, *, space: int | None = None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each n, the places where its n-grams begin, and their hashes, both int64; as in `count_ngrams`.

    Args:
        ids: Of all documents, one after the other, `(N,)`.
        document: The document of each, `(N,)`.
        shortest: Smallest n.
        longest: Largest n.
        space: See `count_ngrams`.
    """
    spaces = np.cumsum(ids == space)  # (N,): how many there are up to each token
    shifted = ids.astype(np.uint64) + np.uint64(1)  # (N,)
    ngram = np.zeros(len(ids), np.uint64)  # of the n-gram that begins at each token
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        for n in range(1, longest + 1):
            inside = max(0, len(ids) - n + 1)
            ngram = ngram[:inside] * _NEXT + shifted[n - 1 :]
            if n < shortest:
                continue
            whole = document[:inside] == document[n - 1 :]  # n-grams that do not reach into the next document
            if n > 2:
                whole &= spaces[:inside] == spaces[n - 2 : len(ids) - 1]  # nor over a space
            starts = np.flatnonzero(whole)
            of_starts = ngram[starts]
            mixed = ((of_starts ^ (of_starts >> np.uint64(29))) * _MIXED) >> np.uint64(64 - _BITS)
            yield n, starts, mixed.astype(np.int64)
