"""rnnnlp predict RUN."""

import argparse
import json
import sys


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
    parser.add_argument("--backend", default=None, help="auto or numpy")
    parser.add_argument("--threads", type=int, help="processor threads to use")


def run(options: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from rnnnlp.cli.evaluate import shorten
    from rnnnlp.errors import UserError
    from rnnnlp.models.sentiment import CHUNK, SentimentClassifier
    from rnnnlp.text import load_plain_texts
    from rnnnlp.training.fit import use_backend

    if options.texts and options.file:
        raise UserError("texts and --file are both given; give one of them")
    use_backend(options.backend, options.threads)
    model = SentimentClassifier.from_pretrained(options.run_folder)
    texts = options.texts or load_plain_texts(options.file or "-", text_column=options.text_column)
    try:
        to_file = options.json not in (None, "-")
        output = open(options.json, "w", encoding="utf-8") if to_file else nullcontext(sys.stdout)  # noqa: SIM115
    except OSError as error:
        raise UserError(f"--json {options.json} cannot be written ({error.strerror}); give another path") from None
    with output as file:
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            for text, p in zip(chunk, model.predict_proba(chunk), strict=True):
                label = model.config.labels[p.argmax()]
                if options.json:
                    probabilities = {name: round(float(q), 6) for name, q in zip(model.config.labels, p, strict=True)}
                    line = {"text": text, "label": label, "probabilities": probabilities}
                    print(json.dumps(line, ensure_ascii=False), file=file)
                else:
                    print(f"{label}\t{p.max():.4f}\t{shorten(text)}", file=file)
    return 0
