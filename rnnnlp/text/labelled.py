"""Labelled texts for classifiers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.text.labels import label_indices, label_names, read_labelled_rows
from rnnnlp.text.sources import SPLITS, UNLABELLED, find_source, say_unlabelled_is_left_out

HELD_OUT = 0.05  # of the texts of each class, where there is no validation split
HELD_OUT_SEED = 0  # the same for every run, so that what one is measured on is what no other has learned from

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledSplit:
    """Texts and their labels, int64 `(len(texts),)`, as indices into the data's `label_names`.

    `weights (len(texts),)` are how much each text counts in training; None counts all the same.
    """

    texts: list[str]
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, chosen: np.ndarray) -> LabelledSplit:
        """The rows at which `chosen`, bool `(len(texts),)`, is true."""
        weights = None if self.weights is None else self.weights[chosen]
        return LabelledSplit([self.texts[row] for row in np.flatnonzero(chosen)], self.labels[chosen], weights)


@dataclass(frozen=True)
class LabelledData:
    """Labelled splits ("train", "validation", "test", as far as loaded), the names of the labels, and the source.

    `unlabelled` are texts that stand beside the splits, if they were asked for.
    """

    splits: dict[str, LabelledSplit]
    label_names: tuple[str, ...]
    source: str
    unlabelled: Sequence[str] = ()
    label_type: str = "str"  # of the labels as the caller gave them

    def relabelled(self, names: Sequence[str]) -> Self:
        """The same texts with labels as indices into `names`, those of a saved model.

        Labels agree by name or, where the data has only numbers, by number. `UserError` for a label not among `names`.
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
        splits = {name: LabelledSplit(split.texts, new_index[split.labels]) for name, split in self.splits.items()}
        return type(self)(splits, tuple(names), self.source)


def load_labelled(
    spec: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    rng_seed: int = HELD_OUT_SEED,
    validation_fraction: float = HELD_OUT,
    splits: Sequence[str] | None = None,
    unlabelled: bool = False,
) -> LabelledData:
    """Load labelled texts from whatever `spec` names (see `find_source`).

    splits: the ones to load, all by default; files of the others are not read.
    rng_seed, validation_fraction: where the source has no validation split, this share of the rows of each class of
        train is it, drawn with this seed: the same rows whichever splits are loaded.
    unlabelled: whether texts without a label that stand beside the splits are loaded, too.

    Label names are those of a `ClassLabel`, else the labels themselves in order. Rows without a label (-1, null) are
    dropped, and their number is logged. `UserError` for what is missing: the source, a column, a split, labels, a
    second class in train.
    """
    source = find_source(spec)
    if not unlabelled:
        say_unlabelled_is_left_out(source)
    carve = "train" in source.splits and "validation" not in source.splits and validation_fraction > 0
    available = [split for split in SPLITS if split in source.splits or (carve and split == "validation")]
    wanted = available if splits is None else list(splits)
    for split in wanted:
        if split not in available:
            raise UserError(f"{source.name} has no split {split!r}; it has {', '.join(available)}: name one of these")
    needed = {"train" if carve and split == "validation" else split for split in wanted}
    rows = {
        split: read_labelled_rows(source.splits[split], f"{source.name}, {split}", text_column, label_column)
        for split in SPLITS
        if split in needed
    }
    for split in list(rows):
        if not rows[split].texts:
            if splits is not None or split == "train":
                raise UserError(f"{source.name} has no labelled texts in {split}; expected one a row")
            del rows[split]  # there but without labels, as the test splits of GLUE; the dropped rows have been counted
    names = label_names(rows.values(), source.name)
    loaded = {split: LabelledSplit(found.texts, label_indices(found, names)) for split, found in rows.items()}
    if "train" in loaded:
        _check_two_classes(loaded["train"], names, source.name)
        if carve:
            loaded |= hold_out_validation(loaded["train"], source.name, validation_fraction, rng_seed)
    parts = source.splits.get(UNLABELLED, ()) if unlabelled else ()
    further = ["".join(document) for part in parts for document in part.documents(text_column)]
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
    """Train and validation from train: the share of each class, at least one row where the class has two or more."""
    rng = np.random.default_rng(seed)
    held = np.zeros(len(train), bool)
    for label in np.unique(train.labels):
        rows = np.flatnonzero(train.labels == label)
        count = max(round(fraction * len(rows)), min(1, len(rows) - 1))
        held[rng.permutation(rows)[:count]] = True
    logger.info(
        "%s has no validation split: %d of the %d rows of train (%g %% of each class, seed %d) are held out for it",
        *(source, held.sum(), len(train), 100 * fraction, seed),
    )
    return {"train": train.where(~held), "validation": train.where(held)}
