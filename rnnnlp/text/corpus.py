"""Text for language models, as a stream: never whole in memory, whatever its size."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.text.characters import CODE_POINTS, code_points
from rnnnlp.text.chunks import blocks
from rnnnlp.text.sources import UNLABELLED, Part, find_source, say_unlabelled_is_left_out

_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\\": "\\"}


@dataclass(frozen=True)
class Corpus:
    """The text of each split of a source: its documents (files, or rows of a table) with `separator` between them."""

    source: str
    splits: dict[str, tuple[Part, ...]]
    text_column: str | None = None
    separator: str = "\n"

    def pieces(self, split: str) -> Iterator[str]:
        """The text of a split in pieces of any length. `UserError` for a file that cannot be read as text."""
        between = ""
        for part in self.splits[split]:
            for document in part.documents(self.text_column):
                yield between
                yield from document
                between = self.separator


def load_corpus(
    spec: str, *, text_column: str | None = None, document_separator: str | None = None, unlabelled: bool = False
) -> Corpus:
    """The corpus that `spec` names (see `find_source`): plain text, or a text column. Nothing is read yet.

    document_separator: what stands between two documents, with escapes (see `unescaped`); a line end by default.
    unlabelled: whether train has the texts without a label, too, that a labelled set may have beside its splits.
    """
    source = find_source(spec)
    splits = dict(source.splits)
    further = splits.pop(UNLABELLED, ())
    if further and unlabelled:
        splits["train"] = (*splits.get("train", ()), *further)
    else:
        say_unlabelled_is_left_out(source)
    separator = "\n" if document_separator is None else unescaped(document_separator)
    return Corpus(source.name, splits, text_column, separator)


def unescaped(text: str) -> str:
    r"""`text` with what its escapes \n, \r, \t and \\ stand for. `UserError` for any other."""

    def meaning(escape: re.Match[str]) -> str:
        if escape[0] not in _ESCAPES:
            raise UserError(
                rf"{option('document_separator')} is {text}; write a backslash as \\, besides \n, \r and \t"
            )
        return _ESCAPES[escape[0]]

    return re.sub(r"\\.?", meaning, text, flags=re.DOTALL)


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
