"""rnnnlp predict."""

import argparse
import difflib
import io
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rnnnlp.cli.highlight import colours_wanted, highlighted, strongest
from rnnnlp.cli.many_files import add_files_options, files_to_do, require_files
from rnnnlp.cli.options import add_backend_options, add_reading_options, with_backend
from rnnnlp.cli.output import output_file, refuse_input, show, show_json
from rnnnlp.cli.to_label import check_uncertain, write_uncertain
from rnnnlp.errors import UserError, dashed, option

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.explain import Contribution
    from rnnnlp.tasks.sentiment.predictor import Inference, Predictor
    from rnnnlp.tasks.sentiment.threshold import Threshold
    from rnnnlp.text import Classes

NO_TEXT = "(no text)"  # in place of the label of a row without a text
MOST_HELD = 10_000  # texts without a letter before the first one that has some
HARDLY_KNOWN = 0.3  # share of unknown words; 1 of 150 English sentences has more, and nearly all of other languages

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "rnnnlp predict [RUN] [TEXT ...] [options]"
    parser.epilog = (
        "The first argument is RUN if it names a folder or a bundled model. Without RUN and --model, each text gets "
        "the bundled model for its writing system; 'rnnnlp models' lists them."
    )
    parser.add_argument(
        "texts",
        nargs="*",
        metavar="RUN, TEXT",
        help="run folder of a trained classifier or an ensemble, or the name of a bundled model; and the texts to "
        "classify (default, and for -: each line of standard input)",
    )
    parser.add_argument(
        "--model",
        metavar="RUN",
        help="classify with this run, bundled model or model on the Hub (owner/name, owner/name@revision); then all "
        "arguments are texts",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="classify the texts of a csv, tsv, json or parquet file, or each line of a txt file; it may be "
        "compressed; - for standard input",
    )
    add_reading_options(parser)
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write labels and class probabilities as JSON, one object per line; - for standard output",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="explain each prediction: show the words for and against it",
    )
    parser.add_argument(
        "--threshold",
        metavar="LABEL=P",
        help="predict LABEL if its probability is at least P (see evaluate --threshold)",
    )
    parser.add_argument(
        "--uncertain",
        type=int,
        metavar="N",
        help="active learning: write the N texts whose labels would teach most, as csv with an empty label column; "
        "from a table, only rows without a label",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the csv file of --uncertain (default: standard output), or the output folder of --files",
    )
    add_files_options(parser, "labels and probabilities as JSON lines")
    add_backend_options(parser)


@dataclass(frozen=True)
class Prediction:
    """What a model says of a text.

    Attributes:
        classes: The K classes of the model.
        p: Their probabilities, `(K,)`.
        k: The predicted class.
        unknown: The share of the words of the text that the model does not know.
        words: The weights of the words, if asked for.
    """

    classes: "Classes"
    p: Any
    k: int
    unknown: float
    words: "list[Contribution] | None"


@with_backend
def run(options: argparse.Namespace) -> int:
    from rnnnlp.tasks.sentiment.bundled import bundled_models, is_bundled, model_folder
    from rnnnlp.text import ReadOptions
    from rnnnlp.text.plain import stream_plain_texts
    from rnnnlp.training.model_folder import trained_columns

    run_folder, given = run_and_texts(options)
    if run_folder is not None and not is_bundled(run_folder):
        run_folder = str(model_folder(run_folder))  # of a model of the Hub its copy
    if given and options.file:
        raise UserError(f"texts and {option('file')} are both given; give one of them")
    for name, value in ReadOptions.given(options).items():
        if given and given != ["-"]:
            raise UserError(f"{option(name)} is {value}, and the texts are given; leave it out")
    if require_files(options, "file", "json", "uncertain", "label_column"):
        if given or run_folder is None:
            raise UserError(f"{option('files')} needs a model, and no texts; give one run before it")
        return predict_files(run_folder, options)
    if given == ["-"]:  # standard input
        given = []
    check_uncertain(options)
    models = Models(run_folder, options.threshold)
    for word in given:
        if os.path.isfile(word):
            raise UserError(f"{word} is the name of a file; to classify its texts, give {option('file')} {word}")
    if options.uncertain is not None:
        if run_folder is None:
            raise UserError(
                f"{option('uncertain')} is {options.uncertain}, and no model is named; give a run, or {option('model')}"
            )
        return write_uncertain(models.opened(run_folder).model, model_folder(run_folder), given, options)
    if not given and options.file in (None, "-") and sys.stdin is not None and sys.stdin.isatty():
        log.info("reading texts from standard input, one on each line; Ctrl-D ends them")
    runs = [str(model_folder(name)) for name in (bundled_models() if run_folder is None else [run_folder])]
    refuse_input("json", options.json, data=[] if given else [options.file or "-"], runs=runs)
    trained = None if run_folder is None else trained_columns(model_folder(run_folder))
    batches = [given] if given else stream_plain_texts(options.file or "-", ReadOptions.of(options), trained)
    write_predictions(models, batches, options)
    return 0


def predict_files(run_folder: str, options: argparse.Namespace) -> int:
    """Writes what the model says of each of `--files` into a file of its own; returns the exit code."""
    from rnnnlp.tasks.sentiment.bundled import model_folder
    from rnnnlp.text import ReadOptions
    from rnnnlp.text.plain import stream_plain_texts
    from rnnnlp.training.model_folder import trained_columns, version_of_weights

    folder = model_folder(run_folder)
    version = version_of_weights(folder)
    models, reading, trained = Models(run_folder, options.threshold), ReadOptions.of(options), trained_columns(folder)
    for file, output in files_to_do(options, ".jsonl", folder, version, "threshold", "explain"):
        options.json = str(output)
        write_predictions(models, stream_plain_texts(file, reading, trained), options)
    return 0


def write_predictions(models: "Models", batches: Iterable[Sequence[str | None]], options: argparse.Namespace) -> None:
    """Writes what the models say of the texts, each batch as soon as it was read; warns of what to doubt."""
    from rnnnlp.training.signals import Interrupted, signals_noted

    coloured = colours_wanted(sys.stdout)
    number = missing = hardly_known = 0
    with text_output(options.json, whole=options.files is not None) as file:
        for batch in models.ready(batches):
            found = models.predictions(batch, explain=options.explain)
            number, missing = number + len(batch), missing + batch.count(None)
            hardly_known += sum(prediction.unknown > HARDLY_KNOWN for prediction in found.values())
            with signals_noted() as signals:  # so that lines are written whole
                for i, text in enumerate(batch):
                    if options.json:
                        show_json(as_json(text, found.get(i), options.explain), file)
                    else:
                        for fields in as_lines(text, found.get(i), coloured=coloured):
                            show(*fields)
                file.flush()
            if signals:
                raise Interrupted(signals[0])
    if missing:
        log.warning("%d of the %d rows have no text, and so no prediction", missing, number)
    if hardly_known:
        which = "this text" if number == 1 else f"{hardly_known} of {number} texts"
        log.warning("the model does not know many of the words of %s, so do not rely on its predictions", which)


@dataclass(frozen=True)
class OpenedModel:
    """A model, what reads texts for it, and the threshold for its labels, if one was asked for."""

    model: "Predictor"
    infer: "Inference"
    threshold: "Threshold | None"

    def predictions(self, texts: Sequence[str], *, explain: bool) -> Iterator[Prediction]:
        """What the model says of each of the texts."""
        if not texts:
            return
        model, threshold = self.model, self.threshold
        probabilities, unknown_shares = model.probabilities_and_unknown(texts, self.infer)  # (n, K), (n,)
        decisions = threshold.decide(probabilities) if threshold else probabilities.argmax(axis=1)  # (n,)
        explanations = model.explain_decisions(texts, decisions) if explain else [None] * len(texts)
        for p, k, unknown, words in zip(probabilities, decisions, unknown_shares, explanations, strict=True):
            yield Prediction(model.classes, p, int(k), float(unknown), words)


class Models:
    """The models that classify: the one that is named, or for each text the bundled one that its script chooses.

    Args:
        name: A run folder or the name of a bundled model, which is opened at once; None for all bundled models, each of
            which is opened when a text needs it.
        threshold: That of `--threshold`.
    """

    def __init__(self, name: str | None, threshold: str | None):
        self._name, self._threshold = name, threshold
        self._opened: dict[str, OpenedModel] = {}
        self._numbers: Counter[str] = Counter()  # of the texts that each bundled model was chosen for
        if name is not None:
            self.opened(name)

    def opened(self, name: str) -> "OpenedModel":
        from rnnnlp.tasks.sentiment.ensemble import load_predictor
        from rnnnlp.tasks.sentiment.threshold import Threshold

        if name not in self._opened:
            model = load_predictor(name)
            asked = self._threshold
            threshold = None if asked is None else Threshold.parse(asked, model.labels)
            self._opened[name] = OpenedModel(model, model.inference(), threshold)
        return self._opened[name]

    def ready(self, batches: Iterable[Sequence[str | None]]) -> Iterator[Sequence[str | None]]:
        """The batches; the first ones as one, until a letter in them can choose a model."""
        first: list[str | None] = []
        iterator = iter(batches)
        for batch in iterator:
            first += batch
            if self._name is not None or any(map(str.isalpha, "".join(filter(None, batch)))) or len(first) > MOST_HELD:
                break
        if first:
            yield first
        yield from iterator

    def predictions(self, texts: Sequence[str | None], *, explain: bool) -> dict[int, Prediction]:
        """What the models say of the texts, by their index; nothing of a missing one."""
        names = self._chosen(texts)
        found: dict[int, Prediction] = {}
        for name in dict.fromkeys(names):
            own = {i: text for i, text in enumerate(texts) if text is not None and names[i] == name}
            found |= zip(own, self.opened(name).predictions(list(own.values()), explain=explain), strict=True)
        return found

    def _chosen(self, texts: Sequence[str | None]) -> list[str]:
        """The model of each text. It is said when a bundled one is chosen for the first time."""
        from rnnnlp.tasks.sentiment.bundled import bundled_models, models_for

        if self._name is not None:
            return [self._name] * len(texts)
        names, models = models_for(texts, self._numbers), bundled_models()
        if new := [f"{name} ({models[name].language})" for name in dict.fromkeys(names) if not self._numbers[name]]:
            log.info("bundled model: %s; %s RUN chooses another", ", ".join(new), dashed("model"))
        self._numbers.update(names)
        return names


def run_and_texts(options: argparse.Namespace) -> tuple[str | None, list[str]]:
    """The run, None if bundled models are to be chosen, and the texts that were given.

    Raises:
        UserError: If the first word is not a run, and is more likely a mistyped one than a text.
    """
    from rnnnlp.tasks.sentiment.bundled import bundled_models

    words: list[str] = options.texts
    if options.model is not None:
        return options.model, words
    models = bundled_models()
    if words and (os.path.isdir(words[0]) or words[0] in models):
        return words[0], words[1:]
    if not models:
        if words:
            return words[0], words[1:]  # which is refused when it is opened
        raise UserError("no model is bundled with this installation; give the run folder of a trained classifier")
    if words and (options.file or looks_like_run(words[0], words[1:], models)):
        raise UserError(
            f"{words[0]} is not a folder; give the folder of a trained model, or, if it is a text, also "
            f"{option('model')} with the name of a bundled one: {', '.join(models)}; a model of the Hub is named by "
            f"{option('model')} too"
        )
    return None, words


def looks_like_run(word: str, others: Sequence[str], models: Iterable[str]) -> bool:
    """Whether the first word is more likely a mistyped run than a text.

    It is if it begins as a path, or is in a folder that exists. A word of ASCII without a space also is if it looks
    like a path or almost like a bundled model, or sentences follow it; a text in Chinese or Thai has no spaces either.
    """
    if os.path.isfile(word):
        return False  # said elsewhere
    if re.search(r"\s", word) or not word.isascii():
        return bool(re.match(r"~[^/\\\s]*[/\\]|\.{0,2}[/\\]|[A-Za-z]:[/\\]", word)) or os.path.isdir(
            os.path.dirname(word)
        )
    if re.search(r"[/\\_]|\.\w", word) or difflib.get_close_matches(word.lower(), models, 1, 0.75):
        return True
    return any(re.search(r"\s", other) for other in others)


@contextmanager
def text_output(path: str | None, *, whole: bool = False) -> Iterator[TextIO]:
    """A context that gives the file of `--json`, or standard output.

    A new file keeps what Ctrl-C leaves of it, unless it must be `whole`, on the disk too, or not be there.
    """
    if path in (None, "-"):
        yield sys.stdout
        return
    is_new, stopped = not os.path.lexists(os.path.expanduser(path)), None
    with output_file("out" if whole else "json", path, sync=whole) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        try:
            yield file
        except KeyboardInterrupt as stop:
            if whole or not is_new:
                raise
            stopped = stop
        finally:
            file.detach()  # which flushes, and leaves the file open for who gave it
    if stopped is not None:
        log.info("%s has the predictions so far", path)
        raise stopped


def as_json(text: str | None, prediction: Prediction | None, explain: bool) -> dict[str, Any]:
    """A prediction, to be written as JSON; all its values are None where there is no text."""
    from rnnnlp.tasks.sentiment.predictor import as_fields

    if text is None or prediction is None:
        return dict.fromkeys(("text", "label", "probabilities", "unknown_words", *(("words",) if explain else ())))
    fields = as_fields(prediction.classes, text, prediction.k, prediction.p, prediction.unknown, prediction.words)
    return {"text": text, **fields}


def as_lines(text: str | None, prediction: Prediction | None, *, coloured: bool) -> list[tuple[str, ...]]:
    """A prediction for a person: the fields of a line, and of one with the largest weights below."""
    from rnnnlp.tasks.sentiment.evaluate import shorten

    if text is None or prediction is None:
        return [(NO_TEXT, "", "")]
    words, k = prediction.words, prediction.k
    shown = highlighted(text, words) if words and coloured else shorten(text)
    below = [("", strongest(text, words))] if words else []
    return [(prediction.classes.names[k], f"{prediction.p[k]:.4f}", shown), *below]
