"""Character and byte tokenizers: one id per character, one id per byte."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from rnnnlp.text.tokenizers import UNKNOWN, Tokenizer, clip, encode_text, tokenizer_json, word_level_model

CODE_POINTS = 0x110000
_BLOCK = 1 << 16  # characters
_EACH_CHARACTER = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def code_points(text: str, errors: str = "strict") -> np.ndarray:
    """The code points of a text; `errors` as for `str.encode`.

    Returns:
        `(characters,)`; uint8 if all are ASCII, or else int32.

    Raises:
        UserError: If the text has lone surrogates.
    """
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(encode_text(text, "utf-32-le", errors), np.dtype("<i4"))


class _ByCharacter(Tokenizer):
    """A tokenizer with at least one id for each character, whatever the characters beside it are."""

    def encode_batch(self, texts: Iterable[str], max_length: int | None = None) -> list[np.ndarray]:
        if max_length is None:
            return [self.encode(text) for text in texts]
        return [clip(self.encode("".join(_ends(text, max_length))), max_length) for text in texts]

    def spans(self, text: str, max_length: int | None = None) -> np.ndarray:
        if max_length is None:
            return self._spans(text)
        begin, end = _ends(text, max_length)
        spans = self._spans(begin + end)
        spans[spans[:, 0] >= len(begin)] += len(text) - len(begin) - len(end)
        return clip(spans, max_length)

    @abstractmethod
    def _spans(self, text: str) -> np.ndarray:
        """As `spans`, of the whole text."""


def _ends(text: str, length: int) -> tuple[str, str]:
    """The first and the last `length` characters of a text; all of a text that is not longer than both together."""
    if len(text) <= 2 * length:
        return text, ""
    encode_text(text)  # refuses half characters anywhere
    return text[:length], text[-length:]


class CharTokenizer(_ByCharacter):
    """One id per Unicode code point. Id 0 is the unknown symbol, id i + 1 is `characters[i]`."""

    kind = "char"
    unknown_id = 0

    def __init__(self, characters: str) -> None:
        """Makes a tokenizer from its vocabulary.

        Args:
            characters: The characters of ids 1, 2, ...

        Raises:
            ValueError: If a character occurs twice.
        """
        if len(set(characters)) != len(characters):
            raise ValueError("a character comes twice in the vocabulary")
        self.characters = characters
        self.tokens = [UNKNOWN.encode(), *(character.encode() for character in characters)]
        self._id_of = np.zeros(CODE_POINTS, self.dtype)  # unused pages of it cost no memory
        self._id_of[code_points(characters)] = np.arange(1, len(characters) + 1)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.characters,)  # the table would be most of a pickle

    @classmethod
    def train(cls, texts: Iterable[str]) -> Self:
        """A tokenizer for all characters of `texts`, in the order of their code points."""
        seen = np.zeros(CODE_POINTS, bool)
        for text in texts:
            seen[code_points(text)] = True
        return cls("".join(map(chr, np.flatnonzero(seen))))

    def encode(self, text: str) -> np.ndarray:
        ids = np.empty(len(text), self.dtype)
        for start in range(0, len(text), _BLOCK):  # in blocks: temporary arrays stay small, and in the cache
            points = code_points(text[start : start + _BLOCK])
            # "clip" skips a check that cannot fail: the table has every code point.
            self._id_of.take(points, mode="clip", out=ids[start : start + len(points)])
        return ids

    def _spans(self, text: str) -> np.ndarray:
        return np.arange(len(text))[:, None] + (0, 1)

    def unknown_characters(self, text: str) -> list[str]:
        return list(dict.fromkeys(text[i] for i in np.flatnonzero(self.encode(text) == self.unknown_id)))

    def to_json(self) -> dict[str, Any]:
        model = word_level_model([UNKNOWN, *self.characters])
        return tokenizer_json(model, pre_tokenizer=_EACH_CHARACTER, decoder={"type": "Fuse"})

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls("".join(list(content["model"]["vocab"])[1:]))


class ByteTokenizer(_ByCharacter):
    """One id per byte of the UTF-8 text: 256 ids, nothing is unknown.

    Bytes that are not UTF-8 are surrogates in a text, as Python's error handler `surrogateescape` makes them.
    """

    kind = "byte"

    def __init__(self) -> None:
        self.tokens = [bytes([i]) for i in range(256)]

    @classmethod
    def train(cls, texts: Iterable[str]) -> Self:
        """There is nothing to train; `texts` are not read."""
        return cls()

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(encode_text(text, errors="surrogateescape"), np.uint8)

    def _spans(self, text: str) -> np.ndarray:
        lengths = [len(character.encode("utf-8", "surrogateescape")) for character in text]
        return np.repeat(np.arange(len(text)), lengths)[:, None] + (0, 1)

    def unknown_characters(self, text: str) -> list[str]:
        return []

    def to_json(self) -> dict[str, Any]:
        return byte_level_json(BYTE_SYMBOLS, merges=[], pre_tokenizer=_BYTE_LEVEL)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls()


def _byte_symbols() -> list[str]:
    """The printable character that stands for each of the 256 bytes in byte-level vocabularies."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return [symbols[byte] for byte in range(256)]


BYTE_SYMBOLS = _byte_symbols()


def byte_level_json(
    tokens: Iterable[str],
    *,
    merges: list[list[str]],
    pre_tokenizer: dict[str, Any],
    normalizer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of a `tokenizer.json` whose tokens are sequences of `BYTE_SYMBOLS`."""
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": merges,
    }
    return tokenizer_json(model, pre_tokenizer=pre_tokenizer, decoder=_BYTE_LEVEL, normalizer=normalizer)
