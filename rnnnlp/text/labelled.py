"""Loads labelled texts for classifiers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.text.labels import label_indices, label_names, read_labelled_rows
from rnnnlp.text.reading import ReadOptions
from rnnnlp.text.sources import SPLITS, UNLABELLED, find_source, log_unused_unlabelled

HELD_OUT = 0.05  # fraction of each class that is held out for validation if there is no validation split
HELD_OUT_SEED = 0  # the same for all runs, so no run trains on the texts that another run is validated on

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledSplit:
    """Texts and their labels.

    Attributes:
        texts: The texts.
        labels: int64 `(len(texts),)`, indices into the `label_names` of the data.
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
        label_names: The names of the classes.
        source: Name of the data, as the user gave it.
        unlabelled: The texts without a label that some data sets come with, if they were asked for.
        label_type: Type of the labels that a Python caller gave: str, int, float or bool.
    """

    splits: dict[str, LabelledSplit]
    label_names: tuple[str, ...]
    source: str
    unlabelled: Sequence[str] = ()
    label_type: str = "str"

    def relabelled(self, names: Sequence[str]) -> Self:
        """The same texts, with labels as indices into the label names of a saved model.

        Labels are matched by name. If the data has only numbers as labels, they are matched by number.

        Args:
            names: The label names of the model.

        Raises:
            UserError: If the data has a label that is not among `names`.
        """
        index_of = {name: index for index, name in enumerate(names)}
        if not index_of.keys() >= set(self.label_names) and all(map(str.isdecimal, self.label_names)):
            index_of = {str(index): index for index in range(len(names))}
        used = np.unique(np.concatenate([split.labels for split in self.splits.values()]))
        if unknown := [self.label_names[index] for index in used if self.label_names[index] not in index_of]:
            raise UserError(
                f"{self.source} has labels that the model does not know, {', '.join(map(repr, unknown))}; "
                f"it knows {', '.join(map(repr, names))}: rename them in a copy of the data, or train on them"
            )
        new_index = np.array([index_of.get(name, -1) for name in self.label_names], np.int64)  # -1: no row has it
        splits = {
            name: LabelledSplit(split.texts, new_index[split.labels], split.weights)
            for name, split in self.splits.items()
        }
        return type(self)(splits, tuple(names), self.source, self.unlabelled, self.label_type)


def load_labelled(
    spec: str,
    reading: ReadOptions | None = None,
    *,
    rng_seed: int = HELD_OUT_SEED,
    validation_fraction: float = HELD_OUT,
    splits: Sequence[str] | None = None,
    unlabelled: bool = False,
) -> LabelledData:
    """Loads labelled texts.

    If the source has no validation split, one is held out from the training split. It holds the same rows whichever
    splits are loaded. Rows without a label (-1 or null) are dropped, and their number is logged. The label names are
    those of a `ClassLabel`, if the data has one, or else the sorted labels.

    Args:
        spec: Name of the data, as for `find_source`.
        reading: How files are read.
        rng_seed: Seed that chooses the rows of the held-out validation split.
        validation_fraction: Fraction of each class of train that is held out for validation.
        splits: The splits to load, by default all. Files of other splits are not read.
        unlabelled: Whether to also load the unlabelled texts that some data sets come with.

    Raises:
        UserError: If the source, a column, a split, the labels, or a second class in train is missing.
    """
    reading = reading or ReadOptions()
    source = find_source(spec, reading, rows=True)
    if not unlabelled:
        log_unused_unlabelled(source)
    carve = "train" in source.splits and "validation" not in source.splits and validation_fraction > 0
    available = [split for split in SPLITS if split in source.splits or (carve and split == "validation")]
    wanted = available if splits is None else list(splits)
    for split in wanted:
        if split not in available:
            raise UserError(f"{source.name} has no split {split!r}; it has {', '.join(available)}: name one of these")
    needed = {"train" if carve and split == "validation" else split for split in wanted}
    rows = {
        split: read_labelled_rows(
            source.splits[split], f"{source.name}, {split}", reading.text_column, reading.label_column
        )
        for split in SPLITS
        if split in needed
    }
    for split in list(rows):
        if not rows[split].texts:
            if splits is not None or split == "train":
                raise UserError(f"{source.name} has no labelled texts in {split}; expected one per row")
            del rows[split]  # a split without labels, as in GLUE; its dropped rows have been logged
    names = label_names(rows.values(), source.name)
    loaded = {split: LabelledSplit(found.texts, label_indices(found, names)) for split, found in rows.items()}
    if "train" in loaded:
        _check_two_classes(loaded["train"], names, source.name)
        if carve:
            loaded |= hold_out_validation(loaded["train"], source.name, validation_fraction, rng_seed)
    parts = source.splits.get(UNLABELLED, ()) if unlabelled else ()
    further = ["".join(document) for part in parts for document in part.documents(reading.text_column)]
    return LabelledData({split: loaded[split] for split in wanted if split in loaded}, names, source.name, further)


def _check_two_classes(train: LabelledSplit, names: tuple[str, ...], source: str) -> None:
    classes = np.unique(train.labels)
    if len(classes) < 2:
        raise UserError(
            f"{source} has only the label {names[classes[0]]!r} in train; a classifier needs two classes: add the other"
        )


def hold_out_validation(
    train: LabelledSplit, source: str, fraction: float = HELD_OUT, seed: int = HELD_OUT_SEED
) -> dict[str, LabelledSplit]:
    """Splits the training texts into "train" and "validation".

    Args:
        train: All training texts.
        source: Name of the data, for the log.
        fraction: Fraction of each class that is held out; at least one row of each class with two or more rows.
        seed: Seed that chooses the rows.
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(train), bool)
    for label in np.unique(train.labels):
        rows = np.flatnonzero(train.labels == label)
        count = max(round(fraction * len(rows)), min(1, len(rows) - 1))
        held[rng.permutation(rows)[:count]] = True
    logger.info(
        "%s has no validation split: %d of the %d rows of train (%g %% of each class, seed %d) are held out",
        *(source, held.sum(), len(train), 100 * fraction, seed),
    )
    return {"train": train.where(~held), "validation": train.where(held)}
