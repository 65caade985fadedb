"""Texts that a Python caller gives: in any usual container, or as a part of a corpus."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rnnnlp.errors import UserError

GIVEN = "(texts)"  # what a run folder calls data that Python gave


def as_texts(texts: Any, name: str = "texts") -> list[str]:
    """The texts of a list, tuple, array, generator, or column of pandas or `datasets`.

    Args:
        texts: The container.
        name: The name of the argument, for messages.

    Raises:
        UserError: If it is a single string, a table, or has an item that is not a string.
    """
    if isinstance(texts, str):
        raise UserError(f"{name} is one string, {texts[:40]!r}; it must be several texts: put it into a list")
    if isinstance(texts, dict) or hasattr(texts, "columns"):
        raise UserError(f"{name} is a {type(texts).__name__}; it must be texts: give the one column that has them")
    if not isinstance(texts, Iterable):
        raise UserError(f"{name} is {texts!r}; it must be texts, such as a list of strings")
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise UserError(
                f"{name}[{index}] is {text!r} ({type(text).__name__}); every text must be a string: "
                "remove what has no text, or convert it with str"
            )
    return [str(text) for text in found]  # NumPy has a string class of its own


@dataclass(frozen=True)
class GivenTexts:
    """Texts of a caller, as a part of a corpus.

    Attributes:
        texts: The texts.
        name: Their name in messages.
    """

    texts: tuple[str, ...]
    name: str = "the given texts"

    def documents(self, text_column: str | None) -> Iterator[Iterator[str]]:
        """Yields each text as a stream of chunks; `text_column` is not used."""
        for text in self.texts:
            yield iter([text])
