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
from rnnnlp.cli.options import add_backend_options, add_reading_options, with_backend
from rnnnlp.cli.output import output_file, refuse_input, show, show_json
from rnnnlp.cli.to_label import check_uncertain, write_uncertain
from rnnnlp.errors import UserError, dashed, option

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.explain import Contribution
    from rnnnlp.tasks.sentiment.predictor import Predictor
    from rnnnlp.tasks.sentiment.threshold import Threshold
    from rnnnlp.text import Classes

NO_TEXT = "(no text)"  # in place of the label of a row without a text
HARDLY_KNOWN = 0.3  # share of unknown words; 1 of 150 English sentences has more, and nearly all of other languages

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "rnnnlp predict [RUN] [TEXT ...] [options]"
    parser.epilog = (
        "The first word is RUN if there is such a folder, or a bundled model has that name. Without RUN and --model, "
        "the script of each text chooses a bundled model; 'rnnnlp models' lists these."
    )
    parser.add_argument(
        "texts",
        nargs="*",
        metavar="RUN, TEXT",
        help="run folder of a trained classifier or an ensemble, or the name of a bundled model; and the texts to "
        "classify (default: each line of standard input)",
    )
    parser.add_argument(
        "--model",
        metavar="RUN",
        help="classify with this bundled model or run; then each word is a text",
    )
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="classify the texts of a csv, tsv, json or parquet file, or each line of a txt file; it may be compressed",
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
        help="write the N texts whose labels would teach most, as csv with an empty label column; of a table, only "
        "rows without a label",
    )
    parser.add_argument("--out", metavar="FILE", help="the csv file of --uncertain (default: standard output)")
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
    from rnnnlp.tasks.sentiment.bundled import model_folder
    from rnnnlp.tasks.sentiment.predictor import CHUNK
    from rnnnlp.text import ReadOptions, load_plain_texts

    run_folder, given = run_and_texts(options)
    if given and options.file:
        raise UserError(f"texts and {option('file')} are both given; give one of them")
    for name, value in ReadOptions.given(options).items():
        if given:
            raise UserError(f"{option(name)} is {value}, and the texts are given; leave it out")
    check_uncertain(options)
    models = {} if run_folder is None else {run_folder: opened(run_folder, options.threshold)}
    for word in given:
        if os.path.isfile(word):
            raise UserError(f"{word} is the name of a file; to classify its texts, give {option('file')} {word}")
    if options.uncertain is not None:
        if run_folder is None:
            raise UserError(
                f"{option('uncertain')} is {options.uncertain}, and no model is named; give a run, or {option('model')}"
            )
        return write_uncertain(models[run_folder][0], model_folder(run_folder), given, options)
    if not given and not options.file and sys.stdin is not None and sys.stdin.isatty():
        log.info("reading texts from standard input, one on each line; Ctrl-D ends them")
    texts: Sequence[str | None] = given or load_plain_texts(options.file or "-", ReadOptions.of(options))
    names = chosen_models(texts) if run_folder is None else [run_folder] * len(texts)
    models |= {name: opened(name, options.threshold) for name in dict.fromkeys(names) if name not in models}
    runs = [str(model_folder(name)) for name in models]
    refuse_input("json", options.json, data=[] if given else [options.file or "-"], runs=runs)
    coloured = colours_wanted(sys.stdout)
    hardly_known = 0
    with text_output(options.json) as file:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            found: dict[int, Prediction] = {}
            for name, (model, threshold) in models.items():
                own = {i: text for i, text in enumerate(chunk) if text is not None and names[start + i] == name}
                of_model = predictions(model, list(own.values()), threshold, explain=options.explain)
                found |= zip(own, of_model, strict=True)
            hardly_known += sum(prediction.unknown > HARDLY_KNOWN for prediction in found.values())
            for i, text in enumerate(chunk):
                if options.json:
                    show_json(as_json(text, found.get(i)), file)
                else:
                    for fields in as_lines(text, found.get(i), coloured=coloured):
                        show(*fields)
    if missing := texts.count(None):
        log.warning("%d of the %d rows have no text, and so no prediction", missing, len(texts))
    if hardly_known:
        which = "this text" if len(texts) == 1 else f"{hardly_known} of {len(texts)} texts"
        log.warning("the model does not know many of the words of %s, so do not rely on what it says of them", which)
    return 0


def opened(run: str, threshold: str | None) -> "tuple[Predictor, Threshold | None]":
    """The classifier in a run folder or of a bundled name, and the threshold that was asked for."""
    from rnnnlp.tasks.sentiment.ensemble import load_predictor
    from rnnnlp.tasks.sentiment.threshold import Threshold

    model = load_predictor(run)
    return model, None if threshold is None else Threshold.parse(threshold, model.labels)


def run_and_texts(options: argparse.Namespace) -> tuple[str | None, list[str]]:
    """The run, None if bundled models are to be chosen, and the texts that were given.

    Raises:
        UserError: If the first word is no run, and is more likely a mistyped one than a text.
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
            f"{option('model')} with the name of a bundled one: {', '.join(models)}"
        )
    return None, words


def looks_like_run(word: str, others: Sequence[str], models: Iterable[str]) -> bool:
    """Whether the first word is more likely a mistyped run than a text.

    It is if it has no space and looks like a path or almost like a bundled model, or sentences follow it; or if it is
    in a folder that exists.
    """
    if os.path.isfile(word):
        return False  # said elsewhere
    if re.search(r"\s", word):
        return bool(re.match(r"~|\.{0,2}[/\\]|[A-Za-z]:[/\\]", word)) or os.path.isdir(os.path.dirname(word))
    if re.search(r"[/\\_]|\.\w", word) or difflib.get_close_matches(word.lower(), models, 1, 0.75):
        return True
    return word.isascii() and any(re.search(r"\s", other) for other in others)


def chosen_models(texts: Sequence[str | None]) -> list[str]:
    """For each text the bundled model that is chosen for it, which is said once."""
    from rnnnlp.tasks.sentiment.bundled import bundled_models, models_for

    names = models_for(texts)
    models, numbers = bundled_models(), Counter(names)
    said = [f"{name} ({models[name].language})" for name in numbers]
    if len(numbers) > 1:
        said = [f"{which} for {numbers[name]} texts" for which, name in zip(said, numbers, strict=True)]
    if said:
        log.info("bundled model: %s; %s RUN chooses another", ", ".join(said), dashed("model"))
    return names


def predictions(
    model: "Predictor", texts: Sequence[str], threshold: "Threshold | None", *, explain: bool
) -> Iterator[Prediction]:
    """What a model says of each of the texts."""
    if not texts:
        return
    probabilities, unknown_shares = model.judge(texts)  # (n, K), (n,)
    decisions = threshold.decide(probabilities) if threshold else probabilities.argmax(axis=1)  # (n,)
    labels = [model.classes.labels[k] for k in decisions]
    explanations = model.explain(texts, labels) if explain else [None] * len(texts)
    for p, k, unknown, words in zip(probabilities, decisions, unknown_shares, explanations, strict=True):
        yield Prediction(model.classes, p, int(k), float(unknown), words)


@contextmanager
def text_output(path: str | None) -> Iterator[TextIO]:
    """A context that gives the file of `--json`, or standard output."""
    if path in (None, "-"):
        yield sys.stdout
        return
    with output_file("json", path) as binary, io.TextIOWrapper(binary, encoding="utf-8", newline="") as file:
        yield file


def as_json(text: str | None, prediction: Prediction | None) -> dict[str, Any]:
    """A prediction, to be written as JSON; where there is no text, there are no label and probabilities."""
    if text is None or prediction is None:
        return {"text": None, "label": None, "probabilities": None}
    names = prediction.classes.names
    fields: dict[str, Any] = {
        "text": text,
        "label": prediction.classes.labels[prediction.k],
        "probabilities": {name: round(float(q), 6) for name, q in zip(names, prediction.p, strict=True)},
        "unknown_words": round(prediction.unknown, 4),
    }
    if prediction.words is not None:
        fields["words"] = [
            {"start": start, "end": stop, "text": text[start:stop], "weight": round(weight, 6)}
            for start, stop, weight in prediction.words
        ]
    return fields


def as_lines(text: str | None, prediction: Prediction | None, *, coloured: bool) -> list[tuple[str, ...]]:
    """A prediction for a person: the fields of a line, and of one with the largest weights below."""
    from rnnnlp.tasks.sentiment.evaluate import shorten

    if text is None or prediction is None:
        return [(NO_TEXT, "", "")]
    words, k = prediction.words, prediction.k
    shown = highlighted(text, words) if words and coloured else shorten(text)
    below = [("", strongest(text, words))] if words else []
    return [(prediction.classes.names[k], f"{prediction.p[k]:.4f}", shown), *below]
