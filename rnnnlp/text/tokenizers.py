"""The interface of all tokenizers, and their file format: a `tokenizer.json` of the `tokenizers` library."""

from __future__ import annotations

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.files import TOKENIZER_LIMIT, write_atomically

UNKNOWN = "<unk>"  # the unknown symbol, in the file and in decoded text
FILE_NAME = "tokenizer.json"


class Tokenizer(ABC):
    """Turns text into ids and back.

    A tokenizer is defined by its `to_json()`, the content of a `tokenizer.json`. `tokenizers.Tokenizer.from_file` opens
    that file and gives the same ids.

    Attributes:
        kind: Its name on the command line.
        tokens: The UTF-8 bytes of each id, in order.
        separator: The bytes that `decode` puts between two tokens.
        unknown_id: The id of the unknown symbol; None if nothing is unknown.
        RULES: How a text is split before the vocabulary is looked up, as in the file; the rules of the oldest version
            first. Empty if there is nothing to split.
    """

    kind: ClassVar[str]
    RULES: ClassVar[Sequence[dict[str, Any]]] = ()
    tokens: Sequence[bytes]
    separator: bytes = b""
    unknown_id: int | None = None

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    @property
    def dtype(self) -> np.dtype:
        """The smallest of uint8, uint16 and int32 that can hold every id."""
        fitting = np.min_scalar_type(self.vocab_size - 1)
        return fitting if fitting.itemsize <= 2 else np.dtype(np.int32)

    @cached_property
    def is_word(self) -> np.ndarray:
        """Whether each id has a letter or a digit, bool `(vocab_size,)`; the unknown symbol counts as a word."""
        words = [any(map(str.isalnum, token.decode("utf-8", "replace"))) for token in self.tokens]
        if self.unknown_id is not None:
            words[self.unknown_id] = True
        return np.array(words)

    @classmethod
    @abstractmethod
    def train(cls, texts: Iterable[str], *args: Any, **options: Any) -> Self:
        """Trains a tokenizer on the vocabulary of `texts`."""

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """The ids of a text.

        Returns:
            `(tokens,)` of `self.dtype`.

        Raises:
            UserError: If the text has lone surrogates.
        """

    @abstractmethod
    def encode_batch(self, texts: Iterable[str], max_length: int | None = None) -> list[np.ndarray]:
        """The ids of each text, as by `encode`. With `max_length` they are as by `clip`.

        The middle of a long text, which `clip` would cut out, is not encoded.
        """

    @abstractmethod
    def spans(self, text: str, max_length: int | None = None) -> np.ndarray:
        """Which characters of a text each id of `encode_batch` stands for.

        Returns:
            `(tokens, 2)`: the position of its first character, and the position after its last.
        """

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. Bytes that are not valid UTF-8 become U+FFFD, the unknown symbol becomes `<unk>`."""
        return self.separator.join([self.tokens[i] for i in ids]).decode("utf-8", errors="replace")

    def decoder(self, errors: str = "replace", *, continues: bool = False) -> StreamDecoder:
        """A decoder that takes a few ids at a time.

        Args:
            errors: What becomes of bytes that are not UTF-8, as in `bytes.decode`.
            continues: Whether a token stands before the first one, so that their separator comes first.
        """
        return StreamDecoder(self.tokens, self.separator, errors, continues=continues)

    @abstractmethod
    def unknown_characters(self, text: str) -> list[str]:
        """The characters or words of `text` that are not in the vocabulary, each once, in order."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The content of the tokenizer's file."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described; `KeyError`, `TypeError` or `ValueError` for other content."""

    def save(self, folder: Path, *, sync: bool = True) -> None:
        """Writes `folder/tokenizer.json`; `sync` is whether to wait for the disk.

        Raises:
            UserError: If it has more bytes than are read again, or cannot be written.
        """
        content = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if len(content) > TOKENIZER_LIMIT:
            raise UserError(
                f"{FILE_NAME} would have {len(content)} bytes for {self.vocab_size} entries, and at most "
                f"{TOKENIZER_LIMIT} are read again; give a smaller {option('vocab_size')}, or a larger "
                f"{option('min_frequency')}"
            )
        write_atomically(Path(folder) / FILE_NAME, content, sync=sync)


class StreamDecoder:
    """Decodes ids as they come.

    The texts of all calls of `push` and of the final `flush`, joined, are `decode` of all ids, unless other `errors` or
    `continues` are given.

    Args:
        tokens: The UTF-8 bytes of each id.
        separator: The bytes between two tokens.
        errors: What becomes of bytes that are not UTF-8, as in `bytes.decode`.
        continues: Whether the separator comes first.
    """

    def __init__(
        self, tokens: Sequence[bytes], separator: bytes, errors: str = "replace", *, continues: bool = False
    ) -> None:
        self._tokens, self._separator = tokens, separator
        self._before = separator if continues else b""
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors=errors)

    def push(self, ids: Sequence[int]) -> str:
        """Takes more ids; returns the text that is complete now, without a character that still lacks bytes."""
        if len(ids) == 0:
            return ""
        text = self._utf8.decode(self._before + self._separator.join([self._tokens[i] for i in ids]))
        self._before = self._separator
        return text

    def flush(self) -> str:
        """Returns the rest at the end; `errors` decides about an incomplete character, which is U+FFFD by default."""
        return self._utf8.decode(b"", final=True)


def clip(ids: np.ndarray, max_length: int) -> np.ndarray:
    """Shortens a text to at most `max_length` ids: half of them from its beginning, the rest from its end.

    Args:
        ids: `(tokens, ...)`.
        max_length: Maximum number of ids.

    Returns:
        `(min(tokens, max_length), ...)`.
    """
    if len(ids) <= max_length:
        return ids
    head = max_length // 2
    return np.concatenate([ids[:head], ids[len(ids) - (max_length - head) :]])


def encode_text(text: str, encoding: str = "utf-8", errors: str = "strict") -> bytes:
    """The bytes of `text`. `UserError` for lone surrogates, which are not characters and have no bytes."""
    try:
        return text.encode(encoding, errors)
    except UnicodeEncodeError as error:
        raise UserError(
            f"the text holds half a character ({text[error.start]!r}); "
            "expected whole Unicode characters: remove it, or read the text as UTF-8"
        ) from error


def tokenizer_json(
    model: dict[str, Any],
    *,
    pre_tokenizer: dict[str, Any],
    decoder: dict[str, Any] | None,
    normalizer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of a `tokenizer.json` with these parts."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }


def word_level_model(words: Iterable[str]) -> dict[str, Any]:
    """The model part of a vocabulary of whole tokens. The first one is the unknown symbol."""
    return {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(words)}, "unk_token": UNKNOWN}
