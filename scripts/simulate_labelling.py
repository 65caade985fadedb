"""Measures what a choice of texts to label is worth: random ones, smallest margins, or those of --uncertain.

    python scripts/simulate_labelling.py --data sst2 --model linear --seeds 10

A classifier learns from a few texts of the training split, and texts of the rest are labelled by each choice. The table
has the gain in accuracy and macro-F1, in points, on texts of the training split that are in neither; the other splits
are not read.
"""

# n texts, K classes

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnnlp.cli.main import reported
from rnnnlp.display import markdown_table
from rnnnlp.errors import UserError, option

MEASURED = 2000  # texts, at most half of them
COPIES, COPIED = 20, 150  # how many copies are made of how many texts

Model = Callable[[Sequence[str]], np.ndarray]  # texts -> class probabilities (n, K)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, help="labelled texts, as for rnnnlp train sentiment")
    parser.add_argument(
        "--start", type=int, default=200, metavar="N", help="labelled texts to begin with (default: 200)"
    )
    parser.add_argument("--add", type=int, default=200, metavar="N", help="texts that are labelled then (default: 200)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="number of repetitions (default: 3)")
    parser.add_argument(
        "--model", choices=("network", "linear"), default="network", help="what learns (default: network)"
    )
    parser.add_argument("--budget", default="1m", help="training time of a network (default: 1m)")
    parser.add_argument(
        "--copies", action="store_true", help=f"add {COPIES} copies, slightly changed, of {COPIED} of the texts"
    )
    parser.add_argument(
        "--rare", type=float, default=1.0, metavar="X", help="keep only this fraction of the texts of the first class"
    )
    given = parser.parse_args(words)
    return reported(lambda: simulate(given))


def simulate(given: argparse.Namespace) -> None:
    """Prints the table of all seeds."""
    for name in ("start", "add", "seeds"):
        if getattr(given, name) < 1:
            raise UserError(f"{option(name)} is {getattr(given, name)}; it must be at least 1")
    results = [one_seed(given, seed) for seed in range(given.seeds)]
    rows = []
    for name in results[0]:
        values = 100 * np.array([result[name] for result in results])  # (seeds, 2)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.full(2, np.nan)
        rows.append([name, *(f"{m:.2f} ± {e:.2f}" for m, e in zip(values.mean(0), error, strict=True))])
    print("\n".join(markdown_table(["choice", "accuracy", "macro-F1"], rows)))


def one_seed(given: argparse.Namespace, seed: int) -> dict[str, np.ndarray]:
    """Accuracy and macro-F1 `(2,)` with the first labels, and what each choice adds to them."""
    from rnnnlp.tasks.sentiment.uncertain import margins, most_uncertain
    from rnnnlp.text import load_labelled
    from rnnnlp.training.metrics import classification_metrics

    data = load_labelled(given.data, splits=("train",), validation_fraction=0)
    train, classes, rng = data.splits["train"], data.classes, np.random.default_rng(seed)
    order = rng.permutation(len(train))
    order = order[(train.labels[order] > 0) | (rng.random(len(order)) < given.rare)]
    held, rest = np.split(order, [min(MEASURED, len(order) // 2)])
    if given.start >= len(rest):
        raise UserError(
            f"{option('start')} is {given.start}; it must be less than {len(rest)}, the texts that are not held out"
        )
    first, pool = np.split(rest, [given.start])
    texts = [train.texts[row] for row in pool]
    if given.copies:
        copied = np.repeat(rng.permutation(len(pool))[:COPIED], COPIES)
        texts += [f"{texts[row]} {number}" for number, row in enumerate(copied)]
        pool = np.concatenate([pool, pool[copied]])

    def learn(rows: np.ndarray) -> tuple[Model, np.ndarray]:
        model = fit(given, [train.texts[row] for row in rows], train.labels[rows], len(classes), seed)
        found = classification_metrics(model([train.texts[row] for row in held]), train.labels[held], classes.names)
        return model, np.array([found["accuracy"], found["macro_f1"]])

    model, before = learn(first)
    probabilities = model(texts)  # (n, K)
    choices = {
        "random": rng.permutation(len(pool))[: given.add],
        "smallest margins": margins(probabilities).argsort(kind="stable")[: given.add],
        "uncertain": most_uncertain(texts, probabilities, given.add),
    }
    gains = {name: learn(np.concatenate([first, pool[rows]]))[1] - before for name, rows in choices.items()}
    return {f"{given.start} labels": before} | gains


def fit(given: argparse.Namespace, texts: list[str], labels: np.ndarray, classes: int, seed: int) -> Model:
    """A model that has learnt from labelled texts."""
    from rnnnlp import SentimentClassifier
    from rnnnlp.analysis.linear_baseline import fit_baselines
    from rnnnlp.text import LabelledSplit

    if given.model == "linear":
        return fit_baselines(LabelledSplit(texts, labels), classes)[0].predict_proba
    network = SentimentClassifier(seed=seed, budget=given.budget).fit(texts, labels)

    def predict(texts: Sequence[str]) -> Any:
        found = np.zeros((len(texts), classes))
        found[:, network.classes_] = network.predict_proba(texts)
        return found

    return predict


if __name__ == "__main__":
    sys.exit(main())
