"""The texts that bundled models are trained and measured on, from the public data sets."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from bundling.jobs import Job, Row, left_out_of
from bundling.models import ENGLISH, LABELS

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "sample-reviews"
HELD_OUT = 20  # one of this number of texts is for validation, where a set has no such split
TREEBANK_SHARE = 0.3  # of the texts are also written with the spaces of a treebank: do n't, it 's
PASSAGES = 2  # cut from each long review
MOST_SENTENCES = 3  # in a passage
SHORT = 150  # characters: only texts with fewer are joined


def write_texts(job: Job) -> dict[str, int]:
    """Writes the texts of pretraining and of the classifier; returns how many there are of each."""
    rng = random.Random(job.options.seed)
    data = english(job, rng) if job.model is ENGLISH else chinese(job, rng)
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


def chinese(job: Job, rng: random.Random) -> dict[str, list[Row]]:
    """Reviews of online shops, without the categories that are left out; as few of them are long, some are joined."""
    from rnnnlp.errors import UserError, option

    left_out = left_out_of(job.model, job.options)
    train, validation = (read(job, f"online_shopping_10_cats/{split}") for split in ("train", "validation"))
    categories = sorted({row["cat"] for row in train})
    if unknown := [name for name in left_out if name not in categories]:
        raise UserError(f"{option('leave_out_categories')} has {unknown[0]!r}; there are {', '.join(categories)}")
    train, validation = ([row for row in rows if row["cat"] not in left_out] for rows in (train, validation))
    train += samples("train", job.model.code)
    labelled = [only_labelled(row) for row in train]
    return {
        "pretraining": [{"text": row["text"]} for row in train],
        "labelled/train": [*(row | {"joined": False} for row in labelled), *joined(labelled, job.model.joined, rng)],
        "labelled/validation": [only_labelled(row) for row in validation],
    }


def joined(rows: list[Row], share: float, rng: random.Random) -> Iterator[Row]:
    """Long texts, each of two or three short ones of the same label; as many as this share of the rows."""
    for label in LABELS:
        short = [row["text"] for row in rows if row["label"] == label and len(row["text"]) < SHORT]
        for _ in range(int(share * len(rows) / len(LABELS)) if short else 0):
            parts = rng.sample(short, min(rng.choice((2, 3)), len(short)))
            yield {"text": rng.choice(("", " ")).join(parts), "label": label, "joined": True}


def only_labelled(row: Row) -> Row:
    return {"text": row["text"], "label": row["label"]}


def read(job: Job, name: str) -> list[Row]:
    """The rows of a parquet file of the public data: text, label (None without one) and what else there is."""
    import pyarrow.parquet

    from rnnnlp.errors import UserError, option

    path = job.options.data_folder / f"{name}.parquet"
    if not path.is_file():
        raise UserError(f"{path} is not a file; give {option('data_folder')} with the public data sets")
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
