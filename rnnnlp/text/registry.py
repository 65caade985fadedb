"""All tokenizers by name. Functions that train one, and load a saved one."""

import inspect
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option
from rnnnlp.files import TOKENIZER_LIMIT, open_regular
from rnnnlp.text.characters import ByteTokenizer, CharTokenizer
from rnnnlp.text.tokenizers import FILE_NAME, Tokenizer
from rnnnlp.text.words import BPETokenizer, WordTokenizer

TOKENIZERS: dict[str, type[Tokenizer]] = {
    tokenizer.kind: tokenizer for tokenizer in (CharTokenizer, ByteTokenizer, WordTokenizer, BPETokenizer)
}

_LARGE = 1 << 22  # bytes of a tokenizer.json
_OTHER_ITEMS = 100_000  # besides the vocabulary and the merges: commas may be part of a token


def tokenizer_class(kind: str, options: Iterable[str] = ()) -> type[Tokenizer]:
    """The class of a tokenizer.

    Args:
        kind: "char", "byte", "word" or "bpe".
        options: Names of options for its `train`.

    Raises:
        UserError: If the kind is unknown, or its `train` does not have one of the options.
    """
    if kind not in TOKENIZERS:
        raise UserError(f"tokenizer is {kind!r}; it must be one of {', '.join(TOKENIZERS)}")
    known = inspect.signature(TOKENIZERS[kind].train).parameters
    for name in options:
        if name not in known:
            raise UserError(f"{option(name)} has no meaning for a {kind} tokenizer; leave it out, or use word or bpe")
    return TOKENIZERS[kind]


def train_tokenizer(kind: str, texts: Iterable[str], **options: Any) -> Tokenizer:
    """Trains a tokenizer.

    Args:
        kind: "char", "byte", "word" or "bpe".
        texts: The texts whose vocabulary it learns.
        options: Options of the kind's `train`, such as `vocab_size`.

    Raises:
        UserError: If the kind is unknown, or does not have one of the options.
    """
    return tokenizer_class(kind, options).train(texts, **options)


def load_tokenizer(folder: Path, vocab_size: Callable[[], int] | None = None) -> Tokenizer:
    """Loads the tokenizer that `save` wrote into a folder.

    Args:
        folder: The folder.
        vocab_size: Gives the number of ids that it may have. It is asked if the file is large; one with more is refused
            before it takes its memory.

    Raises:
        UserError: If the file is missing, damaged, or not written by this library.
    """
    path = Path(folder) / FILE_NAME
    try:
        with open_regular(path) as file:
            raw = file.read(TOKENIZER_LIMIT)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}); expected a folder with a saved tokenizer") from error
    limit = vocab_size() if vocab_size is not None and len(raw) > _LARGE else None
    try:
        if limit is not None:
            _check_items(raw, limit)
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); restore it from a copy, or train again") from error
    for kind in TOKENIZERS.values():
        try:
            tokenizer = kind.from_json(content)
            if tokenizer.to_json() == content:
                return tokenizer
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            continue  # another kind
    raise UserError(
        f"{path} is damaged, or not written by rnnnlp: it is not a {', '.join(TOKENIZERS)} tokenizer; "
        "restore it from a copy, or train again"
    )


def _check_items(raw: bytes, vocab_size: int) -> None:
    """ValueError if a tokenizer.json has far more items than one of this size needs for its words and merges."""
    items = raw.count(b",")
    if items > 8 * vocab_size + _OTHER_ITEMS:
        raise ValueError(f"it has {items} items for a vocabulary of at most {vocab_size}")
