"""Texts that a Python caller gives: in any usual container, or as a part of a corpus."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.text.given_tables import GivenTable, is_table, plain_column
from rnnnlp.text.labelled_rows import classes_of_schema, label_of_file, two_columns
from rnnnlp.text.labels import Label, as_labels

_LONGEST_PATH = 1024

log = logging.getLogger(__name__)


def as_texts(texts: Any, name: str = "texts", column: str | None = None) -> list[str | None]:
    """The texts in any usual container, None where one is missing (None, NaN): see `iterate_texts`."""
    return list(iterate_texts(texts, name, column))


def iterate_texts(texts: Any, name: str = "texts", column: str | None = None) -> Iterator[str | None]:
    """Yields the texts in any usual container, None where one is missing (None, NaN).

    Args:
        texts: A list, tuple, array, generator, or column of pandas, `datasets` or PyArrow; or a table: see
            `GivenTable`.
        name: The name of the argument, for messages.
        column: The column of a table that has the texts; None takes a usual one.

    Raises:
        UserError: If it is a single string or a table without such a column, or has an item that is not text.
    """
    if isinstance(texts, str | bytes):
        raise UserError(
            f"{name} is one string, {texts[:40]!r}; it must be several texts: put it into a list; if it is the name of "
            "a file, read the file first"
        )
    if isinstance(texts, set | frozenset):
        raise UserError(f"{name} is a set, which has no order; it must be texts in order: put them into a list")
    if is_table(texts):
        table = GivenTable(texts, name)
        texts = (text for (text,) in table.rows([table.find_text_column(column)]))
    texts = _flat(plain_column(texts), name)
    if not isinstance(texts, Iterable) or getattr(texts, "shape", (1,)) == ():
        raise UserError(f"{name} is {texts!r}; it must be texts, such as a list of strings")
    for index, text in enumerate(texts):
        if type(text) is str:
            yield text
        elif text is None or type(text).__name__ in ("NAType", "NaTType") or (isinstance(text, float) and text != text):
            yield None
        elif isinstance(text, os.PathLike):
            raise _paths(text, name)
        else:
            yield _as_text(text, f"{name}[{index}]")


def refuse_names_of_files(texts: Sequence[str], name: str) -> None:
    """UserError if the first texts to train on are names of files: a model would learn the names.

    Training asks, and so does what measures a language model. What a classifier says of texts must not depend on the
    files that are there.
    """
    if texts and all(map(_is_file, texts[:3])):
        raise _paths(texts[0], name)


def _paths(path: Any, name: str) -> UserError:
    """The error for paths in place of texts."""
    return UserError(
        f"{name} has paths of files, such as {str(path)[:80]}; it must be texts: read the files first, such as with "
        "pathlib.Path.read_text; a language model also takes the name of a folder or a pattern such as *.txt"
    )


def _is_file(text: str) -> bool:
    try:
        return 0 < len(text) < _LONGEST_PATH and os.path.isfile(text)
    except (OSError, ValueError):  # a null character
        return False


def _flat(texts: Any, name: str) -> Any:
    """An array `(n, 1)` as one of shape `(n,)`; anything else as it is."""
    shape = getattr(texts, "shape", ())
    if len(shape) > 1 and shape[1:] != (1,):
        raise UserError(f"{name} has the shape {tuple(shape)}; it must be texts: give the column that has them")
    return texts.ravel() if len(shape) > 1 else texts


def _as_text(text: Any, name: str) -> str:
    """A text that is a string of NumPy or bytes.

    Raises:
        UserError: If it is something else.
    """
    if isinstance(text, str):
        return str.__str__(text)
    if isinstance(text, bytes):
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise UserError(f"{name} is bytes that are not UTF-8; decode them with their encoding first") from None
    if isinstance(text, list | tuple) or getattr(text, "ndim", 0) > 0:
        raise UserError(
            f"{name} is a {type(text).__name__} of {len(text)} items; every text must be one string: join its words "
            "with spaces"
        )
    if isinstance(text, dict):
        raise UserError(f"{name} is a dict with {', '.join(map(str, text))[:80]}; give the strings of one key")
    raise UserError(
        f"{name} is {str(text)[:60]!r} ({type(text).__name__}); every text must be a string: convert it with str"
    )


def without_missing(texts: list[str | None], name: str) -> tuple[str, ...]:
    """The texts that are not missing; the number of the others is logged."""
    found = tuple(text for text in texts if text is not None)
    if len(found) < len(texts):
        log.warning("%s: %d of the %d texts are missing and left out", name, len(texts) - len(found), len(texts))
    return found


def present_texts(texts: Sequence[str | None]) -> tuple[list[str], np.ndarray]:
    """The texts that are not missing, and which rows they are, bool `(n,)`."""
    return [text for text in texts if text is not None], np.array([text is not None for text in texts], bool)


@dataclass(frozen=True)
class GivenRows:
    """Texts with labels, without the rows that lack one of them.

    Attributes:
        texts: The texts.
        labels: The label of each text.
        weights: The weight of each text, `(n,)`; None where all are equal.
        class_names: The names of all classes, if the schema of a table has them (a `ClassLabel`).
    """

    texts: list[str]
    labels: list[Label]
    weights: np.ndarray | None
    class_names: tuple[str, ...] | None = None


Columns = tuple[str | None, str | None]  # the names of those of texts and labels; None takes a usual one


def labelled_rows(
    texts: Any,
    labels: Any,
    sample_weight: Any = None,
    names: tuple[str, str] = ("texts", "labels"),
    columns: Columns = (None, None),
) -> GivenRows:
    """Texts and their labels in any usual containers; the number of rows that lack one of them is logged.

    Args:
        texts: The texts, or a table that has them.
        labels: The label of each text; None takes those of the table.
        sample_weight: The weight of each text, at least 0; None where all are equal.
        names: The names of the two arguments, for messages.
        columns: The columns of a table.

    Raises:
        UserError: If a container is none of texts or labels, or their lengths differ.
    """
    class_names = None
    if labels is None and is_table(texts):
        texts, labels, class_names = _columns_of(GivenTable(texts, names[0]), columns)
    all_texts = as_texts(texts, names[0], columns[0])
    all_labels: list[Label | None] = as_labels(labels, names[1]) if class_names is None else labels
    require_one_each(all_texts, all_labels, names[1])
    weights = None if sample_weight is None else _weights(sample_weight, all_texts)
    pairs = list(zip(all_texts, all_labels, strict=True))
    rows = [(text, label) for text, label in pairs if text is not None and label is not None]
    if len(rows) < len(pairs):
        log.warning(
            "%d of the %d rows left out: %d without a text, %d without a label",
            *(len(pairs) - len(rows), len(pairs), all_texts.count(None), all_labels.count(None)),
        )
        if weights is not None:
            weights = weights[[None not in pair for pair in pairs]]
    if weights is not None and len(weights) and not weights.any():
        raise UserError("sample_weight is 0 for every text with a label; give one of them a weight")
    return GivenRows([text for text, _ in rows], [label for _, label in rows], weights, class_names)


def _columns_of(table: GivenTable, columns: Columns) -> tuple[list[Any], list[Any], tuple[str, ...] | None]:
    """The texts and labels of a table, and the names of its classes if its schema has them."""
    of_texts, of_labels = two_columns(table, *columns)
    names = classes_of_schema(table, of_labels)
    pairs = list(table.rows((of_texts, of_labels)))
    labels = [label if names is None else label_of_file(label, names, table) for _, label in pairs]
    return [text for text, _ in pairs], labels, names


def require_one_each(texts: Sized, others: Sized, name: str) -> None:
    """UserError unless there are as many `others` as texts."""
    if len(others) != len(texts):
        raise UserError(f"there are {len(texts)} texts and {len(others)} {name}; give one for each text")


def _weights(sample_weight: Any, texts: Sized) -> np.ndarray:
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError):
        weights = np.array(np.nan)
    if weights.ndim != 1:
        raise UserError("sample_weight must be one number for each text, such as a list of numbers")
    require_one_each(texts, weights, "sample weights")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UserError("sample_weight has a value that is negative or not finite; correct it")
    return weights


@dataclass(frozen=True)
class GivenTexts:
    """Texts of a caller, as a part of a corpus.

    Attributes:
        texts: The texts.
    """

    texts: tuple[str, ...]

    def documents(self, text_column: str | None) -> Iterator[Iterator[str]]:
        """Yields each text as a stream of chunks; `text_column` is not used."""
        for text in self.texts:
            yield iter([text])
