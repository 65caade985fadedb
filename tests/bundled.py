"""Bundled models of tests: two tiny classifiers in a folder that stands for what an installation has."""

import json
from pathlib import Path

from rnnnlp.tasks.sentiment.network import SentimentNetwork
from tests.runs import trained_on

ENGLISH = [("a good film", "positive"), ("a bad film", "negative"), ("lovely food", "positive"), ("awful", "negative")]
CHINESE = [("很好 的 电影", "positive"), ("很差", "negative"), ("我很喜欢", "positive"), ("不好", "negative")]
MODELS = {"reviews-en": ("English", "latin", ENGLISH), "reviews-zh": ("Chinese", "han", CHINESE)}
OPTIONS = {"hidden_size": 3, "embedding_size": 4, "steps": 8, "batch_size": 4, "evaluations": 1, "lr": 0.05}


def install_models(folder: Path) -> None:
    """Trains and writes the bundled models of an installation in `folder`, which stands for the repository."""
    models, index = folder / "data" / "models", []
    for name, (language, script, rows) in MODELS.items():
        texts, labels = zip(*(rows * 10), strict=True)
        run = folder / "runs" / name
        trained_on(texts, labels, run, **OPTIONS)
        SentimentNetwork.from_pretrained(run).save_pretrained(models / name)
        entry = {
            **{"name": name, "language": language, "scripts": [script], "labels": ["negative", "positive"]},
            **{"use": "short opinions", "bytes": 2_000_000, "figures": {"IMDB test": 0.93}},
            **{"version": "1", "date": "2026-01-01"},
        }
        index.append(entry)
    (models / "index.json").write_text(json.dumps(index), encoding="utf-8")
