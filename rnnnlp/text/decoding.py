"""Bytes to text: files in UTF-8 or another encoding, read in chunks, without changing a character."""

import codecs
import functools
import io
import logging
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rnnnlp.errors import UserError, option
from rnnnlp.text.charsets import (
    SAMPLE,
    is_binary,
    is_mostly_controls,
    larger_encoding,
    likely_encoding,
    marked_encoding,
    unmarked_utf16,
)
from rnnnlp.text.read_options import BYTES
from rnnnlp.text.unpacked import refuse_compressed, unpacked

log = logging.getLogger(__name__)

BYTE_ORDER_MARK = "\ufeff"
CHUNK_BYTES = 1 << 17  # fits into a cache of the processor
PAUSE = 0.02  # seconds without input after which a stream is taken to pause


def read_text(path: str | Path, encoding: str | None = None) -> Iterator[str]:
    """Yields the text of a file in non-empty chunks of at most 128 KiB. A compressed file is unpacked.

    Line ends stay as they are. A byte order mark at the start is dropped, which is logged once.

    Args:
        path: The file.
        encoding: Its encoding; None for UTF-8, or UTF-16 or UTF-32 where the first bytes say so. `BYTES` for any bytes.

    Raises:
        UserError: If the file cannot be read, or has another encoding. The message names the offset of the first wrong
            byte and the encoding that it may have.
    """
    with unpacked(path, as_it_is=encoding == BYTES) as (stream, _):
        yield from _decode(stream, str(path), encoding)


def read_standard_input(encoding: str | None = None) -> Iterator[str]:
    """Yields the text of standard input, like `read_text`; also "" where it pauses, as a terminal or a service does."""
    if sys.stdin is None:
        raise UserError("there is no standard input; give the texts, or a file of them")
    stream: Any = sys.stdin.buffer
    name = "standard input"
    block = stream.read1(CHUNK_BYTES)  # what is there, without waiting for more
    refuse_compressed(block, name)
    decode = _Decoder(name, encoding, block)
    while block:
        yield from decode(block)
        if not _has_more(stream):
            yield ""
        block = stream.read1(CHUNK_BYTES)
    yield from decode(b"", final=True)


def _has_more(stream: Any) -> bool:
    """Whether there is more to read now, or soon; True where that cannot be told of a file."""
    try:
        return bool(select.select([stream], [], [], PAUSE)[0])
    except (OSError, ValueError):  # a stream in memory; on Windows any
        return isinstance(stream, io.BytesIO)


def _decode(stream: IO[bytes], name: str, encoding: str | None) -> Iterator[str]:
    block = stream.read(CHUNK_BYTES)
    decode = _Decoder(name, encoding, block)
    while True:
        final = len(block) < CHUNK_BYTES
        yield from decode(block, final=final)
        if final:
            return
        block = stream.read(CHUNK_BYTES)


class _Decoder:
    """Decodes a stream block by block.

    Args:
        name: The name of the stream in messages.
        encoding: As for `read_text`.
        head: The first block.
    """

    def __init__(self, name: str, encoding: str | None, head: bytes):
        self._name, self._encoding = name, encoding or _encoding_of(head, name)
        errors = "surrogateescape" if encoding == BYTES else "strict"
        self._decoder = codecs.getincrementaldecoder("utf-8" if encoding == BYTES else self._encoding)(errors)
        self._at_start = True
        self._offset = 0  # number of bytes before the next block
        self._before = b""  # the block before that one

    def __call__(self, block: bytes, *, final: bool = False) -> Iterator[str]:
        """Yields the text of the next block, if it has any; `final` is whether it is the last one."""
        pending = self._decoder.getstate()[0]  # bytes of a character that began in the last block
        try:
            chunk = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            if not block and self._before.endswith(pending):  # what stands before it tells the encoding
                ahead = len(self._before) - len(pending)
                where = (error.start + ahead, error.end + ahead)
                error = UnicodeDecodeError(error.encoding, self._before, *where, error.reason)
                pending = self._before
            raise _wrong(self._name, self._encoding, self._offset - len(pending), error, final) from error
        except UnicodeError as error:  # UTF-16 and UTF-32 without their mark
            raise UserError(
                f"{self._name} does not begin with the byte order mark of {self._encoding}; give another "
                f"{option('encoding')}, such as utf-16-le"
            ) from error
        self._offset, self._before = self._offset + len(block), block
        if self._at_start and chunk:
            self._at_start = False
            if chunk.startswith(BYTE_ORDER_MARK):
                chunk = chunk[1:]
                _log_once(f"{self._name}: byte order mark at the start dropped")
        if chunk:
            yield chunk


def _encoding_of(head: bytes, name: str) -> str:
    """The encoding that the first bytes of a file name or show; UTF-8 if they do not."""
    encoding = marked_encoding(head)
    if encoding is None and b"\0" in head[:SAMPLE]:
        encoding = unmarked_utf16(head)
        if encoding is None and is_mostly_controls(head[:SAMPLE]):
            raise _binary(name)
    if encoding not in (None, "utf-8"):
        _log_once(f"{name}: read as {encoding.upper()}, as its first bytes show")
    return encoding or "utf-8"


def _wrong(name: str, encoding: str, before: int, error: UnicodeDecodeError, final: bool) -> UserError:
    """The error for bytes that do not decode.

    Args:
        name: The name of the file.
        encoding: That of the decoder.
        before: The number of bytes of the file before those of the error.
        error: What the decoder says, and the bytes that it had.
        final: Whether these are the last bytes of the file.
    """
    where = f"{name}: byte {before + error.start}"
    if encoding != "utf-8":
        guess = larger_encoding(encoding, error.object[error.start :])
        remedy = (
            f"it may be {guess}: give {option('encoding')} {guess}" if guess else f"give another {option('encoding')}"
        )
        return UserError(f"{where} is not valid {encoding.upper()} ({error.reason}); {remedy}")
    sample = error.object[max(0, error.start - SAMPLE // 2) : error.start + SAMPLE // 2]
    sample = sample[sample.find(b"\n") + 1 :] if error.start > SAMPLE // 2 else sample
    if final and error.end == len(error.object) and not error.object[: error.start].isascii():
        return UserError(f"{where} begins a character that is cut off; copy the file again, or remove its end")
    guess = unmarked_utf16(sample, 0.02)
    if guess is None and is_binary(sample):
        return _binary(name)
    guess = guess or likely_encoding(sample)
    remedy = f"it may be {guess}: give {option('encoding')} {guess}" if guess else f"give its {option('encoding')}"
    return UserError(f"{where} is not valid UTF-8 ({error.reason}); {remedy}, or convert the file to UTF-8 first")


def _binary(name: str) -> UserError:
    return UserError(
        f"{name} is a binary file; expected text: give another file, or train a character model on its bytes with "
        f"{option('tokenizer')} byte"
    )


@functools.lru_cache(maxsize=1000)
def _log_once(message: str) -> None:
    """Cached, so a file that is read several times is named once."""
    log.info("%s", message)
