"""Text for language models, read as a stream: memory use does not grow with the text."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.text.characters import CODE_POINTS, code_points
from rnnnlp.text.chunks import blocks
from rnnnlp.text.read_options import BYTES, ReadOptions
from rnnnlp.text.sources import ALL_SPLITS, UNLABELLED, find_source, log_unused_unlabelled
from rnnnlp.text.tokenizers import encode_text

_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\\": "\\"}


class HasDocuments(Protocol):
    """A part of a corpus: a file, a table, or the texts of a caller."""

    def documents(self, text_column: str | None) -> Iterator[Iterable[str]]:
        """Yields each document as a stream of chunks."""


@dataclass(frozen=True)
class Corpus:
    """The text of each split of a source: its documents (files, or rows of a table), joined by a separator.

    Attributes:
        source: Name of the source, as the user gave it.
        splits: The files or tables of each split.
        text_column: Name of the column with the texts of tables; None chooses a usual one.
        separator: The text between two documents.
        any_bytes: Whether the text may have bytes that are not UTF-8, as surrogates; a byte tokenizer takes them.
    """

    source: str
    splits: Mapping[str, Sequence[HasDocuments]]
    text_column: str | None = None
    separator: str = "\n"
    any_bytes: bool = False

    def chunks(self, split: str) -> Iterator[str]:
        """Yields the text of a split in chunks of any length; "all" is that of all splits.

        Raises:
            UserError: If a file cannot be read as text.
        """
        between = ""
        names = list(self.splits) if split == ALL_SPLITS else [split]
        for part in [part for name in names for part in self.splits[name]]:
            for document in part.documents(self.text_column):
                yield between
                yield from document
                between = self.separator


def load_corpus(
    spec: str,
    reading: ReadOptions | None = None,
    *,
    document_separator: str | None = None,
    unlabelled: bool = False,
) -> Corpus:
    r"""Finds a corpus. Its text is read later.

    Args:
        spec: Plain text or tables with a text column, named as for `find_source`.
        reading: How files are read.
        document_separator: The text between two documents. It may have the escapes \n, \r, \t and \\. A line end by
            default.
        unlabelled: Whether the training split also has the unlabelled texts that some labelled data sets come with.

    Raises:
        UserError: If there is no such source, or the separator has another escape.
    """
    reading = reading or ReadOptions()
    source = find_source(spec, reading)
    splits = dict(source.splits)
    further = splits.pop(UNLABELLED, ())
    if further and unlabelled:
        splits["train"] = (*splits.get("train", ()), *further)
    else:
        log_unused_unlabelled(source)
    separator = separator_of(document_separator)
    return Corpus(source.name, splits, reading.text_column, separator, reading.encoding == BYTES)


def separator_of(text: str | None) -> str:
    r"""What stands between documents: `text` with its escapes \n, \r, \t and \\ replaced, by default a line end.

    Raises:
        UserError: For other escapes.
    """

    if text is None:
        return "\n"

    def meaning(escape: re.Match[str]) -> str:
        if escape[0] not in _ESCAPES:
            raise UserError(
                rf"{option('document_separator')} is {text}; write a backslash as \\, besides \n, \r and \t"
            )
        return _ESCAPES[escape[0]]

    return re.sub(r"\\.?", meaning, text, flags=re.DOTALL)


@dataclass(frozen=True)
class Survey:
    """What one pass over a text finds.

    Attributes:
        characters: Length of the text.
        digest: SHA-256 of its UTF-8 bytes.
        first_positions: For each character of the text, the position of its first occurrence.
        blocks: A hash of each block of the text, of this process alone, by which `unchanged` recognises it.
    """

    characters: int
    digest: str
    first_positions: dict[str, int]
    blocks: tuple[int, ...]


def survey(chunks: Iterable[str], *, any_bytes: bool = False) -> Survey:
    """Reads a text once.

    Args:
        chunks: The text.
        any_bytes: Whether it may have surrogates that stand for bytes.

    Raises:
        UserError: If the text has other lone surrogates.
    """
    hasher = hashlib.sha256()
    seen = np.zeros(CODE_POINTS, bool)
    first_positions: dict[str, int] = {}
    characters = 0
    hashes = []
    for block in blocks(chunks):
        points = code_points(block, "surrogatepass" if any_bytes else "strict")
        new = np.flatnonzero(~seen.take(points, mode="clip"))
        for position in new[np.unique(points[new], return_index=True)[1]]:
            first_positions[block[position]] = characters + int(position)
        seen[points[new]] = True
        hasher.update(encode_text(block, errors="surrogateescape"))
        hashes.append(hash(block))
        characters += len(block)
    return Survey(characters, hasher.hexdigest(), first_positions, tuple(hashes))


def unchanged(chunks: Iterable[str], surveyed: Survey, source: str) -> Iterator[str]:
    """Yields a text that was surveyed before, in blocks.

    Raises:
        UserError: At the first block that is another one now.
    """
    number = 0
    for number, block in enumerate(blocks(chunks), start=1):
        if surveyed.blocks[number - 1 : number] != (hash(block),):
            break
        yield block
    else:
        if number == len(surveyed.blocks):
            return
    raise UserError(f"{source} changed while it was read; try again when nothing writes to it")
