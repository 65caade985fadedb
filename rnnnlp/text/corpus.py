"""Text for language models, as a stream: never whole in memory, whatever its size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rnnnlp.text.characters import CODE_POINTS, code_points
from rnnnlp.text.pieces import blocks
from rnnnlp.text.sources import Part, find_source


@dataclass(frozen=True)
class Corpus:
    """The text of each split of a source. Texts and files of a split are joined by a line end."""

    source: str
    splits: dict[str, tuple[Part, ...]]
    text_column: str | None = None

    def pieces(self, split: str) -> Iterator[str]:
        """The text of a split in pieces of any length. `UserError` for a file that cannot be read as text."""
        for number, part in enumerate(self.splits[split]):
            if number:
                yield "\n"
            yield from part.pieces(self.text_column)


def load_corpus(spec: str, *, text_column: str | None = None) -> Corpus:
    """The corpus that `spec` names (see `find_source`): plain text, or a text column. Nothing is read yet."""
    source = find_source(spec)
    return Corpus(source.name, source.splits, text_column)


@dataclass(frozen=True)
class Survey:
    """What one pass over a text finds: its length, the SHA-256 of its UTF-8 bytes, where each character comes first."""

    characters: int
    digest: str
    first_positions: dict[str, int]


def survey(pieces: Iterable[str]) -> Survey:
    """Read a text once. `UserError` for lone surrogates."""
    hasher = hashlib.sha256()
    seen = np.zeros(CODE_POINTS, bool)
    first_positions: dict[str, int] = {}
    characters = 0
    for block in blocks(pieces):
        points = code_points(block)
        new = np.flatnonzero(~seen.take(points, mode="clip"))
        for position in new[np.unique(points[new], return_index=True)[1]]:
            first_positions[block[position]] = characters + int(position)
        seen[points[new]] = True
        hasher.update(block.encode())
        characters += len(block)
    return Survey(characters, hasher.hexdigest(), first_positions)
