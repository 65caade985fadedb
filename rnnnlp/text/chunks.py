"""Text as a stream of chunks: strings of any length that, joined, are the text. Functions that cut it elsewhere."""

from collections.abc import Iterable, Iterator

BLOCK = 1 << 18  # characters


def split_lines(chunks: Iterable[str]) -> Iterator[str]:
    r"""Yields the lines of a text, each with the "\n" that ends it.

    Lines end at "\n" and nowhere else: not at "\r", U+0085 or U+2028.
    """
    rest: list[str] = []
    for chunk in chunks:
        first, *others = chunk.split("\n")
        rest.append(first)
        if others:
            yield "".join(rest) + "\n"
            yield from (line + "\n" for line in others[:-1])
            rest = [others[-1]]
    last = "".join(rest)
    if last:
        yield last


def blocks(chunks: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    """Yields the text in blocks of exactly `size` characters; only the last block is shorter."""
    waiting: list[str] = []
    length = 0
    for chunk in chunks:
        waiting.append(chunk)
        length += len(chunk)
        if length >= size:
            text = "".join(waiting)
            whole = length - length % size
            yield from (text[start : start + size] for start in range(0, whole, size))
            waiting, length = [text[whole:]], length - whole
    if length:
        yield "".join(waiting)


def line_blocks(chunks: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    r"""Yields the text in blocks of at most `2 * size` characters that end after a "\n".

    If `size` characters have no "\n", the block ends before a space. Without a space, it ends anywhere.
    """
    rest = ""
    for block in blocks(chunks, size):
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


def lines(chunks: Iterable[str], size: int = BLOCK) -> Iterator[str]:
    """Like `split_lines`, but lines longer than `size` characters are cut as by `line_blocks`."""
    for block in line_blocks(chunks, size):
        yield from split_lines([block])


def slice_chunks(chunks: Iterable[str], start: int, stop: int) -> Iterator[str]:
    """Yields the characters `start` to `stop` (exclusive) of a text, in chunks."""
    position = 0
    for chunk in chunks:
        if position >= stop:
            return
        wanted = chunk[max(start - position, 0) : stop - position]
        position += len(chunk)
        if wanted:
            yield wanted
