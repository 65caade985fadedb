"""The vocabulary of a model that comes from elsewhere, as a tokenizer of this library."""

# V entries, K columns

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from rnnnlp.config import is_unicode
from rnnnlp.errors import UserError
from rnnnlp.text import CharTokenizer, Tokenizer, WordTokenizer
from rnnnlp.text.characters import CODE_POINTS
from rnnnlp.text.tokenizers import UNKNOWN

UNKNOWNS = ("<unk>", "<UNK>", "[UNK]", "<unknown>", "<oov>", "<OOV>", "UNK", "unk")
MARKER = re.compile(r"<[^<>\s]+>|\[[A-Z]+\]|UNK|unk|PAD|pad")  # an entry that stands for no text, such as <pad>
PRIVATE_USE = 0xE000  # first private-use code point; these stand for markers such as <pad>, as texts rarely have them
SHOWN = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and where its entries are in the vocabulary that it was made of.

    Attributes:
        tokenizer: The tokenizer. Its id 0 stands for what is unknown, except in one that was given.
        order: The place of each of its entries, `(V,)`; -1 for an entry that was not there.
    """

    tokenizer: Tokenizer
    order: np.ndarray

    @property
    def size(self) -> int:
        """The number of entries of the vocabulary that was given."""
        return int((self.order >= 0).sum())

    @property
    def added_unknown(self) -> bool:
        """Whether the vocabulary had no entry for what is unknown."""
        return bool(self.order[0] < 0)

    def rows(self, table: np.ndarray) -> np.ndarray:
        """The rows `(V, ...)` of the entries in the order of the tokenizer; zeros for one that was not there."""
        rows: np.ndarray = table[np.maximum(self.order, 0)]
        rows[self.order < 0] = 0
        return rows

    @classmethod
    def of(cls, given: Any, unknown: str | None = None) -> Self:
        """The vocabulary of entries in the order of their ids.

        Args:
            given: A tokenizer; a string of characters or a list of characters or words; or a dict from each to its id.
            unknown: The entry that stands for all others; by default one of UNKNOWNS, if it is there.

        Raises:
            UserError: If an entry is there twice, is not text, or ids are missing; or if `unknown` cannot be taken.
        """
        if isinstance(given, Tokenizer):
            if unknown is not None:
                raise UserError(f"unknown is {unknown!r}, and a tokenizer has its own unknown symbol; leave it out")
            return cls(given, np.arange(given.vocab_size))
        entries = entries_of(given)
        if unknown is None:
            unknown = next((name for name in UNKNOWNS if name in entries), None)
        elif unknown not in entries:
            raise UserError(f"unknown is {unknown!r}, which is not in the vocabulary; leave it out if there is none")
        rest = [entry for entry in entries if entry != unknown]
        place = {entry: i for i, entry in enumerate(entries)}
        order = [-1 if unknown is None else place[unknown], *(place[entry] for entry in rest)]
        if all(len(entry) == 1 or MARKER.fullmatch(entry) for entry in rest):
            free = (character for character in map(chr, range(PRIVATE_USE, CODE_POINTS)) if character not in place)
            characters = [entry if len(entry) == 1 else next(free) for entry in rest]
            return cls(CharTokenizer("".join(characters)), np.array(order))
        if UNKNOWN in rest:
            raise UserError(
                f"unknown is {unknown!r}, and the vocabulary also has {UNKNOWN!r}, which stands for the unknown here; "
                "leave unknown out, or rename that entry"
            )
        lowercase = not any(entry != entry.lower() for entry in rest if not MARKER.fullmatch(entry))
        tokenizer = WordTokenizer(rest, lowercase=lowercase, normalizer=None)
        say_what_is_never_found(tokenizer)
        return cls(tokenizer, np.array(order))


def entries_of(given: Any) -> list[str]:
    """The entries of a vocabulary in the order of their ids."""
    if isinstance(given, Mapping):
        if sorted(map(str, given.values())) != sorted(map(str, range(len(given)))):
            raise UserError(f"the ids of the vocabulary must be those from 0 to {len(given) - 1}, each once")
        given = sorted(given, key=lambda entry: int(given[entry]))
    if not isinstance(given, Iterable):
        raise UserError(f"the vocabulary is a {type(given).__name__}; give its characters or words in order")
    entries = list(given)
    strange = next((e for e in entries if not isinstance(e, str) or not e or not is_unicode(e)), None)
    if strange is not None or not entries:
        raise UserError(f"the vocabulary has the entry {strange!r}; each must be a character or a word")
    if len(set(entries)) < len(entries):
        twice = Counter(entries).most_common(1)[0][0]
        raise UserError(f"the vocabulary has {twice!r} twice; give each entry once, in the order of the ids")
    return entries


def say_what_is_never_found(tokenizer: WordTokenizer) -> None:
    """Logs words that this library's way to split texts never gives: there they count as unknown, or as other words."""
    words = [word for word in tokenizer.words if not MARKER.fullmatch(word)]
    encoded = tokenizer.encode_batch(words)
    never = [word for word, ids in zip(words, encoded, strict=True) if len(ids) != 1 or ids[0] == tokenizer.unknown_id]
    if never:
        shown = ", ".join(map(repr, never[:SHOWN])) + (", ..." if len(never) > SHOWN else "")
        log.warning(
            "%d of %d words of the vocabulary are never found in a text, which is split otherwise here: %s",
            *(len(never), len(words), shown),
        )
