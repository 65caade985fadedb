"""Labels as data sets write them (integers, names, class numbers, nothing) to class indices and class names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.text.sources import Part, PlainText
from rnnnlp.text.tables import Table

logger = logging.getLogger(__name__)

Label = int | str
_INTEGER = re.compile(r"[+-]?\d{1,18}(\.0+)?")


@dataclass(frozen=True)
class LabelledRows:
    """Texts with their labels as read.

    Attributes:
        texts: The texts.
        labels: The label of each text.
        class_names: The names of all classes, if the schema of the data has them (a `ClassLabel`).
    """

    texts: list[str]
    labels: list[Label]
    class_names: tuple[str, ...] | None


def read_labelled_rows(
    parts: Iterable[Part], name: str, text_column: str | None, label_column: str | None
) -> LabelledRows:
    """Reads the rows of all files or tables of a split.

    Rows without a label (-1, null or empty) are dropped, and their number is logged.

    Raises:
        UserError: If a part has no text column, no label column, or a label that cannot be one.
    """
    texts: list[str] = []
    labels: list[Label] = []
    found_names = set()
    unlabelled = 0
    for table in parts:
        if isinstance(table, PlainText):
            raise UserError(f"{table.name} is plain text; for labels give csv, tsv, jsonl, parquet or class folders")
        column = table.find_label_column(label_column)
        names = table.class_names(column)
        found_names.add(names)
        for text, value in table.texts_and(table.find_text_column(text_column), column):
            label = _label(value, names, table)
            if label is None:
                unlabelled += 1
            else:
                texts.append(text)
                labels.append(label)
    if unlabelled:
        logger.warning("%s: %d rows without a label (-1 or missing) dropped", name, unlabelled)
    return LabelledRows(texts, labels, _only(found_names, name))


def _label(value: Any, class_names: tuple[str, ...] | None, table: Table) -> Label | None:
    """A label in its plain form: a name, an integer, or None for no label."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value.partition(".")[0])
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, bool):
        value = str(value).lower()
    if value in (None, "", -1) or value != value:  # only NaN differs from itself
        return None
    if not isinstance(value, int | str):
        raise UserError(
            f"{table.name} has the label {value!r}, expected an integer or a name; choose with {option('label_column')}"
        )
    if class_names is None or value in class_names:
        return value
    if isinstance(value, int) and 0 <= value < len(class_names):
        return class_names[value]
    raise UserError(
        f"{table.name} has the label {value!r}, but its schema knows only {', '.join(class_names)}; "
        "mend the rows or the schema"
    )


def label_names(splits: Iterable[LabelledRows], name: str) -> tuple[str, ...]:
    """The names of all classes: those of the schema, or else the sorted labels."""
    splits = list(splits)
    of_schema = _only({rows.class_names for rows in splits}, name)
    if of_schema is not None:
        return of_schema
    labels = {label for rows in splits for label in rows.labels}
    try:
        return tuple(str(label) for label in sorted(labels))  # mixed types raise
    except TypeError as error:
        integer = min(label for label in labels if isinstance(label, int))
        word = min(label for label in labels if isinstance(label, str))
        raise UserError(f"{name} mixes numbers and names as labels ({integer}, {word!r}); use one kind") from error


def label_indices(rows: LabelledRows, names: tuple[str, ...]) -> np.ndarray:
    """The labels of the rows as indices into `names`, int64 `(rows,)`."""
    index_of = {name: index for index, name in enumerate(names)}
    return np.array([index_of[str(label)] for label in rows.labels], np.int64)


def _only(found: set[tuple[str, ...] | None], name: str) -> tuple[str, ...] | None:
    """The class names that all files agree on."""
    if len(found) > 1:
        kinds = "; ".join(sorted(", ".join(names) if names else "none" for names in found))
        raise UserError(f"{name}: the schemas of its files name different classes ({kinds}); they must agree")
    return next(iter(found), None)
