"""Bytes to text: UTF-8 read in pieces, exactly as it stands in the file."""

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
_PIECE_BYTES = 1 << 20


def read_text(path: Path) -> Iterator[str]:
    """Yield the text of a UTF-8 file in non-empty pieces of at most 1 MiB, no character changed.

    Line ends stay as they are. A byte order mark at the start is dropped, which is said once.
    `UserError` if the file cannot be read, or is not UTF-8 (with the offset of the first wrong byte).
    """
    try:
        with path.open("rb") as stream:
            yield from _decode(stream, str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; check the path and its permissions") from error


def read_standard_input() -> Iterator[str]:
    """Yield the text of standard input, under the rules of `read_text`."""
    yield from _decode(sys.stdin.buffer, "standard input")


def _decode(stream: BinaryIO, name: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    at_start = True
    offset = 0  # bytes read before this block
    while True:
        block = stream.read(_PIECE_BYTES)
        pending = len(decoder.getstate()[0])  # bytes of a character that the last block cut
        try:
            piece = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            raise UserError(
                f"{name}: byte {offset - pending + error.start} is not valid UTF-8 ({error.reason}); "
                "convert the file to UTF-8 first"
            ) from error
        offset += len(block)
        if at_start and piece:
            at_start = False
            if piece.startswith(BYTE_ORDER_MARK):
                piece = piece[1:]
                _say_mark_dropped(name)
        if piece:
            yield piece
        if not block:
            return


@functools.cache
def _say_mark_dropped(name: str) -> None:
    """Cached, so that a file that is read several times is named once."""
    logger.info("%s: byte order mark at the start dropped", name)
