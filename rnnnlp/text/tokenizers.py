"""What every tokenizer can do, and the file format they share: a `tokenizer.json` of the `tokenizers` library."""

from __future__ import annotations

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from rnnnlp.errors import UserError

UNKNOWN = "<unk>"  # how the unknown symbol is written, in the file and in decoded text
FILE_NAME = "tokenizer.json"


class Tokenizer(ABC):
    """Turns text into ids and back.

    A tokenizer is defined by its `to_json()`: the content of a `tokenizer.json` that `tokenizers.Tokenizer.from_file`
    opens and that gives the same ids there.

    Attributes: `kind`, its name on the command line; `tokens`, the UTF-8 bytes of each id in order; `separator`, the
    bytes that `decode` puts between two tokens; `unknown_id`, the id of the unknown symbol, None where nothing is
    unknown.
    """

    kind: ClassVar[str]
    tokens: Sequence[bytes]
    separator: bytes = b""
    unknown_id: int | None = None

    @property
    def vocab_size(self) -> int:
        return len(self.tokens)

    @property
    def dtype(self) -> np.dtype:
        """The smallest of uint8, uint16 and int32 that holds every id."""
        fitting = np.min_scalar_type(self.vocab_size - 1)
        return fitting if fitting.itemsize <= 2 else np.dtype(np.int32)

    @classmethod
    @abstractmethod
    def train(cls, texts: Iterable[str], *args: Any, **options: Any) -> Self:
        """A tokenizer with the vocabulary of `texts`."""

    @abstractmethod
    def encode(self, text: str) -> np.ndarray:
        """The ids of `text`: `(tokens,)` of `self.dtype`. `UserError` for text with lone surrogates."""

    def encode_batch(self, texts: Iterable[str]) -> list[np.ndarray]:
        """The ids of each text, as `encode` gives them."""
        return [self.encode(text) for text in texts]

    @abstractmethod
    def spans(self, text: str) -> np.ndarray:
        """The characters of `text` for which each id of `encode` stands: `(tokens, 2)`, the first, and that after."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. Bytes that are not valid UTF-8 become U+FFFD, the unknown symbol becomes `<unk>`."""
        return self.separator.join([self.tokens[i] for i in ids]).decode("utf-8", errors="replace")

    def decoder(self) -> StreamDecoder:
        """A decoder that is given some ids at a time."""
        return StreamDecoder(self.tokens, self.separator)

    @abstractmethod
    def unknown_characters(self, text: str) -> list[str]:
        """What in `text` only the unknown symbol can stand for, each once, in order: characters, or words."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The content of the tokenizer's file."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The tokenizer that `to_json` described; `KeyError`, `TypeError` or `ValueError` if it did not."""

    def save(self, folder: Path) -> None:
        """Write `folder/tokenizer.json`."""
        content = json.dumps(self.to_json(), ensure_ascii=False, indent=1)
        (Path(folder) / FILE_NAME).write_text(content + "\n", encoding="utf-8", newline="")


class StreamDecoder:
    """Decodes ids as they come: the texts of all `push`es and of the final `flush` join to `decode` of all ids."""

    def __init__(self, tokens: Sequence[bytes], separator: bytes) -> None:
        self._tokens, self._separator = tokens, separator
        self._before = b""
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, ids: Sequence[int]) -> str:
        """Take some more ids; return the text that is complete now, without characters that still lack bytes."""
        if len(ids) == 0:
            return ""
        text = self._utf8.decode(self._before + self._separator.join([self._tokens[i] for i in ids]))
        self._before = self._separator
        return text

    def flush(self) -> str:
        """Return what is left at the end: U+FFFD for a character that never became complete."""
        return self._utf8.decode(b"", final=True)


def encode_text(text: str, encoding: str = "utf-8") -> bytes:
    """The bytes of `text`; `UserError` for lone surrogates, which are no characters and have no bytes."""
    try:
        return text.encode(encoding)
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
    """The model part for a vocabulary of whole pieces, the first of which stands for all that are not in it."""
    return {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(words)}, "unk_token": UNKNOWN}
