"""Reads the rows of labelled files: each text with its label."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rnnnlp.errors import UserError, option
from rnnnlp.text.labels import NO_LABEL, Label, as_label, number_of
from rnnnlp.text.sources import Part, PlainText
from rnnnlp.text.tables import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledRows:
    """Texts with their labels as read.

    Attributes:
        texts: The texts.
        labels: The label of each text.
        class_names: The names of all classes, if the schema of the data has them (a `ClassLabel`).
        column: The name of the column of the labels, for messages.
    """

    texts: list[str]
    labels: list[Label]
    class_names: tuple[str, ...] | None
    column: str = ""


def read_labelled_rows(
    parts: Iterable[Part], name: str, text_column: str | None, label_column: str | None
) -> LabelledRows:
    """Reads the rows of all files or tables of a split.

    Rows without a label (null, empty, a word such as NaN; -1 in a column with a schema) are dropped, and their number
    is logged.

    Raises:
        UserError: If a part has no text column, no label column, or a label that cannot be one.
    """
    texts: list[str] = []
    labels: list[Label] = []
    found_names = set()
    without: list[str] = []  # the values that mean no label
    column = ""
    for table in parts:
        if isinstance(table, PlainText):
            raise UserError(f"{table.name} is plain text; for labels give csv, tsv, jsonl, parquet or class folders")
        of_texts, column = two_columns(table, text_column, label_column)
        names = classes_of_schema(table, column)
        found_names.add(names)
        known: dict[Any, Label | None] = {}  # of the few different values that a column has
        for text, value in table.texts_and(of_texts, column):
            kind = type(value)
            try:
                label = known[value if kind is str or kind is int else (kind, value)]  # 1, 1.0 and True are equal
            except (KeyError, TypeError):  # not seen yet, or a list
                label = label_of_file(value, names, table)
                if isinstance(value, str | int | float):
                    known[value if kind is str or kind is int else (kind, value)] = label
            if label is None:
                without.append("missing" if value in (None, "") or value != value else str(value).strip())
            else:
                texts.append(text)
                labels.append(label)
    if without:
        values = ", ".join(dict.fromkeys(without))
        log.warning("%s: %d rows without a label (%s) dropped", name, len(without), values)
    return LabelledRows(texts, labels, only(found_names, name), column)


def two_columns(table: Table, text_column: str | None, label_column: str | None) -> tuple[str, str]:
    """The columns of the texts and of the labels.

    Raises:
        UserError: If a column is missing, or one is both.
    """
    of_texts, of_labels = table.find_text_column(text_column), table.find_label_column(label_column)
    if of_texts == of_labels:
        raise UserError(
            f"{table.name}: column {of_labels!r} is taken for the texts and for the labels; name another one with "
            f"{option('text_column')} or {option('label_column')}"
        )
    return of_texts, of_labels


def classes_of_schema(table: Table, column: str) -> tuple[str, ...] | None:
    """The names of all classes, without blanks around them, if the schema of a column has them (a `ClassLabel`).

    Raises:
        UserError: If one cannot be the name of a class.
    """
    found: dict[str, None] = {}
    for name in table.class_names(column) or ():
        try:
            label = as_label(name)
            wrong = "it is empty" if label is None else "another one is the same" if label in found else ""
        except ValueError as error:
            label, wrong = None, str(error)
        if wrong:
            raise UserError(
                f"the schema of {table.name} names the class {name[:60]!r}; {wrong}: correct the schema, or choose "
                f"another column with {option('label_column')}"
            )
        found[str(label)] = None
    return tuple(found) or None


def label_of_file(value: Any, class_names: tuple[str, ...] | None, table: Table) -> Label | None:
    """A label of a file. Text that spells a number is that number, 1.0 is the integer 1, and `NO_LABEL` is missing."""
    try:
        label = as_label(value)
    except ValueError as error:
        raise UserError(
            f"{table.name} has the label {str(value)[:60]!r}; {error}: expected a name, a number, or true or false; "
            f"choose another column with {option('label_column')}"
        ) from None
    if isinstance(label, str):
        label = None if label in NO_LABEL else number_of(label)
    elif isinstance(label, float) and label.is_integer():
        label = int(label)
    if class_names is None or label is None or label in class_names:
        return label
    if label == -1:
        return None
    if isinstance(label, int) and 0 <= label < len(class_names):
        return class_names[label]
    raise UserError(
        f"{table.name} has the label {value!r}, but its schema knows only {', '.join(class_names)}; "
        "correct the rows or the schema"
    )


def only(found: set[tuple[str, ...] | None], name: str) -> tuple[str, ...] | None:
    """The class names that all files agree on; UserError where they do not."""
    if len(found) > 1:
        kinds = "; ".join(sorted(", ".join(names) if names else "none" for names in found))
        raise UserError(f"{name}: the schemas of its files name different classes ({kinds}); they must agree")
    return next(iter(found), None)
