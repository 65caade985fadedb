"""What is done with hostile inputs. A target raises UserError or nothing; AssertionError means a wrong result."""

import codecs
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.cli.options import read_toml
from rnnnlp.errors import UserError
from rnnnlp.tasks import TASKS, load_task
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import TOKENIZERS, load_corpus, load_labelled, load_plain_texts, load_tokenizer, train_tokenizer
from rnnnlp.text.corpus import survey
from rnnnlp.text.labelled_rows import read_labelled_rows
from rnnnlp.text.labels import NO_LABEL, Classes
from rnnnlp.text.sources import find_source

VOCABULARY: dict[str, dict[str, Any]] = {
    "char": {},
    "byte": {},
    "word": {"vocab_size": 50, "min_frequency": 1},
    "bpe": {"vocab_size": 300, "min_frequency": 1},
}
KNOWN = "It was the best of times, it was the worst of times. 中文！\n"


def is_whole(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def stands_for_bytes(kind: str, text: str) -> bool:
    """Whether the lone surrogates of a text stand for bytes, which the byte tokenizer reads."""
    others = "".join(c for c in text if not "\udc80" <= c <= "\udcff")
    return kind == "byte" and is_whole(others)


def refuses(action: Callable[[], Any]) -> bool:
    try:
        action()
    except UserError:
        return True
    return False


# Tokenizers.


def tokenize(kind: str, text: str, folder: Path) -> None:
    """A tokenizer trained on the text, and one trained on another text, must both give the text back."""
    import tokenizers

    if not is_whole(text):
        if stands_for_bytes(kind, text):
            return
        other = known_tokenizer(kind)
        assert refuses(lambda: other.encode(text)), "a lone surrogate was encoded"
        assert refuses(lambda: other.encode_batch([text, "a"])), "a lone surrogate was encoded in a batch"
        assert refuses(lambda: survey([text], any_bytes=kind == "byte")), "a lone surrogate was surveyed"
        return
    trained = train_tokenizer(kind, [text], **VOCABULARY[kind])
    trained.save(folder)
    opened = load_tokenizer(folder)
    assert type(opened) is TOKENIZERS[kind]
    library = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for tokenizer in (trained, known_tokenizer(kind)):
        ids = tokenizer.encode(text)
        assert ids.dtype == tokenizer.dtype
        assert not len(ids) or ids.max() < tokenizer.vocab_size
        assert np.array_equal(tokenizer.encode_batch(["", text])[1], ids), "a batch gives other ids"
        decoded = tokenizer.decode(ids)
        decoder = tokenizer.decoder()
        texts = [decoder.push(ids[:1]), decoder.push(ids[1:]), decoder.flush()]
        assert "".join(texts) == decoded, "streaming gives other text"
        unknown = tokenizer.unknown_characters(text)
        if tokenizer.unknown_id is not None:
            assert bool(unknown) == bool((ids == tokenizer.unknown_id).any()), "unknown characters are not named"
        if kind != "word" and not unknown:
            assert decoded == text, "the text does not come back"
    ids = trained.encode(text)
    assert np.array_equal(opened.encode(text), ids), "the saved tokenizer gives other ids"
    assert library.encode(text, add_special_tokens=False).ids == ids.tolist(), "the library gives other ids"


@cache
def known_tokenizer(kind: str) -> Any:
    return train_tokenizer(kind, [KNOWN], **VOCABULARY[kind])


def open_tokenizer(content: bytes, folder: Path) -> None:
    """A `tokenizer.json` must be refused or work."""
    (folder / "tokenizer.json").write_bytes(content)
    tokenizer = load_tokenizer(folder)
    tokenizer.decode(tokenizer.encode("a b"))


# Readers.

# First bytes of compressed files and archives, of parquet, and of other files that are named.
MAGIC = (b"\x1f\x8b", b"\x1f\x9d", b"BZh", b"PK", b"Rar!", b"PAR1", b"ARROW1", b"%PDF-", b"version https://git-lfs.")


def read_file(name: str, content: bytes, folder: Path) -> None:
    """Reads a data file in every way; each must read it or refuse it."""
    path = folder / name
    path.write_bytes(content)
    refuses(lambda: load_plain_texts(path))
    refuses(lambda: load_labelled(str(path)))
    refuses(lambda: sum(map(len, load_corpus(str(path)).chunks("train"))))
    if path.suffix == ".txt":
        read_plainly(path, content)


def read_plainly(path: Path, content: bytes) -> None:
    """A text file must be read unchanged except for a byte order mark, or refused if it is not UTF-8.

    What begins with the mark of UTF-16 or has the byte 0 may be UTF-16 or binary. What begins like a compressed file,
    a parquet file or a document is one.
    """
    if b"\0" in content or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, *MAGIC)):
        refuses(lambda: list(load_corpus(str(path)).chunks("train")))
        return
    try:
        wanted = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        assert refuses(lambda: list(load_corpus(str(path)).chunks("train"))), "wrong UTF-8 was read"
        return
    assert "".join(load_corpus(str(path)).chunks("train")) == wanted, "other text was read"


def read_back(name: str, content: bytes, rows: list[tuple[str, Any]], folder: Path) -> bool:
    """Rows that another program wrote must be read as they were, or refused; whether they were read."""
    path = folder / name
    path.write_bytes(content)
    try:
        read = read_labelled_rows(find_source(str(path)).splits["train"], name, "text", "label")
    except UserError:
        return False
    as_text = path.suffix in (".csv", ".tsv")
    kept = [(text, "" if value is None else str(value) if as_text else value) for text, value in rows]
    kept = [(text, value) for text, value in kept if value == value and str(value).strip() not in NO_LABEL]
    assert read.texts == [text for text, _ in kept], "other texts were read"
    with suppress(UserError):  # names and numbers
        assert len(Classes.of(read.labels, name)) <= len({str(value) for _, value in kept}), "there are new labels"
    return True


# Configuration and prompts.


def read_options(content: bytes, folder: Path) -> None:
    """Options from a TOML file must be accepted or refused by each task."""
    path = folder / "options.toml"
    path.write_bytes(content)
    values = read_toml(str(path))
    values.pop("out", None)
    for name in TASKS:
        task = load_task(name)
        refuses(lambda task=task: task.options_from({"data": "x"} | values))


@cache
def language_model(kind: str) -> CharLMNetwork:
    tokenizer = known_tokenizer(kind)
    config = CharLMConfig(vocab_size=tokenizer.vocab_size, hidden_size=5, embedding_size=3)
    return CharLMNetwork(config, tokenizer, rng=np.random.default_rng(0))


@cache
def classifier(kind: str) -> SentimentNetwork:
    tokenizer = known_tokenizer(kind)
    config = SentimentConfig(vocab_size=tokenizer.vocab_size, labels=("a", "b"), hidden_size=5, embedding_size=3)
    return SentimentNetwork(config, tokenizer, rng=np.random.default_rng(0))


def prompt(kind: str, text: str, folder: Path) -> None:
    """Any prompt must be continued and any text classified; a lone surrogate must be refused."""
    model, sentiment = language_model(kind), classifier(kind)
    if not is_whole(text):
        if stands_for_bytes(kind, text):
            return
        assert refuses(lambda: list(generate(model, text, Sampling(length=3), rng=np.random.default_rng(0))))
        assert refuses(lambda: sentiment.predict_proba([text]))
        return
    sampling = Sampling(length=5, stop=(text[:3],) if text else ())
    generated = "".join(generate(model, text, sampling, rng=np.random.default_rng(0)))
    assert is_whole(generated)
    assert not text or text[:3] not in generated, "the stop string was generated"
    p = sentiment.predict_proba([text, ""])
    assert np.isfinite(p).all()
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
