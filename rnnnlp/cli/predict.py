"""rnnnlp predict RUN."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.highlight import colours_wanted, highlighted, strongest
from rnnnlp.cli.output import shorten

if TYPE_CHECKING:
    from rnnnlp.models.classifier import Contribution


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a trained classifier")
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="texts to classify (default: the lines of standard input)"
    )
    parser.add_argument(
        "--file", metavar="FILE", help="classify what is in a txt (a text a line), csv, tsv, jsonl or parquet file"
    )
    parser.add_argument("--text-column", help="the column with the texts, if its name is not a usual one")
    parser.add_argument(
        "--json", metavar="FILE", help="write a JSON object for each text, on a line each; - for standard output"
    )
    parser.add_argument(
        "--explain", action="store_true", help="show the words that spoke for each decision, and those against it"
    )
    parser.add_argument(
        "--threshold",
        metavar="LABEL=P",
        help="choose LABEL from the probability P on, not where it is the most probable (see evaluate --threshold)",
    )
    parser.add_argument("--backend", default=None, help="auto or numpy")
    parser.add_argument("--threads", type=int, help="processor threads to use")


def run(options: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from rnnnlp.errors import UserError
    from rnnnlp.models.classifier import CHUNK
    from rnnnlp.models.committee import load_classifier
    from rnnnlp.models.threshold import Threshold
    from rnnnlp.text import load_plain_texts
    from rnnnlp.training.fit import use_backend

    if options.texts and options.file:
        raise UserError("texts and --file are both given; give one of them")
    if options.texts and options.text_column is not None:
        raise UserError(f"--text-column is {options.text_column}, and the texts are given; leave it out")
    use_backend(options.backend, options.threads)
    model = load_classifier(options.run_folder)
    threshold = Threshold.parse(options.threshold, model.labels) if options.threshold is not None else None
    texts = options.texts or load_plain_texts(options.file or "-", text_column=options.text_column)
    try:
        to_file = options.json not in (None, "-")
        output = open(options.json, "w", encoding="utf-8") if to_file else nullcontext(sys.stdout)  # noqa: SIM115
    except OSError as error:
        raise UserError(f"--json {options.json} cannot be written ({error.strerror}); give another path") from None
    coloured = colours_wanted(sys.stdout)
    with output as file:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            probabilities = model.predict_proba(chunk)  # (chunk, K)
            decisions = threshold.decide(probabilities) if threshold else probabilities.argmax(axis=1)  # (chunk,)
            explanations = model.explain(chunk, decisions) if options.explain else [None] * len(chunk)
            for text, p, k, words in zip(chunk, probabilities, decisions, explanations, strict=True):
                if options.json:
                    print(as_json(text, model.labels, p, k, words), file=file)
                else:
                    print(as_lines(text, model.labels, p, k, words, coloured=coloured), file=file)
    return 0


def as_json(text: str, labels: Sequence[str], p: Any, k: int, words: "list[Contribution] | None") -> str:
    """What is said of `text`, whose probabilities are `p (K,)`, class `k` chosen, as a line of JSON."""
    said: dict[str, Any] = {
        "text": text,
        "label": labels[k],
        "probabilities": {label: round(float(q), 6) for label, q in zip(labels, p, strict=True)},
    }
    if words is not None:
        said["words"] = [
            {"start": start, "end": stop, "text": text[start:stop], "weight": round(weight, 6)}
            for start, stop, weight in words
        ]
    return json.dumps(said, ensure_ascii=False)


def as_lines(
    text: str, labels: Sequence[str], p: Any, k: int, words: "list[Contribution] | None", *, coloured: bool
) -> str:
    """The same for a person: a line, and below it the strongest words if there are any."""
    shown = highlighted(text, words) if words and coloured else shorten(text)
    below = f"\n\t{strongest(text, words)}" if words else ""
    return f"{labels[k]}\t{p[k]:.4f}\t{shown}{below}"
