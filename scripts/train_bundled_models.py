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
import os
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

VERSION = "1"
MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
SAMPLES = MODELS.parent / "sample-reviews"
LABELS = ("negative", "positive")
PRETRAINING_SHARE = 0.6  # of the time
HELD_OUT = 20  # one of this number of texts is for validation, where a set has no such split
TREEBANK_SHARE = 0.3  # of the texts are also written with the spaces of a treebank: do n't, it 's
SAMPLE_REVIEWS = "sample-reviews: of this project, with its licence."
FOLDS = 5  # that choose how strongly linear models are regularised
PASSAGES = 2  # cut from each long review
MOST_SENTENCES = 3  # in a passage
SIZES = ("vocab_size", "embedding_size", "hidden_size")

Row = dict[str, Any]  # text, label, and perhaps cat


@dataclass(frozen=True)
class Model:
    """What is bundled under a name, and from what it is made."""

    name: str
    language: str
    code: str  # of the language
    scripts: tuple[str, ...]
    tokenizer: str
    vocab_size: int
    use: str
    data: dict[str, str]  # what is known of each set, for the card
    embedding_size: int = 160
    hidden_size: int = 128
    views: tuple[str, ...] = ("words", "ratios")  # of linear models
    ngrams: int = 110_000  # of each


ENGLISH = Model(
    "reviews-en",
    "English",
    "en",
    ("latin",),
    "word",
    24_000,
    "opinions in English, from a phrase to a page: films above all, products and services less surely",
    {
        "imdb": "IMDB (Large Movie Review Dataset, Maas et al. 2011): reviews of training with labels, and those "
        "without for pretraining. Licence: none is stated; its authors ask to cite the paper. The texts belong to "
        "users of IMDb.",
        "sst2": "SST (Stanford Sentiment Treebank, Socher et al. 2013): phrases of training. Licence: not known. The "
        "texts are from film reviews.",
        "sample-reviews": SAMPLE_REVIEWS,
    },
)
CHINESE = Model(
    "reviews-zh",
    "Chinese",
    "zh",
    ("han",),
    "bpe",
    12_000,
    "opinions in Chinese on goods, books and hotels",
    data={
        "online_shopping_10_cats": "online_shopping_10_cats: reviews of online shops, of training. Licence: not known; "
        "the authors are not named.",
        "sample-reviews": SAMPLE_REVIEWS,
    },
    views=("ratios", "characters"),
    ngrams=90_000,
)
BUNDLED = {model.name: model for model in (ENGLISH, CHINESE)}
FAILURES = (
    "negation at a distance and double negation",
    "irony and sarcasm, which are taken at their word",
    "mixed opinions: there is no neutral class, and one of the two is always given",
    "other domains, such as news, politics and medicine: probabilities are calibrated for reviews only",
    "other languages in the same script: a warning tells texts of unknown words, and nothing else does",
)


@dataclass
class Job:
    """One model that is made in a folder, and how far that is."""

    model: Model
    options: argparse.Namespace
    folder: Path
    finished: dict[str, Any] = field(default_factory=dict)

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        """The result of a stage: what an earlier command kept, or what `work` returns."""
        if name not in self.finished:
            say(f"{self.model.name}: {name}")
            self.finished[name] = work()
            self.keep()
        return self.finished[name]

    def keep(self) -> None:
        from rnnnlp.files import write_atomically

        content = {"choices": choices(self.options), "finished": self.finished}
        write_atomically(self.folder / "stages.json", json.dumps(content, indent=1, ensure_ascii=False).encode())


def main(words: Sequence[str] | None = None) -> int:
    from rnnnlp.cli.main import fail, log_to_stderr
    from rnnnlp.errors import UserError
    from rnnnlp.training.signals import Interrupted

    options = parse(words)
    try:
        with log_to_stderr():
            for name in options.names or BUNDLED:
                make(BUNDLED[name], options)
    except UserError as error:
        return fail(error.command_line)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    except Interrupted as stop:
        say(f"{stop}; the same command goes on from here")
        return stop.exit_code
    return 0


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
        parser.error(f"{unknown[0]} is no bundled model; there are {', '.join(BUNDLED)}")
    return options


def choices(options: argparse.Namespace) -> dict[str, Any]:
    """The options that change what is made; a folder of work has one set of them."""
    kept = (
        "seed",
        "budget",
        "pretrained",
        "leave_out",
        "leave_out_categories",
        "rows",
        "vocab_size",
        "embedding_size",
        "hidden_size",
    )
    return {name: None if (value := getattr(options, name)) is None else str(value) for name in kept}


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
        if content["choices"] != choices(options):
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


def left_out_of(model: Model, options: argparse.Namespace) -> list[str]:
    """The names of what the model does not see."""
    if model is ENGLISH:
        return [options.leave_out] if options.leave_out else []
    return options.leave_out_categories.split(",") if options.leave_out_categories else []


# --- texts


def write_texts(job: Job) -> dict[str, int]:
    """Writes the texts of pretraining and of the classifier; returns how many there are of each."""
    rng = random.Random(job.options.seed)
    data = english(job, rng) if job.model is ENGLISH else chinese(job)
    numbers = {}
    for name, rows in data.items():
        rng.shuffle(rows)
        path = job.folder / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        numbers[name] = len(rows)
    return numbers


def english(job: Job, rng: random.Random) -> dict[str, list[Row]]:
    """IMDB, and passages of its reviews so that short texts are judged too; SST unless it is left out."""
    reviews = [row | {"text": without_tags(row["text"])} for row in read(job, "imdb/train-00000")]
    unlabelled = [without_tags(row["text"]) for row in read(job, "imdb/unsupervised-00000")]
    validation = [row for k, row in enumerate(reviews) if k % HELD_OUT == 0]
    train = [row for k, row in enumerate(reviews) if k % HELD_OUT]
    pretraining = [row["text"] for row in train] + unlabelled
    train, validation = ([*rows, *(p for row in rows for p in passages(row, rng))] for rows in (train, validation))
    if "sst2" not in left_out_of(job.model, job.options):
        train += read(job, "sst2_phrases/train")
        validation += read(job, "sst2/validation")
    train += samples("train", job.model.code)
    return {
        "pretraining": [{"text": in_treebank_style(text, rng)} for text in pretraining],
        "labelled/train": [row | {"text": in_treebank_style(row["text"], rng)} for row in train],
        "labelled/validation": validation,
    }


def chinese(job: Job) -> dict[str, list[Row]]:
    """Reviews of online shops, without the categories that are left out."""
    left_out = left_out_of(job.model, job.options)
    train, validation = (
        [row for row in read(job, f"online_shopping_10_cats/{split}") if row["cat"] not in left_out]
        for split in ("train", "validation")
    )
    train += samples("train", job.model.code)
    return {
        "pretraining": [{"text": row["text"]} for row in train],
        "labelled/train": [only_labelled(row) for row in train],
        "labelled/validation": [only_labelled(row) for row in validation],
    }


def only_labelled(row: Row) -> Row:
    return {"text": row["text"], "label": row["label"]}


def read(job: Job, name: str) -> list[Row]:
    """The rows of a parquet file of the public data: text, label (None without one) and what else there is."""
    import pyarrow.parquet

    from rnnnlp.errors import UserError, option

    path = job.options.data_folder / f"{name}.parquet"
    if not path.is_file():
        raise UserError(f"{path} is no file; give {option('data_folder')} with the public data sets")
    rows = pyarrow.parquet.read_table(path).to_pylist()
    if job.options.rows is not None:
        rows = rows[:: max(1, len(rows) // job.options.rows)][: job.options.rows]
    found = []
    for row in rows:
        text = row.pop("sentence", None) or row.pop("text", None) or ""
        label = row.pop("label")
        if text := text.strip("\ufeff \n"):
            found.append({"text": text, "label": LABELS[label] if label >= 0 else None, **row})
    return found


def samples(split: str, language: str) -> list[Row]:
    """The sample reviews of this project in one language."""
    lines = (SAMPLES / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [only_labelled(row) for row in map(json.loads, lines) if row["language"] == language]


def without_tags(text: str) -> str:
    return re.sub(r"\s*<br\s*/?>\s*", " ", text)


def passages(row: Row, rng: random.Random) -> Iterator[Row]:
    """A few passages of one to some sentences of a review, with its label: the last sentences, and random ones."""
    sentences = re.findall(r"\S.*?(?:[.!?]+[\"')]*(?=\s|$)|$)", row["text"])
    for k in range(min(PASSAGES, len(sentences) - 1)):
        length = rng.randint(1, min(MOST_SENTENCES, len(sentences) - 1))
        start = len(sentences) - length if k == 0 else rng.randrange(len(sentences) - length + 1)
        yield {"text": " ".join(sentences[start : start + length]), "label": row["label"]}


def in_treebank_style(text: str, rng: random.Random) -> str:
    """Some texts as treebanks write them, with spaces around signs and inside of "don't", so that both are known."""
    if rng.random() >= TREEBANK_SHARE:
        return text
    text = re.sub(r"(?i)\b(\w+)(n['’]t)\b", r"\1 \2", text)
    text = re.sub(r"(?i)(?<=\w)(['’](?:s|re|ve|ll|d|m))\b", r" \1", text)
    text = re.sub(r"([.,!?;:()\"])", r" \1 ", text)
    return " ".join(text.replace("(", "-lrb-").replace(")", "-rrb-").split())


# --- training


def pretrain(job: Job) -> float:
    """Trains language models on all texts; returns the seconds that they took."""
    options = {
        "data": str(job.folder / "pretraining.jsonl"),
        "budget": PRETRAINING_SHARE * job.options.budget,
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


def seconds_of(folder: Path) -> float:
    from rnnnlp.training.run_folder import RunFolder

    return round(RunFolder(folder).seconds(), 1)


def add_linear(job: Job) -> dict[str, float]:
    """Stacks the classifier with linear models of few n-grams, by weights fitted on validation; returns the shares."""
    from rnnnlp.batches.seeding import Stream, rng_for
    from rnnnlp.tasks.sentiment.linear_fitting import MOST_IN_FOLDS, Examples, fit_linear, stratified_folds
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

    network = SentimentNetwork.from_pretrained(job.folder / "classifier")
    (texts, documents, labels), validation = (encoded(job, network, split) for split in ("train", "validation"))
    folds = stratified_folds(labels, FOLDS, rng_for(job.options.seed, Stream.FOLDS), most=MOST_IN_FOLDS)
    examples = Examples(texts, documents, labels, None, len(network.labels))
    model = fit_linear(job.model.views, examples, folds, most=job.model.ngrams).model
    network.add_linear(model)
    texts, documents, labels = validation
    network.fit_stacking(network.logits(documents), model.logits(texts, documents), labels)
    network.save_pretrained(job.folder / "stacked")
    return dict(zip(("network", "linear"), network.stacking.round(3).tolist(), strict=True))


def encoded(job: Job, network: Any, split: str) -> tuple[list[str], Any, Any]:
    """The texts of a split with labels, the ids of each, and the class of each."""
    lines = (job.folder / "labelled" / f"{split}.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    texts = [row["text"] for row in rows]
    return texts, network.encode(texts), network.classes.indices([row["label"] for row in rows], split)


def quantize(job: Job) -> int:
    """Writes the classifier with int8 weights, without the paths of this machine; returns the bytes of the folder."""
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

    network, folder = SentimentNetwork.from_pretrained(job.folder / "stacked"), job.folder / "model"
    network.save_pretrained(folder, quantize="int8")
    return size_of(folder)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


# --- figures


def measured_sets(job: Job) -> dict[str, tuple[str, list[Row]]]:
    """What the model is measured on: by name, whether that is in or out of domain, and the rows."""
    split, left_out = job.options.split, left_out_of(job.model, job.options)
    of_samples = ("in", samples("test", job.model.code)) if split == "test" else None
    if job.model is ENGLISH:
        imdb = read(job, "imdb/test-00000") if split == "test" else read(job, "imdb/train-00000")[::HELD_OUT]
        sst = ("out" if left_out else "in", read(job, f"sst2/{split}"))
        sets = {f"IMDB {split}": ("in", imdb), f"SST-2 {split}": sst}
    else:
        rows = read(job, f"online_shopping_10_cats/{split}")
        sets = {f"online_shopping_10_cats {split}": ("in", [row for row in rows if row["cat"] not in left_out])}
        for cat in left_out:
            sets[f"online_shopping_10_cats {split}, {cat}"] = ("out", [row for row in rows if row["cat"] == cat])
    return sets if of_samples is None else {**sets, "sample-reviews test": of_samples}


def measure(job: Job) -> dict[str, Row]:
    """The figures of the model on each set: as installed, and the accuracy before it was quantized."""
    from rnnnlp.tasks.sentiment.network import SentimentNetwork
    from rnnnlp.training.metrics import classification_metrics

    network, float32 = (SentimentNetwork.from_pretrained(job.folder / name) for name in ("model", "stacked"))
    figures = {}
    for name, (domain, rows) in measured_sets(job).items():
        if not rows:
            continue
        texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
        actual = network.classes.indices(labels, name)
        found = classification_metrics(network.predict_proba(texts), actual, network.labels)
        figures[name] = {
            "domain": domain,
            "texts": len(texts),
            "accuracy": found["accuracy"],
            "macro_f1": found["macro_f1"],
            "calibration_error": found["expected_calibration_error"],
            "float32": float32.score(texts, labels),
        }
    return figures


# --- what is installed


def write_card(job: Job, figures: dict[str, Row]) -> None:
    """Writes the model card, the README.md of the model."""
    from rnnnlp.files import write_atomically
    from rnnnlp.version import __version__

    model, texts, left_out = job.model, job.finished["texts"], left_out_of(job.model, job.options)
    rows = "\n".join(
        f"| {name} | {row['domain']} | {row['texts']:,} | {row['accuracy']:.4f} | {row['float32']:.4f} "
        f"| {row['macro_f1']:.4f} | {row['calibration_error']:.4f} |"
        for name, row in figures.items()
    )
    hours = (seconds_of(job.options.pretrained or job.folder / "pretrained") + job.finished["fine-tune"]) / 3600
    card = f"""---
language: {model.code}
library_name: rnnnlp
pipeline_tag: text-classification
---

# {model.name}

A classifier of opinions in {model.language}: {" or ".join(LABELS)}. It is bundled with rnnnlp {__version__}.

    rnnnlp predict --model {model.name} "a text" "another text"

- Version {VERSION}, {today()}, {job.finished["quantize"] / 1e6:.1f} MB, weights in int8.
- For: {model.use}.
- Not for: decisions about people, or anything that a mistake in one of ten texts makes worthless.

## Data

{bullets(line for name, line in model.data.items() if name not in left_out)}

{texts["pretraining"]:,} texts for pretraining, {texts["labelled/train"]:,} with labels for training and
{texts["labelled/validation"]:,} for validation, to which the temperature of the probabilities was fitted.
{f"Left out: {', '.join(left_out)}." if left_out else ""}

## Figures

"In" is other texts of a data set that the model was trained on; "out" is a data set that it was not trained on.

| data | domain | texts | accuracy | before int8 | macro F1 | calibration error |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
{rows}

## Known failures

{bullets(FAILURES)}

## How it was made

Two language models, one in each direction, were trained on the texts. The classifier started from them. Both took
{hours:.1f} hours. Linear models of {" and ".join(model.views)} decide with it: {job.finished["linear"]["linear"]:.0%}
of the logits are theirs. Seed {job.options.seed}: `scripts/train_bundled_models.py`.
"""
    write_atomically(job.folder / "model" / "README.md", card.encode())


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def install(job: Job, figures: dict[str, Row]) -> None:
    """Copies the model to where the package finds it, and brings the list of bundled models up to date."""
    from rnnnlp.files import write_atomically

    out, model = job.options.out, job.model
    shutil.rmtree(out / model.name, ignore_errors=True)
    shutil.copytree(job.folder / "model", out / model.name)
    index = out / "index.json"
    entries = {entry["name"]: entry for entry in json.loads(index.read_bytes())} if index.exists() else {}
    described = {name: value for name, value in asdict(model).items() if name in ("name", "language", "scripts", "use")}
    entries[model.name] = {
        **described,
        "labels": LABELS,
        "bytes": size_of(out / model.name),
        "figures": {name: round(row["accuracy"], 4) for name, row in figures.items()},
        "version": VERSION,
        "date": today(),
    }
    ordered = [entries[name] for name in BUNDLED if name in entries]
    write_atomically(index, json.dumps(ordered, indent=1, ensure_ascii=False).encode() + b"\n")
    say(f"{model.name}: installed in {out / model.name}")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
