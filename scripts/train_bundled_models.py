"""Trains the models that are bundled with rnnnlp, measures them, and writes their cards.

    python scripts/train_bundled_models.py --data-folder DIR [NAME ...]
    python scripts/train_bundled_models.py --data-folder DIR --leave-out sst2 reviews-en
    python scripts/train_bundled_models.py --data-folder DIR --leave-out-categories A,B reviews-zh

DIR has the public data sets `imdb`, `sst2`, `sst2_phrases` and `online_shopping_10_cats` as parquet files. Each model
takes six stages: pretrain language models, fine-tune a classifier, add a linear model, quantize, measure, card. The
same command again goes on where the last one stopped. Without a set or a category that is left out, the models are
installed in data/models; otherwise they stay in the folder of --work, to measure how well they do on what they have not
seen. The language models of reviews-en never see SST, so --pretrained may share them.

Trials measure on validation; --split test is for the last one.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bundling.cards import install, size_of, write_card
from bundling.figures import measure
from bundling.jobs import Job, choices, left_out_of, say, seconds_of
from bundling.models import BUNDLED, CHINESE, ENGLISH, Model
from bundling.texts import write_texts

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
PRETRAINING_SHARE = 0.6  # of the time
PRETRAINING_EPOCHS = 8  # at most: with more, language models of few texts overfit
FOLDS = 5  # that choose how strongly linear models are regularised
SIZES = ("vocab_size", "embedding_size", "hidden_size")


def main(words: Sequence[str] | None = None) -> int:
    from rnnnlp.cli.main import reported

    options = parse(words)
    return reported(lambda: make_all(options))


def make_all(options: argparse.Namespace) -> None:
    """Makes the models that are named, or all."""
    for name in options.names or BUNDLED:
        make(BUNDLED[name], options)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    from rnnnlp.cli.options import duration

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: {', '.join(BUNDLED)}")
    parser.add_argument("--data-folder", type=Path, required=True, metavar="DIR", help="the public data sets")
    parser.add_argument("--work", type=Path, default=Path("runs/bundled"), metavar="DIR", help="for runs and texts")
    parser.add_argument("--out", type=Path, default=MODELS, metavar="DIR", help="where models are installed")
    parser.add_argument("--budget", type=duration, default=7200.0, metavar="TIME", help="for each model (default: 2h)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--leave-out", choices=("sst2",), help="do not train reviews-en on this data set")
    parser.add_argument("--leave-out-categories", metavar="A,B", help="do not train reviews-zh on these categories")
    parser.add_argument("--split", choices=("validation", "test"), default="validation", help="what is measured on")
    parser.add_argument(
        "--pretrained", type=Path, metavar="DIR", help="language models to start from, of the same size"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="for trials: at most N rows of each set")
    for name in SIZES:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help="for trials")
    options = parser.parse_args(words)
    if unknown := [name for name in options.names if name not in BUNDLED]:
        parser.error(f"{unknown[0]} is not a bundled model; there are {', '.join(BUNDLED)}")
    of_one = {
        "--leave-out": (options.leave_out, ENGLISH),
        "--leave-out-categories": (options.leave_out_categories, CHINESE),
    }
    for name, (value, model) in of_one.items():
        if value is not None and options.names != [model.name]:
            parser.error(f"{name} is for {model.name} only; name that model, and no other")
    return options


def make(model: Model, options: argparse.Namespace) -> None:
    """Makes one model: all stages that are not finished."""
    from rnnnlp.errors import UserError

    left_out = left_out_of(model, options)
    folder = options.work / (model.name + "".join(f"-without-{name}" for name in left_out))
    folder.mkdir(parents=True, exist_ok=True)
    job = Job(model, options, folder)
    kept = folder / "stages.json"
    if kept.exists():
        content = json.loads(kept.read_bytes())
        if content["choices"] != choices(model, options):
            raise UserError(f"{folder} was begun with {content['choices']}; give these again, or another --work")
        job.finished = content["finished"]
    job.stage("texts", partial(write_texts, job))
    if options.pretrained is None:
        job.stage("pretrain", partial(pretrain, job))
    job.stage("fine-tune", partial(fine_tune, job))
    job.stage("linear", partial(add_linear, job))
    job.stage("quantize", partial(quantize, job))
    figures = job.stage(f"measure on {options.split}", partial(measure, job))
    write_card(job, figures)
    for name, row in figures.items():
        say(f"{model.name}: {name}: accuracy {row['accuracy']:.4f} of {row['texts']}, float32 {row['float32']:.4f}")
    if not left_out:
        install(job, figures)


def pretrain(job: Job) -> float:
    """Trains language models on all texts; returns the seconds that they took."""
    options = {
        "data": str(job.folder / "pretraining.jsonl"),
        "budget": PRETRAINING_SHARE * job.options.budget,
        "max_epochs": PRETRAINING_EPOCHS,
        "tokenizer": job.model.tokenizer,
        "samples": 320,  # of a small network they take most of the time
        "evaluations": 2,
        "patience": 0,
        "validation_tokens": 4000,
        **sizes(job),
        **of_all(job),
    }
    return train_or_resume("word_lm", options, job.folder / "pretrained")


def fine_tune(job: Job) -> float:
    """Trains the classifier, which starts from the language models; returns the seconds that it took."""
    from rnnnlp.training.model_folder import read_config

    pretrained = job.options.pretrained or job.folder / "pretrained"
    options = {
        "data": str(job.folder / "labelled"),
        "from_": str(pretrained),
        "vocab_size": read_config(pretrained)["model"]["vocab_size"],  # no words are added
        "ngram_buckets": 0,  # they would take more room than all else; linear models of few n-grams come later
        "linear": False,
        "adversarial": job.model.adversarial,
        "budget": (1 - PRETRAINING_SHARE) * job.options.budget,
        **of_all(job),
    }
    return train_or_resume("sentiment", options, job.folder / "classifier")


def sizes(job: Job) -> dict[str, int]:
    return {name: getattr(job.options, name) or getattr(job.model, name) for name in SIZES}


def of_all(job: Job) -> dict[str, Any]:
    """The options of both trainings."""
    threads = {} if job.options.threads is None else {"threads": job.options.threads}
    return {"seed": job.options.seed, **threads}


def train_or_resume(task_name: str, options: dict[str, Any], folder: Path) -> float:
    """Trains in a folder, from its last checkpoint if it has one; returns the seconds."""
    from rnnnlp.tasks import load_task
    from rnnnlp.training.run import resume, train
    from rnnnlp.training.run_folder import RunFolder

    task = load_task(task_name)
    if RunFolder(folder).checkpoints():
        resume(task, folder)
    else:
        train(task, task.options_from(options), folder, overwrite=True)
    return seconds_of(folder)


def add_linear(job: Job) -> dict[str, float]:
    """Stacks the classifier with linear models of few n-grams, by weights fitted on validation; returns the shares."""
    from rnnnlp.batches.seeding import RandomStream, rng_for
    from rnnnlp.tasks.sentiment.linear_fitting import MOST_IN_FOLDS, Examples, fit_linear, stratified_folds
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

    network = SentimentNetwork.from_pretrained(job.folder / "classifier")
    (texts, documents, labels), validation = (encoded(job, network, split) for split in ("train", "validation"))
    folds = stratified_folds(labels, FOLDS, rng=rng_for(job.options.seed, RandomStream.FOLDS), most=MOST_IN_FOLDS)
    examples = Examples(texts, documents, labels, None, len(network.labels))
    model = fit_linear(job.model.views, examples, folds, most=job.model.ngrams).model
    network.add_linear(model)
    texts, documents, labels = validation
    network.fit_stacking(network.logits(documents), model.logits(texts, documents), labels)
    network.save_pretrained(job.folder / "stacked")
    return dict(zip(("network", "linear"), network.stacking.round(3).tolist(), strict=True))


def encoded(job: Job, network: Any, split: str) -> tuple[list[str], Any, Any]:
    """The texts of a split with labels, without joined ones; the ids of each, and the class of each."""
    lines = (job.folder / "labelled" / f"{split}.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [row for line in lines if line and not (row := json.loads(line)).get("joined")]
    texts = [row["text"] for row in rows]
    return texts, network.encode(texts), network.classes.indices([row["label"] for row in rows], split)


def quantize(job: Job) -> int:
    """Writes the classifier with int8 weights, without the paths of this machine; returns the bytes of the folder."""
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

    network, folder = SentimentNetwork.from_pretrained(job.folder / "stacked"), job.folder / "model"
    network.save_pretrained(folder, quantize="int8")
    return size_of(folder)


if __name__ == "__main__":
    sys.exit(main())
