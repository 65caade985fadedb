"""Stacking: an ensemble of trained classifiers, its weights fitted on validation texts."""

# n texts, M members, K classes

import logging
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.display import command_line, markdown, markdown_code, visible
from rnnnlp.errors import UserError, dashed, option
from rnnnlp.files import write_atomically
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.tasks.sentiment.bundled import model_folder
from rnnnlp.tasks.sentiment.config import EnsembleOptions, SentimentTraining
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.evaluate import document_logits, refuse_seen
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.predictor import Predictor
from rnnnlp.text import Classes, LabelledSplit, ReadOptions, load_labelled
from rnnnlp.text.given import labelled_rows, refuse_names_of_files
from rnnnlp.text.labelled import HELD_OUT
from rnnnlp.text.sources import find_source
from rnnnlp.training.calibration import stacking_weights
from rnnnlp.training.data_places import are_own_data, find_data, refuse_data_of_run
from rnnnlp.training.metrics import classification_metrics
from rnnnlp.training.model_folder import CARD, CONFIG, MEMBERS, training_of
from rnnnlp.training.progress import no_bar
from rnnnlp.training.run_folder import RunFolder

log = logging.getLogger(__name__)


def make_ensemble(
    options: EnsembleOptions,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    given: Sequence[Any] | None = None,
) -> Ensemble:
    """Makes an ensemble of the classifiers in the folders `options.runs` and writes it into the new folder `out`.

    The weights are fitted on the validation texts of `options.data`, by default the data of the first run; on all of
    data that trained no run and have no such split. Runs whose weight is 0 are left out.

    Args:
        options: The runs, and the data.
        out: The new folder.
        overwrite: Whether to replace a run that is in it.
        given: Texts and labels to be used instead of the data.

    Raises:
        UserError: If a run is not a classifier, their labels differ, or none is better than chance.
    """
    options = options.changed(runs=tuple(map(os.path.expanduser, options.runs)))
    members, trainings = load_members(options.runs)
    their_own = False
    if given is None:
        data = options.data or trainings[0].get("data")
        for member, training in zip(options.runs, trainings, strict=True):
            refuse_seen(data, training, Path(member))
            their_own |= data is None or are_own_data(data, training, Path(member))
    options = on_the_data_of(trainings[0], options)
    for run in (Path(os.path.realpath(run)) for run in options.runs):
        if Path(os.path.realpath(os.path.expanduser(out))) in (run, *run.parents):
            raise UserError(
                f"{option('out')} {out} is, or holds, one of the runs of the ensemble; give the name of a new folder"
            )
    if given is None:
        refuse_data_of_run(options.data, out)
    with RunFolder.create(out, overwrite=overwrite, to_resume=False) as folder:
        classes = members[0].classes
        split = validation_texts(options, classes, hold_out=their_own) if given is None else given_texts(given, classes)
        logits = logits_of_each(members, split.texts)
        weights = stacking_weights(logits, split.labels)
        kept = np.flatnonzero(weights)
        if not len(kept):
            raise UserError(
                f"{options.data}: on its validation texts none of {', '.join(options.runs)} is better than chance; "
                "give runs that were trained on such texts, or train them longer"
            )
        ensemble = Ensemble([members[m] for m in kept], weights[kept], [trainings[m] for m in kept])
        rows = [
            {"run": run, "data": training.get("data"), "weight": float(weight), **figures(member, z, split)}
            for run, training, weight, member, z in zip(options.runs, trainings, weights, members, logits, strict=True)
        ]
        together = figures(ensemble, ensemble.mean([logits[m] for m in kept]), split)
        log_figures(options, rows, together)
        with folder.replacement() as new:
            ensemble.write(new.path, training=options.to_mapping())
            write_atomically(new.path / CARD, ensemble_card(options, rows, together).encode(), sync=False)
    return ensemble


def load_members(runs: Sequence[str]) -> tuple[list[SentimentNetwork], list[dict[str, Any]]]:
    """The classifiers in folders, and how they were trained.

    Raises:
        UserError: Unless they have the same labels.
    """
    members: list[SentimentNetwork] = []
    trainings = []
    for run in runs:
        member = load_predictor(run)
        if isinstance(member, Ensemble):
            raise UserError(f"{run} is an ensemble itself; give its members, {run}/{MEMBERS}/0 and so on, instead")
        if member.labels != (labels := [*members, member][0].labels):
            raise UserError(
                f"{run} has the labels {', '.join(member.labels)} and {runs[0]} has {', '.join(labels)}; "
                "they must be the same in the same order: give runs that were trained on the same labels"
            )
        training = training_of(model_folder(run))
        if training:
            SentimentTraining.from_mapping(training, str(Path(run) / CONFIG))
        members.append(member)
        trainings.append(training)
    return members, trainings


def on_the_data_of(training: dict[str, Any], options: EnsembleOptions) -> EnsembleOptions:
    """The options with data, and with the columns of the training where no others are given."""
    own = training.get("data")
    of_its_own = options.data in (None, own)
    if options.data is None:
        options = options.changed(data=find_data(training, Path(options.runs[0])))
    names = ("text_column", "label_column", *(("encoding", "quoting") if of_its_own else ()))
    inherited = {name: training.get(name) for name in names}
    return options.changed(
        **{name: value for name, value in inherited.items() if value and is_left_open(options, name)}
    )


def is_left_open(options: EnsembleOptions, name: str) -> bool:
    return getattr(options, name) == EnsembleOptions.__dataclass_fields__[name].default


def validation_texts(options: EnsembleOptions, classes: Classes, *, hold_out: bool) -> LabelledSplit:
    """The texts that the weights are fitted on: the validation split of the data.

    Args:
        options: The data, and how they are read.
        classes: Those of the members.
        hold_out: Whether a part of the training texts is that split where there is none, as in the members' training;
            else it is then all texts of train or, of data without train, those of test.
    """
    reading, spec = ReadOptions.of(options), options.data or ""
    fraction = HELD_OUT if hold_out else 0.0
    splits = find_source(spec, reading, rows=True).splits
    name = "validation" if hold_out else next(name for name in ("validation", "train", "test") if name in splits)
    data = load_labelled(spec, reading, splits=(name,), classes=classes, validation_fraction=fraction)
    split = data.splits[name]
    if not split.texts:
        raise UserError(f"{options.data}: there is no text to fit weights on; give data with two or more of a class")
    return split


def given_texts(given: Sequence[Any], classes: Classes) -> LabelledSplit:
    """The pair (texts, labels) that Python gave."""
    if len(given) != 2:
        raise UserError(f"data has {len(given)} elements; it must be a name, or a pair (texts, labels)")
    rows = labelled_rows(*given)
    if not rows.texts:
        raise UserError("data has no text with a label; to fit weights there must be one")
    refuse_names_of_files(rows.texts, "data")
    return LabelledSplit(rows.texts, classes.indices(rows.labels, "data"))


def logits_of_each(members: Sequence[SentimentNetwork], texts: Sequence[str]) -> list[np.ndarray]:
    """The logits of each member, `(n, K)`."""
    from tqdm import tqdm

    with tqdm(total=len(members) * len(texts), unit=" texts", desc="validation", disable=no_bar()) as bar:
        return [document_logits(member, texts, on_progress=bar.update) for member in members]


def figures(predictor: Predictor, logits: np.ndarray, split: LabelledSplit) -> dict[str, Any]:
    """Accuracy, calibrated loss and calibration error of a classifier that has these logits `(n, K)`."""
    of_all = classification_metrics(predictor.probabilities(logits), split.labels, predictor.labels)
    loss_sum, count, _ = softmax_cross_entropy(logits / predictor.temperature, split.labels)
    return {
        "accuracy": of_all["accuracy"],
        "loss": loss_sum / count,
        "expected_calibration_error": of_all["expected_calibration_error"],
        "examples": of_all["examples"],
    }


def log_figures(options: EnsembleOptions, rows: Sequence[dict[str, Any]], together: dict[str, Any]) -> None:
    """Logs a line for each member and one for the ensemble."""
    for row in rows:
        line = "%s: weight %s; alone: accuracy %.4f, calibrated loss %.4f"
        log.info(line, row["run"], weight_of(row), row["accuracy"], row["loss"])
    log.info(
        "ensemble: accuracy %.4f, loss %.4f, expected calibration error %.4f on the %d validation texts of %s. "
        "The weights were fitted to these texts: figures on other texts are a little worse",
        *(together["accuracy"], together["loss"], together["expected_calibration_error"], together["examples"]),
        options.data,
    )


def ensemble_card(options: EnsembleOptions, rows: Sequence[dict[str, Any]], together: dict[str, Any]) -> str:
    """The model card.

    Args:
        options: Of the ensemble.
        rows: The run, its weight and its figures, for each member.
        together: The figures of the ensemble.
    """
    words = ["rnnnlp", "ensemble", *options.runs, "--out", "RUN"]
    for name in ("data", *(f.name for f in fields(ReadOptions))):
        if not is_left_open(options, name) and (value := getattr(options, name)):
            words += [dashed(name), value]
    data = markdown_code(options.data)
    members = "\n".join(
        f"| {markdown(row['run'])} | {markdown(row['data'] or 'not known')} | {weight_of(row)} "
        f"| {row['accuracy']:.4f} | {row['loss']:.4f} |"
        for row in rows
    )
    return f"""# Ensemble of sentiment classifiers

An ensemble of separately trained classifiers, made by rnnnlp: their logits are added with stacking weights.

    {visible(command_line(*words))}

Use it with

    rnnnlp predict RUN "a text" "another text"

## Figures on validation

These are of the {together["examples"]:,} texts of {data} to which the weights were fitted; on
other texts they are a little worse. For the figures of texts that nothing was fitted to, run
`rnnnlp evaluate RUN --data OTHER`.

| run | trained on | weight | accuracy | loss, calibrated |
| --- | --- | --- | --- | --- |
{members}
| ensemble | | | {together["accuracy"]:.4f} | {together["loss"]:.4f} |

The expected calibration error of the ensemble is {together["expected_calibration_error"]:.4f}.
"""


def weight_of(row: dict[str, Any]) -> str:
    """The weight of a run in an ensemble, for a person."""
    return f"{row['weight']:.4g}" if row["weight"] else "0 (left out)"
