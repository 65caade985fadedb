"""A corpus as ids: encoded once into memory-mapped files in the cache, so memory use does not grow with the text."""

import hashlib
import io
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.text.cache import cache_folder, cache_key, cached, digests_of_files
from rnnnlp.text.characters import CharTokenizer
from rnnnlp.text.chunks import line_blocks, slice_chunks
from rnnnlp.text.corpus import Corpus, Survey, survey, unchanged
from rnnnlp.text.registry import load_tokenizer, tokenizer_class
from rnnnlp.text.sources import ALL_SPLITS, SPLITS, no_such_split
from rnnnlp.text.tokenizers import Tokenizer

log = logging.getLogger(__name__)

TRAIN_SHARE = 0.9  # of the characters of a text without a validation split; the rest is for validation
_FORMAT = 2  # part of every key: increase it when the format of an entry changes
_IDS, _UNKNOWN = "ids.bin", "unknown.json"
_NAMED_UNKNOWNS = 10
_CHECKED_IDS = 1 << 20  # at a time
_SMALL = 1 << 20  # characters of a text that is encoded in memory if it need not be kept


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus as ids.

    Attributes:
        ids: For each split `(tokens,)` of `tokenizer.dtype`, read-only; of the cache a memory map.
        characters: For each split the number of characters that the ids stand for.
        tokenizer: The tokenizer of the ids.
        source: Name of the corpus, as the user gave it.
        digests: For each split the SHA-256 digest of its ids, by which the text is recognised.
        text_digest: The same of the text of all splits, as read.
    """

    ids: dict[str, np.ndarray]
    characters: dict[str, int]
    tokenizer: Tokenizer
    source: str
    digests: dict[str, str] = field(default_factory=dict)
    text_digest: str = ""


@dataclass(frozen=True)
class _Section:
    """A split: the characters `start` to `stop` of the split `within` of the source."""

    corpus: Corpus
    within: str
    surveyed: Survey
    start: int
    stop: int

    def blocks(self) -> Iterator[str]:
        """The text, in blocks; UserError if it is not the text that was surveyed."""
        chunks = unchanged(self.corpus.chunks(self.within), self.surveyed, self.corpus.source)
        return line_blocks(slice_chunks(chunks, self.start, self.stop))

    def characters(self) -> str:
        """The characters that occur before its end, each once."""
        positions = self.surveyed.first_positions
        return "".join(sorted(c for c in positions if positions[c] < self.stop))

    def key(self, **parts: Any) -> str:
        return cache_key(format=_FORMAT, text=self.surveyed.digest, start=self.start, stop=self.stop, **parts)


def encode_corpus(
    corpus: Corpus,
    tokenizer: Tokenizer | str,
    *,
    cache_dir: str | Path | None = None,
    splits: Sequence[str] | None = None,
    hold_out: bool = True,
    keep: bool = True,
    **options: Any,
) -> EncodedCorpus:
    """Encodes a corpus, or takes its ids from the cache.

    If the source has no validation split, the last tenth of the characters of train becomes that split, unless
    `hold_out` is false. Characters or words that are not in the vocabulary are logged.

    Args:
        corpus: The corpus.
        tokenizer: A tokenizer, or the kind of one ("char", "byte", "word", "bpe") to train on the training split.
        cache_dir: The folder of the cache; by default `cache_folder()`.
        splits: The splits to encode; by default all. "all" is the text of all of them as one.
        hold_out: Whether a part of train is held out for validation if the source has no such split.
        keep: Whether the ids of a small text go into the cache, too; those of a large one always do.
        options: For `train` of a tokenizer given by its kind.

    Raises:
        UserError: If a split is missing or empty, the text cannot be read, or the cache cannot be written.
    """
    folder = Path(cache_dir) if cache_dir else cache_folder()
    available = [split for split in SPLITS if split in _sources_of_splits(corpus, hold_out)]
    wanted = available if splits is None else list(splits)
    for split in wanted:
        if split not in (*available, ALL_SPLITS):
            raise no_such_split(corpus.source, split, available)
    sections = _sections(corpus, wanted if isinstance(tokenizer, Tokenizer) else ["train", *wanted], hold_out)
    if isinstance(tokenizer, str):
        tokenizer = _train(tokenizer, sections["train"], folder, options)
    encoded = {split: _encode(split, sections[split], tokenizer, folder, keep) for split in wanted}
    ids = {split: ids for split, (ids, _) in encoded.items()}
    digests = {split: digest for split, (_, digest) in encoded.items()}
    characters = {split: sections[split].stop - sections[split].start for split in wanted}
    texts = {section.within: section.surveyed.digest for split, section in sections.items() if split in wanted}
    return EncodedCorpus(ids, characters, tokenizer, corpus.source, digests, cache_key(**texts))


def training_characters(corpus: Corpus) -> str:
    """The characters that occur in the training split, each once.

    Raises:
        UserError: If there is no such split, or it cannot be read.
    """
    return _sections(corpus, ["train"], hold_out=True)["train"].characters()


def _sources_of_splits(corpus: Corpus, hold_out: bool) -> dict[str, str]:
    """For each split of the corpus, the split of the source that holds its text."""
    within = {split: split for split in (*corpus.splits, ALL_SPLITS)}
    return {"validation": "train", **within} if hold_out and "train" in within else within


def _sections(corpus: Corpus, wanted: Iterable[str], hold_out: bool) -> dict[str, _Section]:
    """The sections of the wanted splits. Each text is read once."""
    sources = _sources_of_splits(corpus, hold_out)
    surveys: dict[str, Survey] = {}
    sections = {}
    for split in dict.fromkeys(wanted):
        if (within := sources.get(split)) is None:
            there = ", ".join(found for found in sources if found != ALL_SPLITS)
            raise UserError(f"{corpus.source} has no {split} text; it has {there}: add one")
        if within not in surveys:
            surveys[within] = survey(corpus.chunks(within), any_bytes=corpus.any_bytes)
        length = surveys[within].characters
        is_cut = hold_out and within == "train" and "validation" not in corpus.splits
        cut = int(TRAIN_SHARE * length) if is_cut else length
        start, stop = (0, cut) if split == within else (cut, length)
        if start == stop:
            raise UserError(
                f"{corpus.source} has {length} characters in {within}: too few for a {split} split; give more text"
            )
        if split != within:
            log.info("%s: its last %d of %d characters are for validation", corpus.source, stop - start, length)
        sections[split] = _Section(corpus, within, surveys[within], start, stop)
    return sections


def _train(kind: str, train: _Section, folder: Path, options: dict[str, Any]) -> Tokenizer:
    """Trains a tokenizer on the training text. Those that train slowly are kept in the cache."""
    tokenizer = tokenizer_class(kind, options)
    if tokenizer is CharTokenizer:
        return CharTokenizer(train.characters())
    key = train.key(kind=kind, options=options, rules=len(tokenizer.RULES))  # other versions may have fewer
    return cached(folder, key, lambda new: tokenizer.train(train.blocks(), **options).save(new), load_tokenizer)


def _encode(split: str, section: _Section, tokenizer: Tokenizer, folder: Path, keep: bool) -> tuple[np.ndarray, str]:
    """The ids of a section, and their digest; `keep` as for `encode_corpus`."""
    if not keep and section.stop - section.start <= _SMALL:
        file = io.BytesIO()
        unknown = _write_ids(file, section, tokenizer)
        content = file.getvalue()
        ids, digest = np.frombuffer(content, tokenizer.dtype), hashlib.sha256(content).hexdigest()
    else:
        ids, digest, unknown = cached(
            folder,
            section.key(tokenizer=tokenizer.to_json()),
            lambda new: _write_entry(new, section, tokenizer),
            lambda entry: _read_entry(entry, tokenizer),
        )
    if unknown["tokens"]:
        log.warning(
            "%s, %s: %d of %d tokens are not in the vocabulary and read as unknown: %s",
            *(section.corpus.source, split, unknown["tokens"], len(ids), " ".join(map(repr, unknown["examples"]))),
        )
    return ids, digest


def _read_entry(folder: Path, tokenizer: Tokenizer) -> tuple[np.ndarray, str, dict[str, Any]]:
    """Reads what `_write_entry` wrote: the ids, their digest, and what is unknown.

    Raises:
        OSError, ValueError: If they are not of this tokenizer.
    """
    unknown = json.loads((folder / _UNKNOWN).read_bytes())
    tokens, examples = unknown["tokens"], unknown["examples"]
    if type(tokens) is not int or not all(isinstance(example, str) for example in examples):
        raise ValueError(f"{_UNKNOWN} has other values than expected")
    with (folder / _IDS).open("rb") as file:
        while len(ids := np.fromfile(file, tokenizer.dtype, _CHECKED_IDS)):
            if not 0 <= ids.min() <= ids.max() < tokenizer.vocab_size:
                raise ValueError(f"{_IDS} has ids that are not in the vocabulary")
    digest = digests_of_files(folder)[_IDS]
    if (folder / _IDS).stat().st_size == 0:  # nothing that can be mapped
        return np.empty(0, tokenizer.dtype), digest, unknown
    return np.memmap(folder / _IDS, tokenizer.dtype, "r"), digest, unknown


def _write_entry(folder: Path, section: _Section, tokenizer: Tokenizer) -> None:
    """Encodes a section into `ids.bin`; `unknown.json` gets what is unknown."""
    with (folder / _IDS).open("wb") as file:
        unknown = _write_ids(file, section, tokenizer)
    (folder / _UNKNOWN).write_text(json.dumps(unknown), encoding="utf-8")


def _write_ids(file: BinaryIO, section: _Section, tokenizer: Tokenizer) -> dict[str, Any]:
    """Encodes a section into a file. Returns the number of unknown tokens, and some examples."""
    unknown_tokens = 0
    examples: list[str] = []
    for block in section.blocks():
        ids = tokenizer.encode(block)
        file.write(ids.data)
        if tokenizer.unknown_id is not None and (count := int((ids == tokenizer.unknown_id).sum())):
            unknown_tokens += count
            if len(examples) < _NAMED_UNKNOWNS:
                examples = list(dict.fromkeys(examples + tokenizer.unknown_characters(block)))[:_NAMED_UNKNOWNS]
    return {"tokens": unknown_tokens, "examples": examples}
