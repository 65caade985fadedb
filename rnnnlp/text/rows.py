"""Files with one row per line as streams of lines."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from rnnnlp.errors import UserError
from rnnnlp.text.decoding import read_text
from rnnnlp.text.unpacked import LONGEST_LINE

_LOOK_AHEAD = 1 << 20  # characters


def lines_of_rows(path: Path, encoding: str | None) -> Iterator[str]:
    r"""Yields the lines of a file, each with the "\n" that ends it.

    In a file with "\r" and no "\n" in its first MiB, "\r" ends the lines, as on the first Macintosh computers.

    Raises:
        UserError: For an enormous line, which means that the file is not a table.
    """
    return lines_of_blocks(blocks_of_rows(path, encoding))


def bare_lines_of_rows(path: Path, encoding: str | None) -> Iterator[str]:
    r"""As `lines_of_rows`, without the "\n" or "\r\n" that ends each line."""
    for block in blocks_of_rows(path, encoding):
        lines = block.removesuffix("\n").split("\n")
        yield from (line.removesuffix("\r") for line in lines) if "\r" in block else lines


def lines_of_blocks(blocks: Iterable[str]) -> Iterator[str]:
    """Yields the lines of blocks of whole lines."""
    return chain.from_iterable(io.StringIO(lines, newline="\n") for lines in blocks)


def blocks_of_rows(path: Path, encoding: str | None) -> Iterator[str]:
    """Yields the lines of a file many at a time; see `lines_of_rows`."""
    rest: list[str] = []
    length = 0  # of `rest`
    for chunk in with_line_feeds(read_text(path, encoding)):
        cut = chunk.rfind("\n") + 1
        length += len(chunk) if not cut else 0
        if length > LONGEST_LINE:
            raise UserError(
                f"{path} has a line of more than {LONGEST_LINE:,} characters; expected one row per line: "
                "check the file, or split the text"
            )
        if cut:
            rest.append(chunk[:cut])
            yield "".join(rest)
            rest, length = [], len(chunk) - cut
        rest.append(chunk[cut:])
    if last := "".join(rest):
        yield last


def with_line_feeds(chunks: Iterable[str]) -> Iterator[str]:
    r"""The same chunks; with "\n" for "\r" if the first MiB has "\r" and no "\n"."""
    iterator = iter(chunks)
    first = ""
    for chunk in iterator:
        first += chunk
        if "\n" in chunk or len(first) > _LOOK_AHEAD:
            break
    if "\n" not in first and "\r" in first[:-1]:
        yield from (chunk.replace("\r", "\n") for chunk in chain([first], iterator))
    else:
        yield first
        yield from iterator
