"""rnnnlp evaluate RUN."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rnnnlp.cli import classification
from rnnnlp.cli.output import write_json
from rnnnlp.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a trained model")
    parser.add_argument(
        "--data",
        action="append",
        help="what to measure on (default: the data of the training); several times for a table of several sets",
    )
    parser.add_argument("--split", default="validation", help="train, validation or test (default: validation)")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which weights of the run")
    parser.add_argument("--text-column", help="the column with the texts, if its name is not a usual one")
    parser.add_argument("--label-column", help="the column with the labels, if its name is not a usual one")
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the figures as a JSON object, or a list of one a data set; - for standard output",
    )
    parser.add_argument(
        "--mistakes", type=int, metavar="N", help="of a classifier: show its N most confident mistakes (default: 5)"
    )
    parser.add_argument(
        "--threshold",
        metavar="LABEL[=P]",
        help="of a classifier: choose LABEL from the probability P on; without P, show what each P would give",
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="of a classifier: beside it TF-IDF and logistic regression, trained on the training texts of each set",
    )
    parser.add_argument(
        "--dynamic",
        action="store_true",
        help="of a language model: it goes on learning from what it has just predicted",
    )
    parser.add_argument("--dynamic-lr", type=float, metavar="X", help="how fast it learns then (default: 0.001)")
    parser.add_argument("--backend", default=None, help="auto or numpy")
    parser.add_argument("--threads", type=int, help="processor threads to use")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.models.committee import Committee
    from rnnnlp.models.config import option
    from rnnnlp.models.model import read_config
    from rnnnlp.training.config import Combining
    from rnnnlp.training.fit import MODELS, use_backend
    from rnnnlp.training.run_folder import RunFolder

    folder = Path(options.run_folder)
    if options.weights == "last":
        folder = RunFolder(folder).latest_checkpoint()
        RunFolder.load_checkpoint(folder)  # refuses files that are not of one step
    config = read_config(folder)
    training, model_type = config.get("training", {}), config["model_type"]
    known: dict[str, Any] = {name: training_config for name, (_, training_config) in MODELS.items()}
    known[Committee.model_type] = Combining
    if model_type not in known:
        raise UserError(
            f"{folder} holds a {model_type} model; known are {', '.join(known)}: use the version that wrote it"
        )
    if training:
        training = known[model_type].from_mapping(training, str(folder / "config.json")).to_mapping()
    is_language_model = model_type.endswith("_lm")
    if options.dynamic and not is_language_model:
        raise UserError(f"--dynamic is for language models, and {folder} is a classifier; leave it out")
    if options.dynamic and model_type != "char_lm":
        raise UserError(f"--dynamic is for character language models, and {folder} is of words; leave it out")
    if is_language_model:
        for name in ("baseline", "mistakes", "threshold", "label_column"):
            if getattr(options, name) not in (None, False):
                raise UserError(f"{option(name)} is for classifiers, and {folder} is a language model; leave it out")
    if options.dynamic_lr is not None and not options.dynamic:
        raise UserError(f"--dynamic-lr is {options.dynamic_lr} without --dynamic; give both")
    use_backend(options.backend, options.threads)
    if not options.data and training.get("data") is None:
        raise UserError(f"{folder} does not say what it was trained on; give --data")
    evaluate = {
        "char_lm": evaluate_char_lm,
        "bidirectional_lm": evaluate_bidirectional_lm,
    }.get(model_type, classification.evaluate_classifier)
    results = []
    for data in options.data or [training["data"]]:
        started = time.monotonic()
        figures = evaluate(folder, data, training, options)
        figures |= {"split": options.split, "data": data, "seconds": round(time.monotonic() - started, 2)}
        results.append(figures)
    as_json = results if len(results) > 1 else results[0]
    if options.json == "-":
        print(json.dumps(as_json, ensure_ascii=False))
    else:
        print("\n".join(map(sentence, results)) if is_language_model else classification.report(results))
        if options.json:
            write_json(options.json, as_json)
    return 0


def evaluate_char_lm(folder: Path, data: str, training: dict[str, Any], options: Any) -> dict[str, Any]:
    """The figures on one text."""
    from tqdm import tqdm

    from rnnnlp.models.char_lm import CharLM
    from rnnnlp.text import encode_corpus
    from rnnnlp.training.dynamic import Learning, dynamic_loss
    from rnnnlp.training.evaluation import language_model_loss
    from rnnnlp.training.metrics import language_model_metrics

    model = CharLM.from_pretrained(folder)
    assert model.tokenizer is not None
    encoded = encode_corpus(corpus_to_measure(data, training, options), model.tokenizer, splits=(options.split,))
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
    return language_model_metrics(loss_sum, tokens, characters) | ({"dynamic": True} if options.dynamic else {})


def evaluate_bidirectional_lm(folder: Path, data: str, training: dict[str, Any], options: Any) -> dict[str, Any]:
    """The figures on one text."""
    from tqdm import tqdm

    from rnnnlp.models.bidirectional_lm import BidirectionalLM
    from rnnnlp.text import encode_corpus
    from rnnnlp.training.evaluation import bidirectional_metrics

    model = BidirectionalLM.from_pretrained(folder)
    assert model.tokenizer is not None
    corpus = corpus_to_measure(data, training, options, unlabelled=True)
    ids = encode_corpus(corpus, model.tokenizer, splits=(options.split,)).ids[options.split]
    with tqdm(total=2 * (len(ids) - 1), unit=" tokens", unit_scale=True, desc=options.split, disable=None) as bar:
        return bidirectional_metrics(model, ids, on_progress=bar.update)


def corpus_to_measure(data: str, training: dict[str, Any], options: Any, *, unlabelled: bool = False) -> Any:
    """The texts, read as those of the training were."""
    from rnnnlp.text import load_corpus

    return load_corpus(
        data,
        text_column=options.text_column or training.get("text_column"),
        document_separator=training.get("document_separator"),
        unlabelled=unlabelled,
    )


def sentence(figures: dict[str, Any]) -> str:
    """The figures of a language model for a person."""
    if "perplexity_reverse" in figures:
        return (
            f"{figures['data']}, {figures['split']}: perplexity {figures['perplexity_forward']:.3f} read forward, "
            f"{figures['perplexity_reverse']:.3f} read backward, over {figures['tokens']:,} tokens"
        )
    how = ", learning from it" if "dynamic" in figures else ""
    return (
        f"{figures['data']}, {figures['split']}{how}: {figures['nats_per_char']:.4f} nats per character, "
        f"{figures['bits_per_char']:.4f} bits per character, perplexity {figures['perplexity']:.3f} "
        f"over {figures['tokens']:,} tokens"
    )


def trained_on(folder: Path, training: dict[str, Any]) -> Any:
    """The corpus of the training, on which `--dynamic` measures gradients."""
    from rnnnlp.training.config import CharLMTraining
    from rnnnlp.training.fit import corpus_of

    if "data" not in training:
        raise UserError(f"{folder} does not say what it was trained on, which --dynamic needs; leave it out")
    return corpus_of(CharLMTraining.from_mapping(training, str(folder)))
