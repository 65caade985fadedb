"""Bytes to text: UTF-8 files, read in chunks, without changing a character."""

from __future__ import annotations

import codecs
import functools
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rnnnlp.errors import UserError

logger = logging.getLogger(__name__)

BYTE_ORDER_MARK = "\ufeff"
_CHUNK_BYTES = 1 << 20


def read_text(path: Path) -> Iterator[str]:
    """Yields the text of a UTF-8 file in non-empty chunks of at most 1 MiB.

    Line ends stay as they are. A byte order mark at the start is dropped, which is logged once.

    Raises:
        UserError: If the file cannot be read, or is not UTF-8. The message names the offset of the first wrong byte.
    """
    try:
        with path.open("rb") as stream:
            yield from _decode(stream, str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path and its permissions") from error


def read_standard_input() -> Iterator[str]:
    """Yields the text of standard input, like `read_text`."""
    yield from _decode(sys.stdin.buffer, "standard input")


def _decode(stream: BinaryIO, name: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    at_start = True
    offset = 0  # number of bytes before this block
    while True:
        block = stream.read(_CHUNK_BYTES)
        pending = len(decoder.getstate()[0])  # bytes of a character that began in the last block
        try:
            chunk = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}: byte {offset - pending + error.start} is not valid UTF-8 ({error.reason}); "
                "convert the file to UTF-8 first"
            ) from error
        offset += len(block)
        if at_start and chunk:
            at_start = False
            if chunk.startswith(BYTE_ORDER_MARK):
                chunk = chunk[1:]
                _log_dropped_mark(name)
        if chunk:
            yield chunk
        if not block:
            return


@functools.cache
def _log_dropped_mark(name: str) -> None:
    """Cached, so a file that is read several times is named once."""
    logger.info("%s: byte order mark at the start dropped", name)
