"""rnnnlp evaluate RUN."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError

SHOWN_MISTAKES = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a trained model")
    parser.add_argument("--data", help="what to measure on (default: the data of the training)")
    parser.add_argument("--split", default="validation", help="train, validation or test (default: validation)")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which weights of the run")
    parser.add_argument("--text-column", help="the column with the texts, if its name is not a usual one")
    parser.add_argument("--label-column", help="the column with the labels, if its name is not a usual one")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as a JSON object; - for standard output")
    parser.add_argument(
        "--dynamic",
        action="store_true",
        help="of a language model: it goes on learning from what it has just predicted",
    )
    parser.add_argument("--dynamic-lr", type=float, metavar="X", help="how fast it learns then (default: 0.001)")
    parser.add_argument("--backend", default=None, help="auto or numpy")
    parser.add_argument("--threads", type=int, help="processor threads to use")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.models.model import read_config
    from rnnnlp.training.config import CharLMTraining, SentimentTraining
    from rnnnlp.training.fit import use_backend
    from rnnnlp.training.run_folder import RunFolder

    folder = Path(options.run_folder)
    if options.weights == "last":
        folder = RunFolder(folder).latest_checkpoint()
        RunFolder.load_checkpoint(folder)  # refuses files that are not of one step
    config = read_config(folder)
    training = config.get("training", {})
    if training:
        kind = CharLMTraining if config["model_type"] == "char_lm" else SentimentTraining
        training = kind.from_mapping(training, str(folder / "config.json")).to_mapping()
    if options.dynamic and config["model_type"] != "char_lm":
        raise UserError(f"--dynamic is for language models, and {folder} is a classifier; leave it out")
    if options.dynamic_lr is not None and not options.dynamic:
        raise UserError(f"--dynamic-lr is {options.dynamic_lr} without --dynamic; give both")
    use_backend(options.backend, options.threads)
    data = options.data or training.get("data")
    if data is None:
        raise UserError(f"{folder} does not say what it was trained on; give --data")
    started = time.monotonic()
    evaluate = evaluate_char_lm if config["model_type"] == "char_lm" else evaluate_sentiment
    figures, report = evaluate(folder, data, training, options)
    figures |= {"split": options.split, "data": data, "seconds": round(time.monotonic() - started, 2)}
    if options.json == "-":
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print(report)
        if options.json:
            write_json(options.json, figures)
    return 0


def write_json(path: str, figures: dict[str, Any]) -> None:
    try:
        Path(path).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--json {path} cannot be written ({error.strerror}); give another path") from None


def evaluate_char_lm(folder: Path, data: str, training: dict[str, Any], options: Any) -> tuple[dict[str, Any], str]:
    from tqdm import tqdm

    from rnnnlp.models.char_lm import CharLM
    from rnnnlp.text import encode_corpus, load_corpus
    from rnnnlp.training.dynamic import Learning, dynamic_loss
    from rnnnlp.training.evaluation import language_model_loss
    from rnnnlp.training.metrics import language_model_metrics

    model = CharLM.from_pretrained(folder)
    corpus = load_corpus(
        data,
        text_column=options.text_column or training.get("text_column"),
        document_separator=training.get("document_separator"),
    )
    assert model.tokenizer is not None
    encoded = encode_corpus(corpus, model.tokenizer, splits=(options.split,))
    ids = encoded.ids[options.split]
    with tqdm(total=len(ids) - 1, unit=" tokens", unit_scale=True, desc=options.split, disable=None) as bar:
        if options.dynamic:
            learning = Learning() if options.dynamic_lr is None else Learning(lr=options.dynamic_lr)
            train_ids = encode_corpus(trained_on(folder, training), model.tokenizer, splits=("train",)).ids["train"]
            loss_sum, tokens = dynamic_loss(model, ids, train_ids, learning, on_progress=bar.update)
        else:
            loss_sum, tokens = language_model_loss(model, ids, on_progress=bar.update)
    # The first token is given, not predicted; in characters it counts as one token's share.
    characters = encoded.characters[options.split] * tokens / len(ids)
    figures = language_model_metrics(loss_sum, tokens, characters) | ({"dynamic": True} if options.dynamic else {})
    how = ", learning from it" if options.dynamic else ""
    report = (
        f"{data}, {options.split}{how}: {figures['nats_per_char']:.4f} nats per character, "
        f"{figures['bits_per_char']:.4f} bits per character, perplexity {figures['perplexity']:.3f} "
        f"over {tokens:,} tokens"
    )
    return figures, report


def trained_on(folder: Path, training: dict[str, Any]) -> Any:
    """The corpus of the training, on which `--dynamic` measures gradients."""
    from rnnnlp.training.config import CharLMTraining
    from rnnnlp.training.fit import corpus_of

    if "data" not in training:
        raise UserError(f"{folder} does not say what it was trained on, which --dynamic needs; train with --out")
    return corpus_of(CharLMTraining.from_mapping(training, str(folder)))


def evaluate_sentiment(folder: Path, data: str, training: dict[str, Any], options: Any) -> tuple[dict[str, Any], str]:
    from tqdm import tqdm

    from rnnnlp.layers.loss import softmax
    from rnnnlp.models.sentiment import SentimentClassifier
    from rnnnlp.text import load_labelled
    from rnnnlp.training.evaluation import document_logits
    from rnnnlp.training.metrics import (
        classification_metrics,
        expected_calibration_error,
        most_confident_mistakes,
    )

    model = SentimentClassifier.from_pretrained(folder)
    labelled = load_labelled(
        data,
        text_column=options.text_column or training.get("text_column"),
        label_column=options.label_column or training.get("label_column"),
        rng_seed=training.get("seed", 0),
        splits=(options.split,),
    )
    split = labelled.relabelled(model.config.labels).splits[options.split]
    targets = split.labels
    with tqdm(total=len(split.texts), unit=" texts", desc=options.split, disable=None) as bar:
        logits = document_logits(model, split.texts, on_progress=bar.update)
    probabilities = model.probabilities(logits)
    figures = classification_metrics(probabilities, targets, model.config.labels) | {
        "uncalibrated_error": expected_calibration_error(softmax(logits), targets),
        "temperature": model.temperature,
    }
    wrong = most_confident_mistakes(probabilities, targets, SHOWN_MISTAKES)
    mistakes = [
        f"  {model.config.labels[probabilities[i].argmax()]} ({probabilities[i].max():.0%}), but labelled "
        f"{model.config.labels[targets[i]]}: {shorten(split.texts[i])}"
        for i in wrong
    ]
    return figures, f"{data}, {options.split}:\n" + table(figures, model.config.labels) + "\n".join(
        ["most confident mistakes:", *mistakes] if mistakes else []
    )


def table(figures: dict[str, Any], labels: tuple[str, ...]) -> str:
    """The figures for a person, with a row for each class."""
    lines = [
        f"accuracy {figures['accuracy']:.4f}, macro-F1 {figures['macro_f1']:.4f} over {figures['examples']:,} texts",
        f"expected calibration error {figures['expected_calibration_error']:.4f}, uncalibrated "
        f"{figures['uncalibrated_error']:.4f} (temperature {figures['temperature']:.3f})",
        f"{'class':>16} {'precision':>9} {'recall':>7} {'F1':>7} {'texts':>7}   predicted as " + " ".join(labels),
    ]
    for label, row in zip(labels, figures["confusion_matrix"], strict=True):
        c = figures["per_class"][label]
        counts = " ".join(f"{n:{len(name)}d}" for n, name in zip(row, labels, strict=True))
        lines.append(
            f"{label:>16} {c['precision']:9.4f} {c['recall']:7.4f} {c['f1']:7.4f} {c['examples']:7d}"
            + 16 * " "
            + counts
        )
    return "\n".join(lines) + "\n"


def shorten(text: str, width: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 4] + " ..."
