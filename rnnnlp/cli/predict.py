"""rnnnlp predict RUN."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from rnnnlp.cli.highlight import colours_wanted, highlighted, strongest
from rnnnlp.cli.options import add_backend_options, add_reading_options, with_backend
from rnnnlp.cli.output import output_file, refuse_input, show, show_json
from rnnnlp.cli.to_label import check_uncertain, write_uncertain
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.explain import Contribution
    from rnnnlp.text import Classes

NO_TEXT = "(no text)"  # in place of the label of a row without a text

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="run folder of a trained classifier or an ensemble")
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="texts to classify (default: each line of standard input)"
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


@with_backend
def run(options: argparse.Namespace) -> int:
    from rnnnlp.tasks.sentiment.ensemble import load_predictor
    from rnnnlp.tasks.sentiment.predictor import CHUNK
    from rnnnlp.tasks.sentiment.threshold import Threshold
    from rnnnlp.text import ReadOptions, load_plain_texts

    if options.texts and options.file:
        raise UserError(f"texts and {option('file')} are both given; give one of them")
    for name, value in ReadOptions.given(options).items():
        if options.texts:
            raise UserError(f"{option(name)} is {value}, and the texts are given; leave it out")
    check_uncertain(options)
    model = load_predictor(options.run_folder)
    if options.uncertain is not None:
        return write_uncertain(model, options)
    threshold = Threshold.parse(options.threshold, model.labels) if options.threshold is not None else None
    texts = options.texts or load_plain_texts(options.file or "-", ReadOptions.of(options))
    for text in options.texts:
        if os.path.isfile(text):
            raise UserError(f"{text} is the name of a file; to classify its texts, give {option('file')} {text}")
    refuse_input("json", options.json, data=[] if options.texts else [options.file or "-"], runs=[options.run_folder])
    coloured = colours_wanted(sys.stdout)
    with text_output(options.json) as file:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            probabilities = model.predict_proba(chunk)  # (chunk, K)
            decisions = threshold.decide(probabilities) if threshold else probabilities.argmax(axis=1)  # (chunk,)
            chosen = [model.classes.labels[k] for k in decisions]
            explanations = model.explain(chunk, chosen) if options.explain else [None] * len(chunk)
            for text, p, k, words in zip(chunk, probabilities, decisions, explanations, strict=True):
                if options.json:
                    show_json(as_json(text, model.classes, p, k, words), file)
                else:
                    for fields in as_lines(text, model.labels, p, k, words, coloured=coloured):
                        show(*fields)
    if missing := texts.count(None):
        log.warning("%d of the %d rows have no text, and so no prediction", missing, len(texts))
    return 0


@contextmanager
def text_output(path: str | None) -> Iterator[TextIO]:
    """A context that gives the file of `--json`, or standard output."""
    if path in (None, "-"):
        yield sys.stdout
        return
    with output_file("json", path) as binary, io.TextIOWrapper(binary, encoding="utf-8", newline="") as file:
        yield file


def as_json(text: str | None, classes: "Classes", p: Any, k: int, words: "list[Contribution] | None") -> dict[str, Any]:
    """A prediction, to be written as JSON.

    Args:
        text: The text; where it is None, so are label and probabilities.
        classes: The K classes.
        p: Their probabilities, `(K,)`.
        k: The predicted class.
        words: The weights of the words, if asked for.
    """
    if text is None:
        return {"text": None, "label": None, "probabilities": None}
    prediction: dict[str, Any] = {
        "text": text,
        "label": classes.labels[k],
        "probabilities": {name: round(float(q), 6) for name, q in zip(classes.names, p, strict=True)},
    }
    if words is not None:
        prediction["words"] = [
            {"start": start, "end": stop, "text": text[start:stop], "weight": round(weight, 6)}
            for start, stop, weight in words
        ]
    return prediction


def as_lines(
    text: str | None, labels: Sequence[str], p: Any, k: int, words: "list[Contribution] | None", *, coloured: bool
) -> list[tuple[str, ...]]:
    """A prediction for a person: the fields of a line, and of one with the largest weights below. See `as_json`."""
    from rnnnlp.tasks.sentiment.evaluate import shorten

    if text is None:
        return [(NO_TEXT, "", "")]
    shown = highlighted(text, words) if words and coloured else shorten(text)
    below = [("", strongest(text, words))] if words else []
    return [(labels[k], f"{p[k]:.4f}", shown), *below]
