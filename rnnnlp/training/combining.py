"""A committee of trained classifiers: the weights with which their logits are added, fitted on validation texts."""

# n texts, M members, K classes

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.layers.loss import softmax, softmax_cross_entropy
from rnnnlp.models.classifier import Classifier
from rnnnlp.models.committee import CONTENT, MEMBERS, Committee, load_classifier
from rnnnlp.models.model import CONFIG, read_config
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.models.storage import write_atomically
from rnnnlp.text import LabelledSplit, load_labelled
from rnnnlp.training.card import committee_card, weight_of
from rnnnlp.training.config import Combining, SentimentTraining
from rnnnlp.training.evaluation import document_logits
from rnnnlp.training.metrics import classification_metrics
from rnnnlp.training.run_folder import RunFolder

STEPS = 100
FLAT = 1e-10  # a slope below this, in nats, is none
EDGE = 1e-3  # at most so far from 0 is a weight that is pushed there not moved together with the others
RIDGE = 1e-10  # is added to the curvature, so that members that are the same have the same weight
SHORTEST = 2.0**-30  # of a Newton step

log = logging.getLogger(__name__)


def fit_weights(logits: Sequence[np.ndarray], targets: np.ndarray) -> np.ndarray:
    """The weights `(M,)`, not below 0, at which softmax(sum of w_m * logits_m) has the least cross-entropy.

    `logits` are M times `(n, K)`, `targets (n,)`. A member that makes the others no better has the weight 0 (Breiman
    1996). As for `fit_temperature`, to the n texts K are added whose labels are one of each class; the weight of one
    member is 1 / that temperature.

    The cross-entropy is convex in the weights. Each step is Newton's among the weights that are free to move, cut off
    at 0 and halved until the cross-entropy falls (Bertsekas 1982).
    """
    x = np.stack([of_member.astype(np.float64) for of_member in logits])  # (M, n, K)
    M, n, K = x.shape
    x -= x.mean(axis=2, keepdims=True)  # what all classes have says nothing
    scale = np.sqrt(np.mean(x**2, axis=(1, 2)))  # (M,)
    scale[scale == 0] = 1
    x /= scale[:, None, None]

    def loss_and_gradient(w: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean cross-entropy, and its gradient with respect to the sum of the logits, `(n, K)`."""
        loss_sum, _, dz = softmax_cross_entropy(np.tensordot(w, x, 1), targets, label_smoothing=K / (n + K))
        return loss_sum / n, dz / n

    w = np.zeros(M)
    loss, dz = loss_and_gradient(w)
    for _ in range(STEPS):
        dw = np.tensordot(x, dz, 2)  # (M,)
        flatness = np.abs(w - np.maximum(w - dw, 0)).max()
        if flatness < FLAT:
            break
        free = (w > min(EDGE, flatness)) | (dw < 0)  # (M,)
        H = curvature(x[free], softmax(np.tensordot(w, x, 1)))
        step = -dw  # (M,)
        step[free] = np.linalg.solve(H + RIDGE * np.eye(len(H)), -dw[free])
        share = 1.0
        while share > SHORTEST:
            moved = np.maximum(w + share * step, 0)
            moved_loss, moved_dz = loss_and_gradient(moved)
            if moved_loss < loss:
                break
            share /= 2
        else:  # no nearer in this arithmetic
            break
        w, loss, dz = moved, moved_loss, moved_dz
    return w / scale


def curvature(x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The second derivatives `(M, M)` of the mean cross-entropy, with `x (M, n, K)` at the probabilities `p (n, K)`."""
    centred = x - (p * x).sum(axis=2, keepdims=True)  # (M, n, K)
    # covariance of the members' logits under p, the mean over the texts
    return np.tensordot(p * centred, centred, ((1, 2), (1, 2))) / p.shape[0]


def combine(config: Combining, out: str | os.PathLike, *, overwrite: bool = False) -> Committee:
    """Makes a committee of the classifiers in the folders `config.runs`, writes it into the new folder `out`.

    The weights are fitted on the validation texts of `config.data`, by default the data of the first run. Runs whose
    weight is 0 are left out.
    """
    members, trainings = load_members(config.runs)
    config = on_the_data_of(trainings[0], config)
    if Path(out).resolve() in (Path(run).resolve() for run in config.runs):
        raise UserError(f"--out {out} is one of the runs to combine; give the name of a new folder")
    with RunFolder.create(out, overwrite=overwrite, to_resume=False) as folder:
        split = validation_texts(config, members[0].labels)
        logits = logits_of_each(members, split.texts)
        weights = fit_weights(logits, split.labels)
        kept = np.flatnonzero(weights)
        if not len(kept):
            raise UserError(
                f"{config.data}: on its validation texts none of {', '.join(config.runs)} is better than chance; "
                "give runs that were trained on such texts, or train them longer"
            )
        committee = Committee([members[m] for m in kept], weights[kept], [trainings[m] for m in kept])
        rows = [
            {"run": run, "data": training.get("data"), "weight": float(weight), **figures(member, z, split)}
            for run, training, weight, member, z in zip(config.runs, trainings, weights, members, logits, strict=True)
        ]
        together = figures(committee, committee.mean([logits[m] for m in kept]), split)
        report(config, rows, together)
        committee.save_pretrained(folder.path, extra=config.to_mapping())
        folder.clear(but=CONTENT)
        write_atomically(folder.path / "README.md", committee_card(config, rows, together).encode())
    return committee


def load_members(runs: Sequence[str]) -> tuple[list[SentimentClassifier], list[dict[str, Any]]]:
    """The classifiers in folders, and how they were trained; UserError unless they have the same labels."""
    members: list[SentimentClassifier] = []
    trainings = []
    for run in runs:
        member = load_classifier(run)
        if isinstance(member, Committee):
            raise UserError(f"{run} is a committee itself; give its members, {run}/{MEMBERS}/0 and so on, instead")
        if member.labels != (labels := [*members, member][0].labels):
            raise UserError(
                f"{run} has the labels {', '.join(member.labels)} and {runs[0]} has {', '.join(labels)}; "
                "they must be the same in the same order: combine runs that were trained on the same labels"
            )
        training = read_config(Path(run)).get("training", {})
        if training:
            SentimentTraining.from_mapping(training, str(Path(run) / CONFIG))
        members.append(member)
        trainings.append(training)
    return members, trainings


def on_the_data_of(training: dict[str, Any], config: Combining) -> Combining:
    """The configuration with data, and with the columns of the training where no others are given."""
    if config.data is None and not training:
        raise UserError(f"{config.runs[0]} does not say what it was trained on; give --data")
    names = ("data", "text_column", "label_column")
    given = {name: getattr(config, name) for name in names}
    return config.changed(**{name: value or training.get(name) for name, value in given.items()})


def validation_texts(config: Combining, labels: tuple[str, ...]) -> LabelledSplit:
    assert config.data is not None
    data = load_labelled(
        config.data, text_column=config.text_column, label_column=config.label_column, splits=("validation",)
    )
    split = data.relabelled(labels).splits["validation"]
    if not split.texts:
        raise UserError(f"{config.data}: there is no text to fit weights on; give data with two or more of a class")
    return split


def logits_of_each(members: Sequence[SentimentClassifier], texts: Sequence[str]) -> list[np.ndarray]:
    """The logits of each member, `(n, K)`."""
    from tqdm import tqdm

    with tqdm(total=len(members) * len(texts), unit=" texts", desc="validation", disable=None) as bar:
        return [document_logits(member, texts, on_progress=bar.update) for member in members]


def figures(classifier: Classifier, logits: np.ndarray, split: LabelledSplit) -> dict[str, Any]:
    """Accuracy, calibrated loss and calibration error of a classifier that has these logits `(n, K)`."""
    of_all = classification_metrics(classifier.probabilities(logits), split.labels, classifier.labels)
    loss_sum, count, _ = softmax_cross_entropy(logits / classifier.temperature, split.labels)
    return {
        "accuracy": of_all["accuracy"],
        "loss": loss_sum / count,
        "expected_calibration_error": of_all["expected_calibration_error"],
        "examples": of_all["examples"],
    }


def report(config: Combining, rows: Sequence[dict[str, Any]], together: dict[str, Any]) -> None:
    """A line for each member and one for all."""
    for row in rows:
        words = "%s: weight %s, alone: accuracy %.4f, loss %.4f (calibrated)"
        log.info(words, row["run"], weight_of(row), row["accuracy"], row["loss"])
    log.info(
        "together: accuracy %.4f, loss %.4f, expected calibration error %.4f, on the %d validation texts of %s, to "
        "which the weights were fitted: on other texts they are a little worse",
        *(together["accuracy"], together["loss"], together["expected_calibration_error"], together["examples"]),
        config.data,
    )
