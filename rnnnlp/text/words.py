"""Word-level and byte-pair-encoding (BPE) tokenizers, which learn a vocabulary. The `tokenizers` library runs them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.forks import TOKENIZERS_PARALLELISM
from rnnnlp.text.characters import BYTE_SYMBOLS, byte_level_json
from rnnnlp.text.chunks import line_blocks, lines, split_lines
from rnnnlp.text.rules import BPE_RULES, NORMALIZERS, PORTABLE, WORD_RULES, normalizer_json
from rnnnlp.text.tokenizers import UNKNOWN, Tokenizer, clip, encode_text, tokenizer_json, word_level_model

if TYPE_CHECKING:
    import tokenizers

LARGEST_VOCABULARY = 1 << 22  # the trainer of bpe takes memory for as many at once

# The library needs about 100 bytes of memory per character, and holds 256 texts at once in training.
_CALL_CHARACTERS = 1 << 20
_LONG = 1 << 16
_TRAINING_LINE = 1 << 12
_CHARACTERS_PER_TOKEN = 16  # the first guess, where only the ends of a text are encoded


class EncodedPart(NamedTuple):
    """A part of a text: its position, its characters and its ids."""

    start: int
    text: str
    ids: np.ndarray


@cache
def _start_library_threads() -> None:
    """Makes the library work without threads of its own where they cannot be started, as in a limited container."""
    import tokenizers

    trial = tokenizers.Tokenizer(tokenizers.models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    try:
        trial.encode_batch_fast(["a", "a"])
    except BaseException as error:  # a panic of Rust is not an Exception
        if type(error).__name__ != "PanicException":
            raise
        os.environ[TOKENIZERS_PARALLELISM] = "false"


class LearnedTokenizer(Tokenizer):
    """A tokenizer with a learned vocabulary, run by the `tokenizers` library.

    The library uses all cores, unless `RAYON_NUM_THREADS` or `TOKENIZERS_PARALLELISM` says otherwise. The ids do not
    depend on the number of threads.

    Args:
        lowercase: Whether letters are read in lower case.
        normalizer: "html" replaces tags by spaces and the common entities by their characters; None replaces nothing.
        rules: Which of `RULES` split a text, counted from 1; None for the newest.
    """

    def __init__(self, *, lowercase: bool, normalizer: str | None, rules: int | None) -> None:
        self.lowercase, self.normalizer = lowercase, normalizer
        self.rules = len(self.RULES) if rules is None else rules
        self._made: tokenizers.Tokenizer | None = None

    @property
    def _library(self) -> tokenizers.Tokenizer:
        if self._made is None:  # no `cached_property`: a fork could leave its lock held in the child
            import tokenizers

            self._made = tokenizers.Tokenizer.from_str(json.dumps(self.to_json()))
        return self._made

    def encode(self, text: str) -> np.ndarray:
        """The ids of `text`, `(tokens,)`. A line longer than 2**18 characters is encoded in parts."""
        if len(text) <= _LONG:
            return self._encode_whole([text])[0]
        return np.concatenate([ids for group in _groups(lines([text])) for ids in self._encode_whole(group)])

    def spans(self, text: str, max_length: int | None = None) -> np.ndarray:
        if max_length is not None and _is_long(text, max_length):
            parts = [(start, split_lines([part])) for start, part, _ in self._ends(text, max_length)]
            return clip(np.concatenate([self._spans(chunks, start) for start, chunks in parts]), max_length)
        spans = self._spans([text] if len(text) <= _LONG else lines([text]))
        return spans if max_length is None else clip(spans, max_length)

    def _spans(self, chunks: Iterable[str], begin: int = 0) -> np.ndarray:
        """The spans in a text of the tokens of some of its chunks; the first chunk is at `begin`."""
        found: list[tuple[int, int]] = []
        for chunk in chunks:
            offsets = self._library.encode(chunk, add_special_tokens=False).offsets
            found += [(begin + start, begin + stop) for start, stop in offsets]
            begin += len(chunk)
        return np.array(found, np.int64).reshape(-1, 2)

    def encode_batch(self, texts: Iterable[str], max_length: int | None = None) -> list[np.ndarray]:
        if max_length is not None:
            return self._encode_clipped(texts, max_length)
        encoded: list[np.ndarray] = []
        for group in _groups(texts):
            if len(group[-1]) <= _LONG:
                encoded += self._encode_whole(group)
            else:  # a group ends at a long text
                encoded += [*self._encode_whole(group[:-1]), self.encode(group[-1])]
        return encoded

    def _encode_clipped(self, texts: Iterable[str], max_length: int) -> list[np.ndarray]:
        texts = list(texts)
        long = {i for i, text in enumerate(texts) if _is_long(text, max_length)}
        short = iter(self.encode_batch(text for i, text in enumerate(texts) if i not in long))
        encoded = []
        for i, text in enumerate(texts):
            ids = np.concatenate([ids for _, _, ids in self._ends(text, max_length)]) if i in long else next(short)
            encoded.append(clip(ids, max_length))
        return encoded

    def _ends(self, text: str, max_length: int) -> list[EncodedPart]:
        """Parts of a text whose ids, joined, have the same `clip` as the ids of the text."""
        encode_text(text)  # refuses half characters anywhere
        blocks = list(line_blocks([text]))
        if len(blocks) == 1 and (middle := _cut_after(text, len(text) // 2)) is not None:
            blocks = [text[:middle], text[middle:]]
        first: list[EncodedPart] = []
        start, missing = 0, max_length // 2
        for block in blocks:
            if missing <= 0:
                break
            first.append(self._beginning(block, missing)._replace(start=start))
            start += len(block)
            missing -= len(first[-1].ids)
        last: list[EncodedPart] = []
        stop, missing = len(text), max_length - max_length // 2
        for block in reversed(blocks[len(first) :]):
            if missing <= 0:
                break
            part = self._end(block, missing)
            last.insert(0, part._replace(start=stop - len(part.text)))
            stop -= len(block)
            missing -= len(part.ids)
        if missing > 0 and first:  # the ends meet in the last block of `first`, which may be there in part
            block = blocks[len(first) - 1]
            if len(block) > len(first[-1].text):
                first[-1] = EncodedPart(first[-1].start, block, self._encode_block(block))
        return first + last

    def _beginning(self, block: str, number: int) -> EncodedPart:
        """A part with at least `number` ids at the beginning of a block, or the whole block."""
        size = _CHARACTERS_PER_TOKEN * number
        while (cut := _cut_after(block, size)) is not None:
            ids = self._encode_block(block[:cut])
            if len(ids) >= number:
                return EncodedPart(0, block[:cut], ids)
            size = 4 * cut
        return EncodedPart(0, block, self._encode_block(block))

    def _end(self, block: str, number: int) -> EncodedPart:
        """As `_beginning`, at the end of a block."""
        size = _CHARACTERS_PER_TOKEN * number
        while size < len(block):
            if (cut := _cut_after(block, len(block) - size)) is not None:
                ids = self._encode_block(block[cut:])
                if len(ids) >= number:
                    return EncodedPart(0, block[cut:], ids)
            size *= 4
        return EncodedPart(0, block, self._encode_block(block))

    def _encode_block(self, block: str) -> np.ndarray:
        """The ids of one of the blocks in which `encode` encodes a long text."""
        return np.concatenate([ids for group in _groups(split_lines([block])) for ids in self._encode_whole(group)])

    def _encode_whole(self, texts: list[str]) -> list[np.ndarray]:
        for text in texts:
            encode_text(text)  # refuses half characters, which some versions of the library replace silently
        _start_library_threads()
        encodings = self._library.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, self.dtype) for encoding in encodings]

    @property
    def _split(self) -> dict[str, Any]:
        return self.RULES[self.rules - 1]

    def portable(self) -> Self:
        """A tokenizer with the same ids whose file the library in JavaScript reads, if its rules can be written so."""
        if self.rules != PORTABLE - 1:
            return self
        twin = copy(self)
        twin.rules, twin._made = PORTABLE, None
        return twin

    @classmethod
    def _options_of(cls, content: dict[str, Any]) -> dict[str, Any]:
        """The options with which `to_json` gives the normalizer and the rules of `content`."""
        for rules in range(len(cls.RULES), 0, -1):
            for name, lowercase in product(NORMALIZERS, (False, True)):
                written = normalizer_json(name, lowercase, rules), cls.RULES[rules - 1]
                if written == (content["normalizer"], content["pre_tokenizer"]):
                    return {"normalizer": name, "lowercase": lowercase, "rules": rules}
        raise ValueError("this version cannot write such rules")

    @classmethod
    def _learn(cls, untrained: Self, trainer: Any, texts: Iterable[str]) -> dict[str, Any]:
        """Trains the library's tokenizer; returns the model part of its file."""
        _start_library_threads()
        untrained._library.train_from_iterator(
            (line for text in texts for line in lines([text], _TRAINING_LINE)), trainer
        )
        model: dict[str, Any] = json.loads(untrained._library.to_str())["model"]
        return model


class WordTokenizer(LearnedTokenizer):
    """One id per word or sign; in scripts without spaces between words, one id per character with its marks.

    Such scripts are Chinese, Japanese, Thai, Lao, Khmer, Burmese and others. Tibetan has one id per syllable.
    Id 0 stands for all words that are not in the vocabulary. Spaces are not encoded: `decode` puts one between any two
    tokens.
    """

    kind = "word"
    separator = b" "
    unknown_id = 0
    RULES = WORD_RULES

    def __init__(
        self,
        words: Sequence[str],
        *,
        lowercase: bool = True,
        normalizer: str | None = "html",
        rules: int | None = None,
    ) -> None:
        """Makes a tokenizer from its vocabulary.

        Args:
            words: The words of ids 1, 2, ...
            lowercase: Whether letters are read in lower case.
            normalizer: "html" or None, as for `train`.
            rules: Which of `RULES` split a text, counted from 1; None for the newest.
        """
        super().__init__(lowercase=lowercase, normalizer=normalizer, rules=rules)
        self.words = list(words)
        self.tokens = [UNKNOWN.encode(), *(word.encode() for word in self.words)]

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int = 30_000,
        min_frequency: int = 2,
        lowercase: bool = True,
        normalizer: str | None = "html",
        rules: int | None = None,
    ) -> Self:
        """Trains a tokenizer on the most frequent words of texts.

        Args:
            texts: The training texts.
            vocab_size: Maximum number of ids, including the unknown symbol.
            min_frequency: Words that occur less often are not in the vocabulary.
            lowercase: Whether letters are read in lower case.
            normalizer: "html" replaces tags by spaces and the common entities by their characters; None replaces
                nothing.
            rules: Which of `RULES` split a text, counted from 1; None for the newest.

        Raises:
            UserError: If `vocab_size` is too small, or the normalizer is unknown.
        """
        from tokenizers.trainers import WordLevelTrainer

        _check_at_least("vocab_size", vocab_size, 2)
        untrained = cls([], lowercase=lowercase, normalizer=normalizer, rules=rules)
        trainer = WordLevelTrainer(vocab_size=vocab_size - 1, min_frequency=min_frequency, show_progress=False)
        vocabulary = cls._learn(untrained, trainer, texts)["vocab"]
        return cls(_in_order(vocabulary), lowercase=lowercase, normalizer=normalizer, rules=rules)

    def extended(self, texts: Iterable[str], *, vocab_size: int | None = None, min_frequency: int = 2) -> Self:
        """A tokenizer with the same ids, and more ids for frequent words of other texts that this one lacks.

        Args:
            texts: The other texts.
            vocab_size: Maximum number of ids, including those of this tokenizer. None adds the words that a tokenizer
                trained on the texts would have by default.
            min_frequency: Words that occur less often are not added.
        """
        options: dict[str, Any] = {"lowercase": self.lowercase, "normalizer": self.normalizer, "rules": self.rules}
        if vocab_size is not None:
            options["vocab_size"] = LARGEST_VOCABULARY  # so that only the sum of both is limited
        of_texts = type(self).train(texts, min_frequency=min_frequency, **options)
        options.pop("vocab_size", None)
        known = set(self.words)
        new = [word for word in of_texts.words if word not in known]
        most = len(new) if vocab_size is None else max(0, vocab_size - self.vocab_size)
        return type(self)([*self.words, *new[:most]], **options)

    def unknown_characters(self, text: str) -> list[str]:
        encoding = self._library.encode(text, add_special_tokens=False)
        spans = (span for i, span in zip(encoding.ids, encoding.offsets, strict=True) if i == self.unknown_id)
        return list(dict.fromkeys(text[start:stop] for start, stop in spans))

    def to_json(self) -> dict[str, Any]:
        return tokenizer_json(
            word_level_model([UNKNOWN, *self.words]),
            normalizer=normalizer_json(self.normalizer, self.lowercase, self.rules),
            pre_tokenizer=self._split,
            decoder=None,
        )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        return cls(_in_order(content["model"]["vocab"])[1:], **cls._options_of(content))


class BPETokenizer(LearnedTokenizer):
    """Byte-pair encoding of UTF-8 bytes (Sennrich et al. 2016): subwords; none is unknown.

    Without a normalizer and lower case, decoding gives back the text exactly.
    """

    kind = "bpe"
    RULES = BPE_RULES

    def __init__(
        self,
        symbols: Sequence[str],
        merges: Sequence[tuple[str, str]],
        *,
        lowercase: bool = False,
        normalizer: str | None = None,
        rules: int | None = None,
    ) -> None:
        """Makes a tokenizer from its vocabulary, written as in the file.

        Args:
            symbols: The subwords in the order of their ids.
            merges: The pairs of subwords that are joined, in order.
            lowercase: Whether letters are read in lower case.
            normalizer: "html" or None, as for `WordTokenizer.train`.
            rules: Which of `RULES` split a text, counted from 1; None for the newest.
        """
        super().__init__(lowercase=lowercase, normalizer=normalizer, rules=rules)
        self.symbols, self.merges = list(symbols), list(merges)
        byte_of = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
        self.tokens = [bytes(byte_of[character] for character in symbol) for symbol in self.symbols]

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int = 8_192,
        min_frequency: int = 2,
        lowercase: bool = False,
        normalizer: str | None = None,
    ) -> Self:
        """Trains a tokenizer that joins the most frequent pairs of subwords.

        Args:
            texts: The training texts.
            vocab_size: Maximum number of ids, at least 256.
            min_frequency: Pairs that occur less often are not joined.
            lowercase: Whether letters are read in lower case.
            normalizer: "html" or None, as for `WordTokenizer.train`.

        Raises:
            UserError: If `vocab_size` is too small, or the normalizer is unknown.
        """
        from tokenizers.trainers import BpeTrainer

        _check_at_least("vocab_size", vocab_size, len(BYTE_SYMBOLS))
        untrained = cls([], [], lowercase=lowercase, normalizer=normalizer)
        trainer = BpeTrainer(
            vocab_size=vocab_size, min_frequency=min_frequency, initial_alphabet=BYTE_SYMBOLS, show_progress=False
        )
        model = cls._learn(untrained, trainer, texts)
        merges = [(left, right) for left, right in model["merges"]]
        return cls(_in_order(model["vocab"]), merges, lowercase=lowercase, normalizer=normalizer)

    def unknown_characters(self, text: str) -> list[str]:
        return []

    def to_json(self) -> dict[str, Any]:
        return byte_level_json(
            self.symbols,
            merges=[list(merge) for merge in self.merges],
            normalizer=normalizer_json(self.normalizer, self.lowercase, self.rules),
            pre_tokenizer=self._split,
        )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        symbols = _in_order(content["model"]["vocab"])
        merges = [(left, right) for left, right in content["model"]["merges"]]
        known = set(symbols)
        if not known >= {*BYTE_SYMBOLS, *(symbol for merge in merges for symbol in (*merge, "".join(merge)))}:
            raise ValueError("a byte, or a part or the result of a merge, is not in the vocabulary")
        return cls(symbols, merges, **cls._options_of(content))


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yields lists of texts with about `_CALL_CHARACTERS` characters in total. A long text is the last of its list."""
    group: list[str] = []
    size = 0
    for text in texts:
        group.append(text)
        size += len(text)
        if size >= _CALL_CHARACTERS or len(text) > _LONG:
            yield group
            group, size = [], 0
    if group:
        yield group


def _is_long(text: str, max_length: int) -> bool:
    """Whether it is worth while to encode only the ends of a text."""
    return len(text) > max(_LONG // 4, 4 * _CHARACTERS_PER_TOKEN * max_length)


_SPACE_OR_LINE_END = re.compile("[ \n]")
_OPEN_TAG = re.compile(r"<(?:/?[^\W\d_]|!--)[^<>\n]*")


def _cut_after(text: str, position: int) -> int | None:
    """The first place from `position` on, but before the end, where a text may be cut without changing its ids.

    It is after a line end, or before a single space between two words: no pattern of the tokenizers matches across it,
    except for tags.
    """
    while found := _SPACE_OR_LINE_END.search(text, position):
        cut = found.start()
        position = found.end()
        if text[cut] == "\n":
            cut += 1
        elif not (text[cut - 1 : cut].isalnum() and text[cut + 1 : cut + 2].isalnum()):
            continue
        opened = text.rfind("<", 0, cut)
        tag = _OPEN_TAG.match(text, opened) if opened >= 0 else None
        if tag is None or tag.end() < cut:
            return cut if cut < len(text) else None
        position = tag.end()
    return None


def _in_order(vocabulary: dict[str, int]) -> list[str]:
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(f"{name} is {value}; it must be at least {least}")
