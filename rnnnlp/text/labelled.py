"""Loads labelled texts for classifiers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.text.labelled_rows import LabelledRows, only, read_labelled_rows
from rnnnlp.text.labels import MOST_CLASSES, Classes
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.sources import ALL_SPLITS, SPLITS, UNLABELLED, find_source, log_unused_unlabelled, no_such_split

HELD_OUT = 0.05  # fraction of each class that is held out for validation if there is no validation split
HELD_OUT_SEED = 0  # the same for all runs, so no run trains on the texts that another run is validated on
MOST_COPIES = 0.01  # of the texts to validate on, that may be among those to train on without a warning
_MOST_NAMED = 20  # classes in the log

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledSplit:
    """Texts and their labels.

    Attributes:
        texts: The texts.
        labels: int64 `(len(texts),)`, indices into the classes of the data.
        weights: `(len(texts),)`, the weight of each text in training; None means that all weights are equal.
    """

    texts: list[str]
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, mask: np.ndarray) -> LabelledSplit:
        """The rows where `mask`, bool `(len(texts),)`, is true."""
        weights = None if self.weights is None else self.weights[mask]
        return LabelledSplit([self.texts[row] for row in np.flatnonzero(mask)], self.labels[mask], weights)


@dataclass(frozen=True)
class LabelledData:
    """A labelled data set.

    Attributes:
        splits: The splits that were loaded: "train", "validation", "test".
        classes: The classes.
        source: Name of the data, as the user gave it.
        unlabelled: The texts without a label that some data sets come with, if they were asked for.
        held_out: Whether "validation" was held out from the training texts.
    """

    splits: dict[str, LabelledSplit]
    classes: Classes
    source: str
    unlabelled: Sequence[str] = ()
    held_out: bool = False

    def whole(self) -> LabelledData:
        """The data with the texts that were held out for validation among those to train on, and none to validate."""
        train, validation = self.splits["train"], self.splits["validation"]
        weights = None
        if train.weights is not None and validation.weights is not None:
            weights = np.concatenate([train.weights, validation.weights])
        labels = np.concatenate([train.labels, validation.labels])
        together = LabelledSplit(train.texts + validation.texts, labels, weights)
        return replace(
            self,
            splits=self.splits | {"train": together, "validation": validation.where(np.zeros(len(validation), bool))},
        )


def load_labelled(
    spec: str,
    reading: ReadOptions | None = None,
    *,
    rng_seed: int = HELD_OUT_SEED,
    validation_fraction: float = HELD_OUT,
    splits: Sequence[str] | None = None,
    unlabelled: bool = False,
    classes: Classes | None = None,
) -> LabelledData:
    """Loads labelled texts.

    If the source has no validation split, one is held out from the training split. It holds the same rows whichever
    splits are loaded. Rows without a label are dropped, and their number is logged. The label -1 means "no label" in a
    column with a schema and in a split that has nothing else; beside other labels it is a class. The classes are those
    of a model, those of a `ClassLabel`, or else the labels of train in order.

    Args:
        spec: Name of the data, as for `find_source`.
        reading: How files are read.
        rng_seed: Seed that chooses the rows of the held-out validation split.
        validation_fraction: Fraction of each class of train that is held out for validation.
        splits: The splits to load, by default all. Files of other splits are not read.
        unlabelled: Whether to also load the unlabelled texts that some data sets come with.
        classes: Those of a model that reads the texts.

    Raises:
        UserError: If the source, a column, a split, the labels, or a second class in train is missing, or if a split
            has a label that is not among the classes.
    """
    reading = reading or ReadOptions()
    source = find_source(spec, reading, rows=True)
    if not unlabelled:
        log_unused_unlabelled(source)
    holds_out = "train" in source.splits and "validation" not in source.splits and validation_fraction > 0
    available = [split for split in SPLITS if split in source.splits or (holds_out and split == "validation")]
    wanted = available if splits is None else list(splits)
    whole = {ALL_SPLITS: tuple(part for split in SPLITS for part in source.splits.get(split, ()))}
    for split in wanted:
        if split not in (*available, ALL_SPLITS):
            raise no_such_split(source.name, split, available)
    needed = {"train" if holds_out and split == "validation" else split for split in wanted}
    rows = {
        split: read_labelled_rows(parts, f"{source.name}, {split}", reading.text_column, reading.label_column)
        for split, parts in (source.splits | whole).items()
        if split in needed
    }
    rows = _without_minus_one(rows, source.name, classes)
    for split in list(rows):
        if not rows[split].texts:
            if splits is not None or split == "train":
                raise UserError(f"{source.name} has no labelled texts in {split}; expected one per row")
            del rows[split]  # a split without labels, as in GLUE; its dropped rows have been logged
    named_split = "train" if classes is None else None
    classes = _classes_of(rows, source.name, classes)
    loaded = {
        split: LabelledSplit(found.texts, classes.indices(found.labels, f"{source.name}, {split},", of=named_split))
        for split, found in rows.items()
    }
    if "train" in loaded:
        _log_classes(loaded["train"], classes, source.name)
        _check_two_classes(loaded["train"], classes.names, source.name)
        if holds_out:
            loaded |= hold_out_validation(loaded["train"], source.name, validation_fraction, rng_seed)
    unlabelled_parts = source.splits.get(UNLABELLED, ()) if unlabelled else ()
    further = ["".join(document) for part in unlabelled_parts for document in part.documents(reading.text_column)]
    kept = {split: loaded[split] for split in wanted if split in loaded}
    return LabelledData(kept, classes, source.name, further, holds_out)


def _without_minus_one(rows: dict[str, LabelledRows], source: str, classes: Classes | None) -> dict[str, LabelledRows]:
    """The rows with a label, where -1 may mean that there is none: in a split that has nothing else."""
    different = {split: set(found.labels) for split, found in rows.items()}
    only_minus_one = [split for split, labels in different.items() if labels == {-1}]
    others = [split for split, labels in different.items() if -1 in labels and split not in only_minus_one]
    if others:
        log.info("%s: the label -1 stands beside others and is a class", source)
    if others or (classes is not None and "-1" in classes.names):
        return rows
    for split in only_minus_one:
        log.warning("%s, %s: %d rows without a label (-1) dropped", source, split, len(rows[split].labels))
        rows = rows | {split: LabelledRows([], [], rows[split].class_names)}
    return rows


def _classes_of(rows: dict[str, LabelledRows], source: str, given: Classes | None) -> Classes:
    """The classes: those that are given, those of a `ClassLabel`, or else the labels of train in order."""
    of_schema = only({found.class_names for found in rows.values()}, source)
    if given is not None:
        return given
    if of_schema is None:
        first = [rows["train"]] if "train" in rows else rows.values()
        column = next((f", column {found.column!r}" for found in first), "")
        return Classes.of([label for found in first for label in found.labels], source + column)
    if len(of_schema) > MOST_CLASSES:
        raise UserError(
            f"the schema of {source} names {len(of_schema)} classes; a classifier has at most {MOST_CLASSES}: "
            f"name another column with {option('label_column')}"
        )
    return Classes(of_schema, "class")


def _log_classes(train: LabelledSplit, classes: Classes, source: str) -> None:
    counts = np.bincount(train.labels, minlength=len(classes)).tolist()
    named = [f"{name} ({count})" for name, count in zip(classes.names, counts, strict=True)][:_MOST_NAMED]
    more = ", ..." if len(classes) > _MOST_NAMED else ""
    log.info("%s: %d classes (and their texts): %s%s", source, len(classes), ", ".join(named), more)


def _check_two_classes(train: LabelledSplit, names: tuple[str, ...], source: str) -> None:
    classes = np.unique(train.labels)
    if len(classes) < 2:
        raise UserError(
            f"{source} has only the label {names[classes[0]]!r} in train; a classifier needs two classes: add the other"
        )


def hold_out_validation(
    train: LabelledSplit, source: str, validation_fraction: float = HELD_OUT, rng_seed: int = HELD_OUT_SEED
) -> dict[str, LabelledSplit]:
    """Splits the training texts into "train" and "validation".

    Args:
        train: All training texts.
        source: Name of the data, for the log.
        validation_fraction: Fraction of each class that is held out; at least one row of each class with two or more
            rows.
        rng_seed: Seed that chooses the rows.
    """
    rng = np.random.default_rng(rng_seed)
    held = np.zeros(len(train), bool)
    for label in np.unique(train.labels):
        rows = np.flatnonzero(train.labels == label)
        count = max(round(validation_fraction * len(rows)), min(1, len(rows) - 1))
        held[rng.permutation(rows)[:count]] = True
    log.info(
        "%s has no validation split: %d of the %d rows of train (%g %% of each class, seed %d) are held out",
        *(source, held.sum(), len(train), 100 * validation_fraction, rng_seed),
    )
    return {"train": train.where(~held), "validation": train.where(held)}


def warn_of_copies(data: LabelledData, split: str = "validation") -> None:
    """Warns of texts of a split to measure on that are among those to train on, too."""
    measured = data.splits[split].texts
    known = set(data.splits["train"].texts)
    copies = sum(text in known for text in measured)
    if copies > MOST_COPIES * len(measured):
        log.warning(
            "%s: %d of the %d %s texts are also training texts: figures on them are better than on new texts; "
            "remove the copies",
            *(data.source, copies, len(measured), split),
        )
