"""Texts as a caller of Python gives them: in any usual container, or as the parts of a corpus."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rnnnlp.errors import UserError


def as_texts(texts: Any, name: str = "texts") -> list[str]:
    """The texts in a list, tuple, array, column of pandas or `datasets`, or generator.

    Args:
        texts: The container.
        name: What the caller calls it.

    Raises:
        UserError: For one string, a table, or an item that is not a string.
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
    return [str(text) for text in found]  # those of NumPy are a class of their own


@dataclass(frozen=True)
class GivenTexts:
    """Texts of a caller as a part of a corpus."""

    texts: tuple[str, ...]
    name: str = "the given texts"

    def documents(self, text_column: str | None) -> Iterator[Iterator[str]]:
        """Each text, as a stream of chunks; there are no columns to choose from."""
        for text in self.texts:
            yield iter([text])
