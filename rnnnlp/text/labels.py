"""Labels: what counts as one in Python and in files, and the classes of a data set."""

import logging
import math
import numbers
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import repeat
from typing import Any, Self

import numpy as np

from rnnnlp.config import is_unicode
from rnnnlp.display import has_acting
from rnnnlp.errors import UserError
from rnnnlp.text.given_tables import plain_column, refuse_lazy

log = logging.getLogger(__name__)

Label = str | int | float | bool
LABEL_TYPES: dict[str, Callable[[str], Label]] = {  # how the label is read from the name of its class
    "str": str,
    "class": str,  # of a schema, which numbers the classes
    "int": int,
    "float": float,
    "bool": lambda name: name.lower() == "true",
}
NO_LABEL = ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL", "None", r"\N")  # in files
SPELT_NAN = ("nan", "NaN", "<NA>")  # what becomes of a missing value that is made a string
MOST_FRACTIONS = 50  # different labels that are not all integers
MOST_LABELS = 100  # different labels, if there are few texts for each
TEXTS_OF_A_LABEL = 4  # where there are more labels than that, on average
MOST_CLASSES = 1000  # what is computed for each pair of classes takes time and memory
POLARITIES = {"0": 0, "neg": 0, "negative": 0, "1": 1, "pos": 1, "positive": 1}  # of class names in lower case
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?")
_KINDS = {str: "names", bool: "true or false", int: "numbers", float: "numbers"}


def as_label(value: Any) -> Label | None:
    """A label in its plain form, from Python, NumPy, pandas or PyTorch; None for a missing one.

    Blanks around a name are removed, and an empty one is missing. An array or list of one label is that label.

    Raises:
        ValueError: If it cannot be a label; the message says what it is.
    """
    kind = type(value)
    if kind is str:
        value = value.strip()
        if not is_unicode(value):
            raise ValueError("it has half a character, as of bytes that are not UTF-8")
        if has_acting(value):
            raise ValueError("it has control characters or line ends")
        return value or None
    if kind is bool:
        return value
    if kind is int:
        if abs(value) >= 10**18:
            raise ValueError("it has more than 18 digits")
        return value
    if kind is float:
        if math.isinf(value):
            raise ValueError("it is infinite")
        return None if math.isnan(value) else value
    if value is None or kind.__name__ in ("NAType", "NaTType"):  # of pandas
        return None
    if isinstance(value, bytes):
        try:
            return as_label(value.decode())
        except UnicodeDecodeError:
            raise ValueError("it is bytes that are not UTF-8") from None
    if isinstance(value, str):
        return as_label(str.__str__(value))
    if isinstance(value, np.generic) or (getattr(value, "ndim", None) == 0 and hasattr(value, "item")):
        plain = value.item()
        if type(plain) is not kind:
            return as_label(plain)
    if isinstance(value, numbers.Integral):
        return as_label(int(value))
    if isinstance(value, numbers.Real | Decimal):
        return as_label(float(value))
    if hasattr(value, "__len__") and not isinstance(value, dict):
        if len(value) == 1:
            return as_label(next(iter(value)))
        raise ValueError(f"it is {len(value)} values, and a text has one label")
    raise ValueError(f"it is a {kind.__name__}")


def as_labels(labels: Any, name: str = "labels") -> list[Label | None]:
    """The labels in any usual container, None where one is missing.

    Args:
        labels: A list, array, tensor, generator, or column of pandas, `datasets` or PyArrow; also of shape `(n, 1)`.
        name: The name of the argument, for messages.

    Raises:
        UserError: If it is not a container of one label for each text.
    """
    if isinstance(labels, str | bytes):
        raise UserError(
            f"{name} is one string, {labels[:40]!r}; it must be one label for each text: put it into a list"
        )
    if isinstance(labels, set | frozenset):
        raise UserError(
            f"{name} is a set, which has no order; it must be one label for each text: put them into a list"
        )
    refuse_lazy(labels)
    columns = getattr(labels, "column_names", getattr(labels, "columns", None))
    if isinstance(labels, dict) or (columns is not None and len(getattr(labels, "shape", (0, 0))) == 2):
        names = list(labels) if columns is None else list(columns)
        if len(names) != 1:
            raise UserError(f"{name} has the columns {', '.join(map(str, names))}; give the one with the labels")
        labels = labels[names[0]]
    shape = tuple(getattr(labels, "shape", ()))
    if len(shape) > 1 and shape[1:] != (1,):
        raise UserError(
            f"{name} has the shape {shape}; it must be one label for each text: of one row for each text, "
            f"give {name}.argmax(axis=1)"
        )
    if not isinstance(labels, Iterable) or getattr(labels, "shape", (1,)) == ():
        raise UserError(f"{name} is {labels!r}; it must be one label for each text, such as a list")
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(plain_column(labels))
    found = []
    with_blanks = next((v for v in values if isinstance(v, str) and v.strip() not in (v, "")), None)
    if with_blanks is not None:
        log.warning("%s: the blanks around labels such as %r are left out, in predictions too", name, with_blanks)
    for index, value in enumerate(values):
        try:
            found.append(as_label(value))
        except ValueError as error:
            raise UserError(
                f"{name}[{index}] is {str(value)[:60]!r}; {error}: a label is a name, a number, or true or false"
            ) from None
    if spelt := [word for word in SPELT_NAN if word in found]:
        log.warning("%s: the string %r is a class; give None where a label is missing", name, spelt[0])
    return found


@dataclass(frozen=True)
class Classes:
    """The classes of a data set or a model, in order.

    Attributes:
        names: Their names.
        type: What their labels are, one of `LABEL_TYPES`.
    """

    names: tuple[str, ...]
    type: str = "str"

    @classmethod
    def of(cls, labels: Iterable[Label], where: str) -> Self:
        """The classes of labels: numbers in the order of numbers, names in that of the alphabet.

        Names that differ in capitals alone are logged.

        Args:
            labels: All labels.
            where: The name of the data, for messages.

        Raises:
            UserError: If they mix names and numbers, or are too many different ones.
        """
        labels = list(labels)
        kinds = set(map(type, labels))
        if len({_KINDS[kind] for kind in kinds}) > 1:
            examples = (next(repr(label) for label in labels if type(label) is kind) for kind in sorted(kinds, key=str))
            raise UserError(f"{where} mixes kinds of labels ({', '.join(examples)}); use only names or only numbers")
        kind = float if kinds == {int, float} else next(iter(kinds), str)
        different = sorted(set(labels))
        fractions = kind is float and not all(float(label).is_integer() for label in different)
        few = min(MOST_CLASSES, max(MOST_LABELS, len(labels) / TEXTS_OF_A_LABEL))
        if (fractions and len(different) > MOST_FRACTIONS) or len(different) > few:
            raise UserError(
                f"{where} has {len(different)} different labels in {len(labels)} texts, such as {different[0]!r}; "
                "a classifier needs few classes: give another column, or round scores into some classes"
            )
        classes = cls(tuple(map(name_of, different)), kind.__name__)
        classes._warn_of_spellings(where)
        return classes

    def _warn_of_spellings(self, where: str) -> None:
        spellings = defaultdict(list)
        for name in self.names:
            spellings[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
        for alike in spellings.values():
            if len(alike) > 1:
                log.warning(
                    "%s: the labels %s are spelled alike and are different classes; rename one if they mean the same",
                    *(where, " and ".join(map(repr, alike))),
                )

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The label of each class, of its type."""
        return tuple(map(LABEL_TYPES[self.type], self.names))

    def __len__(self) -> int:
        return len(self.names)

    def array(self) -> np.ndarray:
        """The labels `(K,)` as an array of their type."""
        return np.array(self.labels)

    def indices(self, labels: Sequence[Label], where: str, *, of: str | None = None) -> np.ndarray:
        """The class of each label, int64 `(n,)`. Labels are matched by value: 4, 4.0 and "4" are the same.

        If the classes of a model are negative and positive, data may use other usual names of them, such as "neg" and
        "pos". That is logged.

        Args:
            labels: The labels.
            where: The name of the data, for messages.
            of: The split that has these classes, for messages; None for a model.

        Raises:
            UserError: If one is not among the classes.
        """
        found = self._find(labels, where, by_polarity=of is None)
        if (found < 0).any():
            raise UserError(
                f"{where} has labels that {of or 'the model'} does not know, {_named(labels, found < 0)}; it knows "
                f"{', '.join(map(repr, self.names))}: rename them in a copy, leave them out, or train on them"
            )
        return found

    def indices_to_score(self, labels: Sequence[Label], where: str) -> np.ndarray:
        """As `indices` of a model, but with -1 for labels that are not among the classes; their number is logged.

        Raises:
            UserError: If none is among the classes.
        """
        found = self._find(labels, where, by_polarity=True)
        unknown = found < 0  # (n,)
        if unknown.all():
            return self.indices(labels, where)
        if unknown.any():
            log.warning(
                "%s: %d of the %d labels are of classes that the model does not know, %s; their texts count as wrong",
                *(where, unknown.sum(), len(labels), _named(labels, unknown)),
            )
        return found

    def _find(self, labels: Sequence[Label], where: str, *, by_polarity: bool) -> np.ndarray:
        """The class of each label, int64 `(n,)`; -1 where it is not among the classes."""
        index_of = self._index_of
        found = np.fromiter(map(index_of.get, labels, repeat(-1)), np.int64, len(labels))
        for index in np.flatnonzero(found < 0).tolist():
            found[index] = index_of.get(_meaning(labels[index]), -1)
        return self._by_polarity(labels, where, found) if by_polarity and (found < 0).any() else found

    def _by_polarity(self, labels: Sequence[Label], where: str, found: np.ndarray) -> np.ndarray:
        """The class of each label `(n,)`: those found, and others by their polarity if all of these have one."""
        own = polarities_of(self.names)
        unknown = {labels[index] for index in np.flatnonzero(found < 0).tolist()}
        polarities = {label: polarity_of(name_of(label)) for label in unknown}
        if own is None or None in polarities.values():
            return found
        class_of = {label: own.index(polarity) for label, polarity in polarities.items() if polarity is not None}
        read = sorted(f"{name_of(label)!r} as {self.names[index]!r}" for label, index in class_of.items())
        log.info("%s: labels are read by their meaning, %s", where.rstrip(","), ", ".join(read))
        by_polarity = [class_of.get(label, index) for label, index in zip(labels, found.tolist(), strict=True)]
        return np.array(by_polarity, np.int64)

    @cached_property
    def _index_of(self) -> dict[Label, int]:
        index_of: dict[Label, int] = {label: index for index, label in enumerate(self.labels)}
        meanings = [_meaning(name) for name in self.names]
        if len(set(meanings)) == len(meanings):  # "1" and "1.0" may be two names
            index_of = {meaning: index for index, meaning in enumerate(meanings)} | index_of
        if self.type == "class" and all(type(meaning) is str for meaning in meanings):
            index_of = dict(zip(range(len(self)), range(len(self)), strict=True)) | index_of
        return index_of


def polarities_of(names: Sequence[str]) -> list[int] | None:
    """For each of two classes 0 if it is the negative and 1 if it is the positive one; None if they are others."""
    found = [-1 if (polarity := polarity_of(name)) is None else polarity for name in names]
    return found if sorted(found) == [0, 1] else None


def polarity_of(name: str) -> int | None:
    """0 for a usual name of a negative class, 1 for one of a positive class; None for others."""
    return POLARITIES.get(name_of(_meaning(name)).casefold())


def name_of(label: Label) -> str:
    """The name of the class of a label: 4.0 has the name 4."""
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float):
        return str(int(label)) if label.is_integer() else repr(label)
    return str(label)


def _named(labels: Sequence[Label], chosen: np.ndarray) -> str:
    """The names of the first of the labels where `chosen`, bool `(n,)`, is true, for a message."""
    names = sorted({repr(name_of(labels[index])) for index in np.flatnonzero(chosen).tolist()})
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _meaning(label: Label) -> Label:
    """The number, or the truth, that a name spells; any other label as it is."""
    if isinstance(label, str):
        if label.lower() in ("true", "false"):
            return label.lower() == "true"
        return number_of(label)
    return label


def number_of(text: str) -> str | int | float:
    """The number that a text spells, an int if it is whole; or the text."""
    if not _NUMBER.fullmatch(text):
        return text
    value = float(text)
    return int(text.partition(".")[0]) if value.is_integer() else value
