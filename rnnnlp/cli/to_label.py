"""The texts of `rnnnlp predict --uncertain`, as a csv table to be labelled."""

import argparse
import csv
import io
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.output import output_file, refuse_input, show_text
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.predictor import Predictor
    from rnnnlp.text import Classes

GUESS, MARGIN = "guess", "margin"  # columns beside those of text and label
FORMULA = re.compile(r"[=@]|[+\-](?![\d.]*\Z)")  # what a spreadsheet may take for a formula; -1 stays a number

log = logging.getLogger(__name__)


def check_uncertain(options: argparse.Namespace) -> None:
    """Refuses a number of texts below 1, and options that mean nothing with, or without, `--uncertain`.

    Raises:
        UserError: If one was given.
    """
    from rnnnlp.config import as_given

    asked = options.uncertain is not None
    if options.out is not None and not asked:
        raise UserError(
            f"{option('out')} means nothing without {option('uncertain')} or {option('files')}; to write predictions "
            f"to a file, give {option('json')} FILE"
        )
    for name in ("json", "explain", "threshold") if asked else ("label_column",):
        if getattr(options, name) not in (None, False):
            beside = "beside" if asked else "without"
            raise UserError(f"{option(name)} means nothing {beside} {option('uncertain')}; leave it out")
    if asked and as_given(int, options.uncertain, "uncertain") < 1:
        raise UserError(f"{option('uncertain')} is {options.uncertain}; it must be at least 1")


def write_uncertain(model: "Predictor", run: Path, texts: Sequence[str], options: argparse.Namespace) -> int:
    """Writes the texts whose labels would teach a model most.

    Args:
        model: The model.
        run: Its folder.
        texts: The texts, if they are given as words; else they are those of the file.
        options: Those of the command.

    Returns:
        The exit code.
    """
    from rnnnlp.tasks.sentiment.evaluate import trainings_of_members
    from rnnnlp.tasks.sentiment.uncertain import margins, most_uncertain
    from rnnnlp.text import ReadOptions
    from rnnnlp.text.plain import TextsToLabel, load_texts_to_label
    from rnnnlp.training.data_places import possible_places
    from rnnnlp.training.model_folder import trained_columns, training_of

    source, reading, trained = options.file or "-", ReadOptions.of(options), trained_columns(run)
    trainings = trainings_of_members(run) or [(run, training_of(run))]
    trained_on = [place for folder, training in trainings for place in possible_places(training, folder)]
    refuse_input("out", options.out, data=[*([] if texts else [source]), *trained_on], runs=[str(run)])
    given = TextsToLabel(list(texts)) if texts else load_texts_to_label(source, reading, trained)
    there = [text for text in given.texts if text is not None]
    if not there and given.labelled:
        raise UserError(
            f"{source}: every row has a label in column {given.columns[1]!r}; add rows without one, or name another "
            f"column with {option('label_column')}"
        )
    probabilities = model.predict_proba(there)  # (n, K)
    known = given.labelled | trained_texts(model.classes, run)
    chosen = most_uncertain(there, probabilities, options.uncertain, known=known)
    labels, margin = model.labels, margins(probabilities)
    rows = [(there[i], "", labels[probabilities[i].argmax()], round(float(margin[i]), 4)) for i in chosen.tolist()]
    if formulas := sum(FORMULA.match(cell) is not None for text, _, guess, _ in rows for cell in (text, guess)):
        log.warning(
            "%d texts or labels begin with one of = + - @, which a spreadsheet may take for a formula: import their "
            "columns as text",
            formulas,
        )
    table = as_csv((*given.columns, GUESS, MARGIN), rows)
    if options.out is None:
        show_text(table)
    else:
        with output_file("out", options.out) as file:  # a spreadsheet reads UTF-8 if the file begins with its mark
            file.write(table.encode("utf-8" if table.isascii() else "utf-8-sig", "surrogateescape"))
    return 0


def trained_texts(classes: "Classes", run: Path) -> frozenset[str]:
    """The labelled texts that a run, or the members of an ensemble, were trained on, where they are still there."""
    from rnnnlp.tasks.sentiment.evaluate import trainings_of_members
    from rnnnlp.text import load_labelled
    from rnnnlp.text.sources import find_source
    from rnnnlp.training.data_places import find_data
    from rnnnlp.training.model_folder import training_of
    from rnnnlp.training.task import Evaluation

    if members := trainings_of_members(run):
        return frozenset().union(*(trained_texts(classes, member) for member, _ in members))
    training = training_of(run)
    try:
        data = find_data(training, run, remedy="rows of the file with a label are left out all the same")
        reading = Evaluation(own_data=True).reading(training)
        splits = [split for split in ("train", "validation") if split in find_source(data, reading, rows=True).splits]
        loaded = load_labelled(data, reading, splits=splits, validation_fraction=0, classes=classes)
    except UserError as error:
        log.info("texts that trained the model are not left out: %s", error.command_line)
        return frozenset()
    return frozenset(text for split in loaded.splits.values() for text in split.texts)


def as_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A csv table whose texts come back as they are when it is read."""
    table = io.StringIO(newline="")
    lines = csv.writer(table, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    lines.writerow(head)
    lines.writerows(rows)
    return table.getvalue()
