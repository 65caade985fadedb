"""rnnnlp evaluate RUN."""

import argparse
import json
import logging
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rnnnlp.cli.many_files import add_files_options, files_to_do, outputs_of_files, part_of_files, require_files
from rnnnlp.cli.options import add_backend_options, add_reading_options, with_backend
from rnnnlp.cli.output import refuse_input, require_writable, show, write_json
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from rnnnlp.text import ReadOptions
    from rnnnlp.training.model_folder import SavedModel
    from rnnnlp.training.task import Evaluation, Task

SHOWN_MISTAKES = 5

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_folder",
        metavar="RUN",
        help="the folder of a trained model, the name of a bundled model, or a model on the Hub (owner/name)",
    )
    parser.add_argument(
        "--data",
        action="append",
        help="data to evaluate on, as for train --data (default: the data that the model was trained on); repeat it "
        "for a table",
    )
    parser.add_argument(
        "--split",
        help="train, validation, test or all. The default is validation for the data that the model was trained on, "
        "and with --baseline; for other data it is validation or test if they have one, else all",
    )
    parser.add_argument(
        "--weights", choices=("best", "last"), default="best", help="the best or the last weights (default: best)"
    )
    add_reading_options(parser)
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the figures as a JSON object, or a list of one per data set; - for standard output. With "
        "--files: those of all files together",
    )
    parser.add_argument(
        "--mistakes", type=int, metavar="N", help="classifiers: number of most confident mistakes to show (default: 5)"
    )
    parser.add_argument(
        "--threshold",
        metavar="LABEL[=P]",
        help="classifiers: predict LABEL where its probability is at least P; without P, show a table of thresholds",
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="classifiers: compare with a linear model, TF-IDF or NB-SVM, trained on the texts of each data set",
    )
    parser.add_argument(
        "--dynamic",
        action="store_true",
        help="language models: dynamic evaluation; the model keeps learning from the text that it has just predicted",
    )
    parser.add_argument(
        "--dynamic-lr",
        type=float,
        metavar="X",
        help="learning rate of dynamic evaluation (default: chosen from gradients on the training text)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="with --files: the folder for the figures")
    add_files_options(parser, "the figures of each as JSON")
    add_backend_options(parser)


class ModelSource(NamedTuple):
    """Where a model is, and how it was trained.

    Attributes:
        place: Where it is, as the user gave it.
        folder: The folder of the weights: a run, one of its checkpoints, or a bundled model.
        task: What it does.
        training: How it was trained.
        members: The folders of the members of an ensemble, and how each was trained.
    """

    place: Path
    folder: Path
    task: "Task"
    training: dict[str, Any]
    members: list[tuple[Path, Mapping[str, Any]]]


@with_backend
def run(options: argparse.Namespace) -> int:
    from rnnnlp.training.data_places import find_data

    source = source_of(options)
    in_files = require_files(options, "data", "baseline", "dynamic", "dynamic_lr", "mistakes")
    if options.out is not None and not in_files:
        raise UserError(f"{option('out')} means nothing without {option('files')}; leave it out")
    if not (options.data or in_files) or options.dynamic:
        remedy = f"leave out {option('dynamic')}, which reads them" if options.dynamic else ""
        if options.dynamic and not options.data:
            remedy += f", and give {option('data')}"
        source.training["data"] = find_data(source.training, source.place, remedy=remedy)
    if in_files:
        evaluate_files(options, source)
    else:
        evaluate_data_sets(options, source)
    return 0


def source_of(options: argparse.Namespace) -> ModelSource:
    """Where the model is that the options of `evaluate` or `export` name.

    Raises:
        UserError: If it is damaged, or an option means nothing for its type.
    """
    from rnnnlp.tasks import task_of
    from rnnnlp.tasks.sentiment.bundled import model_folder
    from rnnnlp.tasks.sentiment.evaluate import trainings_of_members
    from rnnnlp.training.model_folder import read_config
    from rnnnlp.training.run_folder import RunFolder

    folder = model_folder(options.run_folder)
    weights = getattr(options, "weights", "best")
    if weights == "last":
        folder = RunFolder(folder).latest_checkpoint(f"leave out {option('weights')} to measure the best weights")
    config = read_config(folder)
    task = task_of(config["model_type"], folder)
    if weights == "last":
        network = task.network.config_type.from_mapping(config["model"], str(folder / "config.json"))
        # Refuses files that are not of one step; they hold the weights, and three further values for each.
        RunFolder.load_checkpoint(folder, 4 * network.num_parameters)
    training = training_in(config, task, folder)
    require_meaning(options, config["model_type"], task, folder)
    return ModelSource(Path(options.run_folder), folder, task, training, trainings_of_members(folder))


def evaluate_files(options: argparse.Namespace, source: ModelSource) -> None:
    """Writes the figures of each file, and prints those of all together when the last one is measured."""
    from rnnnlp.text import ReadOptions
    from rnnnlp.text.sources import split_to_measure
    from rnnnlp.training.data_places import are_own_data
    from rnnnlp.training.model_folder import version_of_weights
    from rnnnlp.training.task import Evaluation

    asked = Evaluation(**ReadOptions.given(options), threshold=options.threshold, hold_out=False)
    refuse_input("json", options.json, data=options.files, runs=[options.run_folder])
    outputs = outputs_of_files(options, ".json").values()
    if options.json and os.path.realpath(os.path.expanduser(options.json)) in map(os.path.realpath, outputs):
        raise UserError(f"{option('json')} {options.json} has the figures of one of the files; give another path")
    prints_total = part_of_files(options.part)[0] == 1  # where nothing is left to do, one process prints the total
    version = version_of_weights(source.folder)
    model = source.task.load(source.folder)  # once: a run that trains there changes the weights
    for file, output in files_to_do(options, ".json", source.folder, version, "threshold", "split"):
        reading = reading_of(asked, source.training)
        split = options.split or split_to_measure(file, reading, rows=source.task.has_labels)
        for place, training in ((source.place, source.training), *source.members):
            if split != "validation" and are_own_data(file, training, place):
                log.warning("%s was trained on %s: its figures there are too good", place, file)
        write_json(str(output), measured(source, model, file, split, asked, sums=True), sync=True)
        prints_total = True
    total = total_of_files(options, source.task)
    if total is not None and prints_total:
        show_figures(options, source.task, [total])


def evaluate_data_sets(options: argparse.Namespace, source: ModelSource) -> None:
    """Prints the figures of each data set."""
    from rnnnlp.analysis.linear_baseline import baseline_probabilities
    from rnnnlp.text import ReadOptions
    from rnnnlp.text.sources import find_source, split_to_measure
    from rnnnlp.training.model_folder import version_of_weights
    from rnnnlp.training.task import Evaluation

    data_sets = options.data or [source.training["data"]]
    of_training = [source.training["data"]] if options.dynamic else []
    refuse_input("json", options.json, data=[*data_sets, *of_training], runs=[options.run_folder])
    require_writable("json", options.json)
    mistakes = options.mistakes
    if mistakes is None:  # some of one data set, none of several
        mistakes = SHOWN_MISTAKES if len(data_sets) == 1 else 0
    asked = Evaluation(
        **ReadOptions.given(options),
        mistakes=mistakes,
        threshold=options.threshold,
        baseline=baseline_probabilities if options.baseline else None,
        dynamic=options.dynamic,
        dynamic_lr=options.dynamic_lr,
    )
    for data in data_sets[1:]:  # better now than after the figures of the first one
        find_source(data, reading_of(asked, source.training), rows=source.task.has_labels)
    version = version_of_weights(source.folder)
    model = source.task.load(source.folder)  # once: a run that trains there changes weights, and removes checkpoints
    results = []
    for data in data_sets:
        started = time.monotonic()
        own_data, trained = overlap_with_training(source, data if options.data else None)
        hold_out = options.baseline or trained
        if source.members and own_data:
            log.warning("%s: the weights of the ensemble were fitted to validation texts of these data", data)
        asked = replace(asked, hold_out=hold_out, own_data=own_data)
        split = options.split
        if split is None and hold_out:
            split = "validation"
        elif split is None:
            split = split_to_measure(data, reading_of(asked, source.training), rows=source.task.has_labels)
        figures = measured(source, model, data, split, asked)
        figures["seconds"] = round(time.monotonic() - started, 2)
        if options.json:
            figures |= of_model(options, source.folder, version)
        results.append(figures)
    show_figures(options, source.task, results)


def overlap_with_training(source: ModelSource, data: str | None) -> tuple[bool, bool]:
    """Whether data are among what a model was trained on.

    Args:
        source: The model. An ensemble has data of its own, to which its weights were fitted, and those of its members.
        data: The data; None for those of the training.

    Returns:
        `(own, trained)`. `own`: these are the model's own data. `trained`: the model was trained on them, except for
        the held-out texts.
    """
    from rnnnlp.training.data_places import are_here, are_own_data

    own = data is None or are_own_data(data, source.training, source.place)
    if not source.members:
        return own, own
    place = source.training.get("data") if data is None else data
    for folder, training in source.members:
        trained_on = training.get("data")
        if place and are_own_data(place, training, folder):
            return own, True
        if own and (trained_on is None or not are_here(trained_on)):  # it may be the same under another name
            return own, True
    return own, False


def of_model(options: argparse.Namespace, folder: Path, before: tuple[int, ...]) -> dict[str, Any]:
    """Which weights were measured, and their digest: `push` compares them.

    There is no digest if the folder has had other weights `before`, as that of a run that trains may.
    """
    from rnnnlp.training.model_folder import digest_of_model, version_of_weights
    from rnnnlp.training.push import DIGEST

    digest = digest_of_model(folder)
    return {"weights": options.weights} | ({DIGEST: digest} if version_of_weights(folder) == before else {})


def show_figures(options: argparse.Namespace, task: "Task", results: list[dict[str, Any]]) -> None:
    """Prints the figures of data sets, and writes them where the options say."""
    as_json = results if len(results) > 1 else results[0]
    if options.json != "-":
        for line in task.report(results):
            show(line)
    write_json(options.json, as_json)


def total_of_files(options: argparse.Namespace, task: "Task") -> dict[str, Any] | None:
    """The figures of all files together: sums and counts are added up, and divided once.

    None if a file is not measured yet, or the task gives no sums.
    """
    if task.merged is None:
        return None
    outputs = outputs_of_files(options, ".json").values()
    missing = sum(not output.exists() for output in outputs)
    if missing:
        log.info("%d of %d files are not measured yet; the last process prints the total", missing, len(outputs))
        return None
    splits: dict[str, None] = {}
    total = task.merged(figures_of_files(outputs, splits))
    total |= {"split": ", ".join(splits), "data": f"{len(outputs)} files"}
    return with_threshold(total, options.threshold)


def figures_of_files(outputs: Iterable[Path], splits: dict[str, None]) -> Iterator[dict[str, Any]]:
    """Yields the figures of one file after the other, and adds its split to `splits`."""
    for output in outputs:
        try:
            figures = json.loads(output.read_bytes())
            figures["sums"]
            splits[figures["split"]] = None
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{output} has no figures that can be added up; remove it, and give the same command again"
            ) from None
        yield figures


def training_in(config: Mapping[str, Any], task: "Task", folder: Path) -> dict[str, Any]:
    """How the model of a `config.json` was trained, checked; empty where it does not say."""
    training: dict[str, Any] = config.get("training", {})
    if not training:
        return training
    config_type = task.also_opens.get(config["model_type"], task.training)
    return config_type.from_mapping(training, str(folder / "config.json")).to_mapping()


def require_meaning(options: argparse.Namespace, model_type: str, task: "Task", folder: Path) -> None:
    """UserError for an option of `Evaluation` that means nothing for a model of this type."""
    from rnnnlp.training.task import Evaluation

    for field in fields(Evaluation):
        meant = field.name in (*task.evaluations, "text_column", "encoding", "quoting")
        if not meant and getattr(options, field.name, None) not in (None, False):  # `hold_out` is not an option
            raise UserError(
                f"{option(field.name)} means nothing for models of type {model_type}, as {folder} is; leave it out"
            )


def reading_of(asked: "Evaluation", training: Mapping[str, Any]) -> "ReadOptions":
    """How the data of a model are read; a byte model takes any file."""
    return asked.reading(training).for_tokenizer(training.get("tokenizer"))


def measured(
    source: ModelSource, model: "SavedModel", data: str, split: str, asked: "Evaluation", *, sums: bool = False
) -> dict[str, Any]:
    """The figures of a model on a split, and the names of split and data.

    Args:
        source: Where the model is, and how it was trained.
        model: The model.
        data: What it is measured on.
        split: The split of it.
        asked: What to measure.
        sums: Whether to keep what adds up.

    Raises:
        UserError: If they cannot be measured, or are not finite.
    """
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):  # the figures are checked
        figures = source.task.evaluate(model, source.folder, data, split, source.training, asked)
    if not all(math.isfinite(value) for value in figures.values() if isinstance(value, float)):
        raise UserError(
            f"{source.folder}: its weights are so large that nothing can be measured; restore it, or train again"
        )
    if not sums:
        figures.pop("sums", None)
    return with_threshold(figures | {"split": split, "data": data}, asked.threshold)


def with_threshold(figures: dict[str, Any], threshold: str | None) -> dict[str, Any]:
    """The figures with the threshold that decided the labels; as they are where they have a table of thresholds."""
    return figures if threshold is None or "thresholds" in figures else figures | {"threshold": threshold}
