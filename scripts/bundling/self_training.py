"""Labels that a first classifier gives to texts without one, for a second classifier to learn from too.

A passage of a review that has a label is not always of the same opinion. The first classifier leaves out those that it
takes for the contrary, and adds texts without a label where it is sure.
"""

import random
import shutil

import numpy as np

from bundling.jobs import Job
from bundling.texts import LABELLED, PASSAGE, only_labelled, read_rows, write_rows

FIRST = "first-stacked"  # the name of the folder of the first classifier
SELF_LABELLED = "self-labelled"  # and of these texts
SURE = 0.9  # probability from which a label counts


def label_texts(job: Job) -> dict[str, int]:
    """Writes what the second classifier learns from; returns how many texts were added and left out."""
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

    network = SentimentNetwork.from_pretrained(job.folder / FIRST)
    labelled, unlabelled = (read_rows(job.folder / f"{name}.jsonl") for name in (f"{LABELLED}/train", "unlabelled"))
    probabilities = network.predict_proba([row["text"] for row in labelled])
    own = network.classes.indices([row["label"] for row in labelled], "train")
    agreed = probabilities[np.arange(len(own)), own] >= 0.5
    kept = [row for row, agrees in zip(labelled, agreed, strict=True) if agrees or not row[PASSAGE]]
    probabilities = network.predict_proba([row["text"] for row in unlabelled])
    added = [
        {"text": row["text"], "label": network.labels[best]}
        for row, best, highest in zip(unlabelled, probabilities.argmax(1), probabilities.max(1), strict=True)
        if highest >= SURE
    ]
    rows = [*map(only_labelled, kept), *added]
    random.Random(job.options.seed).shuffle(rows)
    write_rows(job.folder / SELF_LABELLED / "train.jsonl", rows)
    shutil.copy(job.folder / LABELLED / "validation.jsonl", job.folder / SELF_LABELLED)
    return {"added": len(added), "left out": len(labelled) - len(kept)}
