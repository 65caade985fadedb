"""Text for people: characters on which a terminal or a page would act are made visible.

Texts, labels, names of files and configurations come from others. Printed as they are, they could move the cursor,
hide text, reverse its order or begin a new line.
"""

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from unicodedata import category, east_asian_width

# C0 and C1 controls, marks and overrides of the direction of writing, line and paragraph separators, the byte order
# mark, annotations, and halves of characters. Joiners stay: emoji and the scripts of several languages need them.
_ACTING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")
_MARKUP = re.compile(r"[\\`*\[\]<>|&]")  # of Markdown and HTML
_FENCES = re.compile("`+")


def visible(text: object, *, keep: str = "") -> str:
    r"""The text on one line, with escapes such as `\n`, `\x1b` and `\u202e` for characters that would act.

    Args:
        text: The text, or anything else that `str` writes.
        keep: Characters that stay as they are.
    """
    return _ACTING.sub(lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1], str(text))


def has_acting(text: str) -> bool:
    """Whether a text has characters that `visible` replaces."""
    return _ACTING.search(text) is not None


def visible_json(text: str) -> str:
    r"""JSON with the same content, in which characters that would act are written as `\u....`; its line ends stay."""
    return _ACTING.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def markdown(text: object) -> str:
    """Text to be put into Markdown, where it is neither markup nor HTML."""
    return _MARKUP.sub(r"\\\g<0>", visible(text))


def markdown_code(text: object) -> str:
    """Text to be put into Markdown as code; it may have backticks itself."""
    line = visible(text)
    fence = "`" * (1 + max(map(len, _FENCES.findall(line)), default=0))
    blank = " " if "`" in line else ""
    return f"{fence}{blank}{line}{blank}{fence}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; its cells are written as they are."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def columns(text: str) -> int:
    """The number of columns that a text takes in a terminal."""
    return sum(0 if category(c) in ("Mn", "Me", "Cf") else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def aligned_right(text: str, width: int) -> str:
    """The text with blanks before it, which takes `width` columns or more."""
    return " " * (width - columns(text)) + text


def command_line(*words: str) -> str:
    """The words of a command as a person types them: quoted where the shell needs it."""
    if os.name != "nt":
        return shlex.join(words)
    from subprocess import list2cmdline  # here, since it takes time and few commands need it

    return list2cmdline(words)


def path_as_word(path: str | os.PathLike[str]) -> str:
    """A path that no command takes for an option."""
    path = os.fspath(path)
    return os.path.join(os.curdir, path) if path.startswith("-") else path
