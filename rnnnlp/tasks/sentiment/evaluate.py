"""The figures of a classifier on a split of labelled texts."""

# n texts, K classes

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.display import visible
from rnnnlp.errors import UserError, option
from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment.predictor import Predictor
from rnnnlp.tasks.sentiment.threshold import Threshold, label_index
from rnnnlp.text import LabelledSplit, load_labelled
from rnnnlp.text.labelled import HELD_OUT
from rnnnlp.text.sources import ALL_SPLITS
from rnnnlp.training.data_places import are_own_data
from rnnnlp.training.metrics import (
    added_up,
    classification_metrics,
    confidence_gaps,
    error_of_gaps,
    metrics_of_counts,
    most_confident_mistakes,
    threshold_counts,
    threshold_table,
)
from rnnnlp.training.model_folder import CARD, MEMBERS, training_of
from rnnnlp.training.progress import no_bar
from rnnnlp.training.task import Evaluation

MISTAKE_WIDTH = 160  # characters
CHUNK = 2000  # texts that are evaluated at a time

log = logging.getLogger(__name__)


def document_logits(
    predictor: Predictor,
    texts: Sequence[str],
    *,
    on_progress: Callable[[int], Any] = lambda documents: None,
) -> np.ndarray:
    """The logits `(len(texts), K)`; `on_progress` is called with the number of texts done since the last call."""
    infer = predictor.inference()
    parts = []
    for start in range(0, max(1, len(texts)), CHUNK):  # without texts there is one part without a row
        parts.append(infer(texts[start : start + CHUNK]).logits)
        on_progress(len(parts[-1]))
    return np.concatenate(parts)


def evaluate(
    predictor: Predictor, folder: Path, data: str, split: str, training: Mapping[str, Any], asked: Evaluation
) -> dict[str, Any]:
    """The figures of a classifier on a split of labelled texts.

    Args:
        predictor: The classifier.
        folder: Where it is from: a run folder, a checkpoint or an ensemble.
        data: The labelled texts.
        split: The split to read.
        training: How the classifier was trained; columns are taken from there where `asked` names none.
        asked: Mistakes, a threshold or its table, a baseline.

    Returns:
        `classification_metrics`, the temperature, the calibration error without it, the most confident mistakes, what
        was asked for, and what `merged` adds up.
    """
    from tqdm import tqdm

    mistakes = asked.mistakes or 0
    if mistakes < 0:
        raise UserError(f"{option('mistakes')} is {mistakes}; it must be at least 0")
    if asked.baseline is not None and split in ("train", ALL_SPLITS):
        raise UserError(
            f"{option('split')} is {split}, with texts that the model of {option('baseline')} is trained on; give "
            "another split, or other data"
        )
    if split == "validation" and asked.hold_out:
        for place, of_member in ((folder, training), *trainings_of_members(folder)):
            refuse_seen(data, of_member, place, or_else=", or evaluate another split")
    names, wanted = predictor.labels, asked.threshold
    threshold = Threshold.parse(wanted, names) if wanted and "=" in wanted and wanted not in names else None
    shown_class = label_index(wanted, names) if wanted is not None and threshold is None else None
    # A cross-validated run was trained on all texts, and so is the baseline beside it.
    hold_out = asked.hold_out and (split == "validation" or not training.get("folds"))
    labelled = load_labelled(
        data,
        asked.reading(training),
        splits=(split,) if asked.baseline is None else tuple(dict.fromkeys(("train", split))),
        validation_fraction=HELD_OUT if hold_out else 0,
        classes=predictor.classes,
    )
    found = labelled.splits[split]
    if not found.texts:
        raise UserError(
            f"{labelled.source}: there is no text to measure on; give two or more of a class, or a validation split"
        )
    extra: dict[str, Any] = {}
    if asked.baseline is not None:
        theirs = asked.baseline(labelled.splits["train"], found.texts, len(names))
        extra["baseline"] = classification_metrics(theirs, found.labels, names)
    with tqdm(total=len(found.texts), unit=" texts", desc=visible(split), disable=no_bar()) as bar:
        logits = document_logits(predictor, found.texts, on_progress=bar.update)
    probabilities = predictor.probabilities(logits)
    predicted = threshold.decide(probabilities) if threshold else probabilities.argmax(axis=1)  # (n,)
    figures = classification_metrics(probabilities, found.labels, names, predicted)
    gaps = [confidence_gaps(p, found.labels).tolist() for p in (probabilities, softmax(logits))]
    sums = {"confusion_matrix": figures["confusion_matrix"], "gaps": gaps}
    if shown_class is not None:
        sums["thresholds"] = threshold_counts(probabilities[:, shown_class], found.labels == shown_class)
    extra |= of_sums(sums) | {"temperature": predictor.temperature}
    extra["mistakes"] = described_mistakes(found, probabilities, predicted, names, mistakes)
    return figures | extra | {"sums": sums}


def described_mistakes(
    split: LabelledSplit, probabilities: np.ndarray, predicted: np.ndarray, names: Sequence[str], count: int
) -> list[dict[str, Any]]:
    """The most confident mistakes, to be written as JSON.

    Args:
        split: The n texts with their labels.
        probabilities: Those of each text, `(n, K)`.
        predicted: The class that each text was given, `(n,)`.
        names: The names of the K classes.
        count: Maximum number of mistakes.
    """
    return [
        {
            "text": shorten(split.texts[i]),
            "label": names[split.labels[i]],
            "prediction": names[predicted[i]],
            "probability": float(probabilities[i, predicted[i]]),
        }
        for i in most_confident_mistakes(probabilities, split.labels, count, predicted)
    ]


def of_sums(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The table of thresholds, if there is one, and the calibration error without the temperature."""
    examples = int(np.sum(sums["confusion_matrix"]))
    found = {"thresholds": threshold_table(sums["thresholds"])} if "thresholds" in sums else {}
    return found | {"uncalibrated_error": error_of_gaps(np.array(sums["gaps"][1]), examples)}


def merged(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of several data sets together, of one classifier."""
    found = iter(results)
    first = next(found)
    sums = added_up(figures["sums"] for figures in chain((first,), found))
    confusion, gaps = np.array(sums["confusion_matrix"]), np.array(sums["gaps"][0])
    figures = metrics_of_counts(confusion, gaps, list(first["per_class"]))
    return figures | of_sums(sums) | {"temperature": first["temperature"], "mistakes": []}


def trainings_of_members(folder: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """The folders of the members of an ensemble, and how each was trained."""
    return [(place, training_of(place)) for place in sorted((folder / MEMBERS).glob("*"))]


def lineage(training: Mapping[str, Any], run: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """A run, the run that it started from, and so on, as far as their folders are there; and how each was trained."""
    yield run, training
    known: set[str] = set()
    while isinstance(start := training.get("from_"), str):
        run = Path(os.path.expanduser(start))
        try:
            training = training_of(run)
        except UserError:  # a bundled model, or a folder that is not there any more
            return
        if (place := os.path.realpath(run)) in known:  # a run replaced the one that it started from
            return
        known.add(place)
        yield run, training


def refuse_seen(data: str | None, training: Mapping[str, Any], run: Path, *, or_else: str = "") -> None:
    """Refuses to take validation texts out of data on all of whose texts a run, or one it started from, was trained.

    Args:
        data: The data.
        training: How the run was trained.
        run: The run folder.
        or_else: What else can be done than to give other data.

    Raises:
        UserError: If one of them was cross-validated on these data.
    """
    for place, before in lineage(training, run):
        if before.get("folds") and (data is None or are_own_data(data, before, place)):
            which = run if place == run else f"{run} comes from {place}, which"
            raise UserError(
                f"{which} was trained on all texts of {before.get('data')}, with a cross-validation, so none is left "
                f"to validate on; its figures are in the {CARD} of that run: give other data with "
                f"{option('data')}{or_else}"
            )


def warn_of_seen(training: Mapping[str, Any], run: Path) -> None:
    """Warns of a run whose start was trained on texts that validate it: any if it has folds, else those held out."""
    for place, before in list(lineage(training, run))[1:]:
        folds = before.get("folds")  # a language model has none, and learned no labels
        if (folds or (training["folds"] and folds is not None)) and are_own_data(training["data"], before, place):
            log.warning(
                "%s, where this run starts, was trained on texts of %s that validate this run: figures on them are "
                "better than on new texts; measure on other texts",
                *(place, training["data"]),
            )
            return


def shorten(text: str, width: int = MISTAKE_WIDTH) -> str:
    """The text on one line of at most `width` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 4] + " ..."
