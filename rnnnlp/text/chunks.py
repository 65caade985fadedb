"""Text as a stream: pieces of any length that, joined, are the text. Ways to cut such a stream elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCK = 1 << 18  # characters


def split_lines(pieces: Iterable[str]) -> Iterator[str]:
    r"""Cut text at "\n" and nowhere else (not at "\r", U+0085 or U+2028). Lines keep their "\n", if they have one."""
    rest: list[str] = []
    for piece in pieces:
        first, *others = piece.split("\n")
        rest.append(first)
        if others:
            yield "".join(rest) + "\n"
            yield from (line + "\n" for line in others[:-1])
            rest = [others[-1]]
    last = "".join(rest)
    if last:
        yield last


def blocks(pieces: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    """The same text in blocks of exactly `size` characters; only the last is shorter."""
    waiting: list[str] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= size:
            text = "".join(waiting)
            whole = length - length % size
            yield from (text[start : start + size] for start in range(0, whole, size))
            waiting, length = [text[whole:]], length - whole
    if length:
        yield "".join(waiting)


def line_blocks(pieces: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    r"""The same text in blocks of at most `2 * size` characters that end after a "\n".

    Where `size` characters have no "\n", the block ends before a space, or at the worst between any two characters.
    """
    rest = ""
    for block in blocks(pieces, size):
        cut = block.rfind("\n") + 1
        if not cut and len(block) == size:
            cut = block.rfind(" ")
            cut = cut if cut > 0 else size
        if cut:
            yield rest + block[:cut]
            rest = ""
        rest += block[cut:]
    if rest:
        yield rest


def lines(pieces: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    """As `split_lines`, with lines that are longer than `size` characters cut as by `line_blocks`."""
    for block in line_blocks(pieces, size):
        yield from split_lines([block])


def stretch(pieces: Iterable[str], start: int, stop: int) -> Iterator[str]:
    """The characters `start` to `stop` (not included) of a text, in pieces."""
    position = 0
    for piece in pieces:
        if position >= stop:
            return
        wanted = piece[max(start - position, 0) : stop - position]
        position += len(piece)
        if wanted:
            yield wanted
