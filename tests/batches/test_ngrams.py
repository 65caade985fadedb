"""Sparse counts of n-grams, against counting them one by one."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rnnnlp.batches import ngrams
from rnnnlp.batches.ngrams import count_ngrams, ngrams_in


def counted(text: list[int], shortest: int, longest: int, space: int | None = None) -> list[int]:
    found = Counter(
        tuple(text[i : i + n])
        for n in range(shortest, longest + 1)
        for i in range(len(text) - n + 1)
        if space not in text[i + 1 : i + n - 1]
    )
    return sorted(found.values())


@pytest.mark.parametrize("chunk", [1, 4, 1 << 22])
def test_every_ngram_of_a_document_is_counted(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(ngrams, "_TOKENS", chunk)
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 4, length).astype(np.uint16) for length in (0, 1, 2, 7, 0, 30, 3)]
    for shortest, longest, space in ((1, 1, None), (1, 3, None), (2, 5, 0), (2, 5, None)):
        found = count_ngrams(documents, shortest, longest, space=space)
        assert found.starts[0] == 0
        assert len(found.starts) == len(documents) + 1
        for i, document in enumerate(documents):
            rows = slice(found.starts[i], found.starts[i + 1])
            assert sorted(found.counts[rows]) == counted(document.tolist(), shortest, longest, space)
            assert (np.diff(found.ngrams[rows]) > 0).all()


def test_a_long_document_is_counted_in_parts_with_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [np.random.default_rng(0).integers(0, 3, length) for length in (3, 50, 7, 8, 1)]
    whole = count_ngrams(documents, 2, 5, space=0)
    lengths = []

    def of_part(ids: np.ndarray, *given: Any, **options: Any) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        lengths.append(len(ids))
        return ngrams_in(ids, *given, **options)

    monkeypatch.setattr(ngrams, "_TOKENS", 7)
    monkeypatch.setattr(ngrams, "ngrams_in", of_part)
    in_parts = count_ngrams(documents, 2, 5, space=0)
    assert max(lengths) == 7 + 4
    for found, expected in zip(in_parts, whole, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_equal_ngrams_have_equal_hashes_wherever_they_are() -> None:
    found = count_ngrams([np.array([5, 6, 7]), np.array([1, 5, 6]), np.array([6, 5])], 2, 2)
    (a, b), (c, d), (e,) = (set(found.ngrams[found.starts[i] : found.starts[i + 1]].tolist()) for i in range(3))
    assert len({a, b} & {c, d}) == 1  # 5 6
    assert e not in {a, b, c, d}  # 6 5


def test_there_may_be_no_documents_and_none_that_is_known() -> None:
    assert count_ngrams([], 1, 3).starts.tolist() == [0]
    found = count_ngrams([np.array([1, 2, 1])], 1, 2)
    assert found.of(np.zeros(0, np.int64)).starts.tolist() == [0, 0]
    vocabulary = np.unique(found.ngrams)[1:]
    known = found.of(vocabulary)
    assert known.starts.tolist() == [0, len(vocabulary)]
    np.testing.assert_array_equal(vocabulary[known.ngrams], found.ngrams[found.ngrams >= vocabulary[0]])


def test_hashes_do_not_change() -> None:
    """Saved models hold them."""
    found = count_ngrams([np.array([0, 1, 2])], 1, 3)
    assert found.ngrams.tolist() == HASHES


HASHES = [2926578902768, 5960875793544, 9121164333872, 11944838237387, 14306207980204, 14768512140901]


def test_documents_that_are_counted_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [np.random.default_rng(k).integers(0, 3, 4) for k in range(5)]
    whole, numbers, count = count_ngrams(documents, 1, 2), [], ngrams._count

    def counted_together(documents: list[np.ndarray], *given: Any) -> ngrams.NgramCounts:
        numbers.append(len(documents))
        return count(documents, *given)

    monkeypatch.setattr(ngrams, "_DOCUMENTS", 2)
    monkeypatch.setattr(ngrams, "_count", counted_together)
    for found, expected in zip(count_ngrams(documents, 1, 2), whole, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert numbers == [2, 2, 1]
