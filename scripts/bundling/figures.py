"""The figures of a bundled model on texts that it was not trained on."""

from bundling.jobs import Job, Row, left_out_of
from bundling.models import ENGLISH
from bundling.texts import HELD_OUT, read, samples


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
