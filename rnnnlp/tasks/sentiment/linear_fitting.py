"""Fits linear models of n-grams; cross-validation chooses their regularisation and how they are stacked."""

# n texts, F n-grams of the vocabulary, K classes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnnnlp.batches.ngrams import NgramCounts
from rnnnlp.tasks.sentiment.linear import MAX_NGRAMS, VIEWS, LinearModel, NgramModel, View, ngrams_of
from rnnnlp.tasks.sentiment.objective import balanced_weights
from rnnnlp.text import Tokenizer
from rnnnlp.training.calibration import class_biases, stacked_loss, stacking_weights

if TYPE_CHECKING:
    import scipy.sparse

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the data against the regularisation: `C` of scikit-learn
MOST_IN_FOLDS = 3000  # texts that choose the regularisation, where the network has no folds
TRIAL, TRIAL_FOLDS = View(characters=False, shortest=1, longest=3), 3  # that compare tokenizers
TOLERANCE = 1e-3  # of the gradient; the last digits do not matter


@dataclass(frozen=True)
class Examples:
    """Labelled texts to fit linear models to.

    Attributes:
        texts: The texts.
        documents: The ids of their tokens.
        labels: The class of each, int64 `(n,)`.
        weights: How much each counts, `(n,)`; None for all alike.
        classes: The number of classes.
        balanced: Whether all classes get the same weight.
    """

    texts: Sequence[str]
    documents: Sequence[np.ndarray]
    labels: np.ndarray
    weights: np.ndarray | None
    classes: int
    balanced: bool = False

    @property
    def columns(self) -> list[int]:
        """The class of each column of the weights."""
        return [1] if self.classes == 2 else list(range(self.classes))


def fit(model: NgramModel, examples: Examples, found: NgramCounts, rows: np.ndarray, strength: float) -> None:
    """Fits a model to some of the examples, one class against the rest.

    Args:
        model: The model.
        examples: Labelled texts.
        found: Their counts of n-grams of its vocabulary.
        rows: The indices of those to fit to.
        strength: Of the data against the regularisation.
    """
    from sklearn.linear_model import LogisticRegression

    F = len(model.scale)
    weights = weights_of(examples)[rows]
    rows, weights = rows[weights > 0], weights[weights > 0]
    x = sparse(found, F)[rows]  # (rows, F), counts
    labels = examples.labels[rows]
    in_texts = np.bincount(x.indices, minlength=F)  # (F,)
    idf = np.log((1 + len(rows)) / (1 + in_texts)) + 1
    model.scale[...] = np.where(in_texts == 0, 0, 1 if model.view.log_count_ratios else idf)
    x.data = model.features(NgramCounts(x.indptr, x.indices, x.data)).astype(np.float64)
    used = np.flatnonzero(in_texts)
    x = x[:, used]
    model.weight[...] = 0
    for column, label in enumerate(examples.columns):
        positive = labels == label
        if positive.all() or not positive.any():
            model.bias[column] = np.log(1 + len(rows)) * (1 if positive.any() else -1)
            continue
        ratios = log_count_ratios(x, positive) if model.view.log_count_ratios else np.ones(len(used))
        estimator = LogisticRegression(C=strength, solver="newton-cg", tol=TOLERANCE, max_iter=300)
        estimator.fit(x.multiply(ratios).tocsr(), positive, weights)
        model.weight[used, column], model.bias[column] = ratios * estimator.coef_[0], estimator.intercept_[0]


def weights_of(examples: Examples) -> np.ndarray:
    """How much each example counts in a fit, `(n,)`; those that count, 1 on average."""
    weights = np.ones(len(examples.labels)) if examples.weights is None else np.asarray(examples.weights, np.float64)
    weights = weights / weights[weights > 0].mean()
    if examples.balanced:
        weights = weights * balanced_weights(examples.labels, examples.classes, weights)[examples.labels]
    return weights


def sparse(found: NgramCounts, size: int) -> scipy.sparse.csr_matrix:
    """The matrix `(n, F)` of n-gram counts."""
    import scipy.sparse

    return scipy.sparse.csr_matrix((found.counts, found.ngrams, found.starts), (len(found.starts) - 1, size))


def taken(found: NgramCounts, rows: np.ndarray) -> NgramCounts:
    """The counts of some of the texts."""
    x = sparse(found, int(found.ngrams.max(initial=0)) + 1)[rows]
    return NgramCounts(x.indptr, x.indices, x.data)


def log_count_ratios(x: scipy.sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """How much more often an n-gram is in the positive texts than in the others: log-ratios of smoothed shares, `(F,)`.

    Args:
        x: Features of texts, `(n, F)`.
        positive: Whether each text is of the class, `(n,)`.
    """
    there = x.sign()
    inside = 1 + np.asarray(there[positive].sum(axis=0)).ravel()
    outside = 1 + np.asarray(there[~positive].sum(axis=0)).ravel()
    ratios: np.ndarray = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    return ratios


def vocabulary_of(found: NgramCounts) -> np.ndarray:
    """The hashes of the n-grams of texts, ascending: at most MAX_NGRAMS, those that are in most texts."""
    ngrams, in_texts = np.unique(found.ngrams, return_counts=True)
    if len(ngrams) > MAX_NGRAMS:
        ngrams = np.sort(ngrams[np.argsort(-in_texts, kind="stable")[:MAX_NGRAMS]])
    return ngrams


def stratified_folds(
    labels: np.ndarray, number: int, *, rng: np.random.Generator, most: int | None = None
) -> np.ndarray:
    """The fold of each text, `(n,)`: each fold has about the same share of each class.

    Args:
        labels: The class of each text, `(n,)`.
        number: The number of folds.
        rng: What draws them.
        most: At most about this number of texts are in a fold at all; -1 stands for the others.
    """
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    every = 1 if most is None else -(-len(labels) // most)  # the N-th text of each class is in a fold
    place = np.arange(len(labels))
    folds[order] = np.where(place % every == 0, (place // every) % number, -1)
    return folds


@dataclass(frozen=True)
class LinearFit:
    """A linear model fitted to all examples.

    Attributes:
        model: The model.
        out_of_fold_logits: Its logits `(n, K)` of each example when that was left out of the fit.
    """

    model: LinearModel
    out_of_fold_logits: np.ndarray


def fit_linear(views: Sequence[str], examples: Examples, folds: np.ndarray, *, most: int = MAX_NGRAMS) -> LinearFit:
    """Fits models of views and stacks them, all by cross-validation.

    Class biases are fitted after the weights, unless classes or texts are weighted: then the predicted shares of the
    classes are meant to differ from those of the texts.

    Args:
        views: The names of the views.
        examples: Labelled texts.
        folds: The fold of each, `(n,)`; -1 for those that the cross-validation leaves out.
        most: The number of n-grams of a model, at most.
    """
    views = [name for name in VIEWS if name in views]  # as a saved model has them
    of_views = [cross_validated(VIEWS[name], examples, folds, most=most)[:2] for name in views]
    rows = folds >= 0
    weights = stacking_weights([logits[rows] for _, logits in of_views], examples.labels[rows])
    model = LinearModel({name: 0 for name in views}, examples.classes)
    model.views = {name: of_view for name, (of_view, _) in zip(views, of_views, strict=True)}
    model.weights[...] = weights
    weighted = [w * logits for w, (_, logits) in zip(weights.tolist(), of_views, strict=True)]
    out_of_fold_logits = np.sum(weighted, axis=0)
    differ = examples.weights is not None and bool(np.ptp(examples.weights))
    if weights.any() and not (examples.balanced or differ):
        biases = class_biases(out_of_fold_logits[rows], examples.labels[rows])
        model.add_biases(biases)
        out_of_fold_logits += biases.astype(out_of_fold_logits.dtype)
    return LinearFit(model, out_of_fold_logits)


def cross_validated(
    view: View, examples: Examples, folds: np.ndarray, *, most: int = MAX_NGRAMS
) -> tuple[NgramModel, np.ndarray, float]:
    """A model of a view fitted to all examples, with the strength that has the least cross-validated loss.

    Args:
        view: What the model sees.
        examples: Labelled texts.
        folds: The fold of each, `(n,)`; -1 for those that the cross-validation leaves out.
        most: The number of n-grams that the model has in the end, at most: those that decide most.

    Returns:
        The model; its logits `(n, K)` of each example when that was left out of the fit, 0 if it had no fold; and their
        loss in nats.
    """
    counted = ngrams_of(view, examples.texts, examples.documents)
    vocabulary = vocabulary_of(counted)
    model = NgramModel(view, len(vocabulary), examples.classes)
    model.ngrams[...] = vocabulary
    found = counted.of(vocabulary)
    in_folds = folds >= 0
    numbers = np.unique(folds[in_folds])
    parts = [(np.flatnonzero(in_folds & (folds != fold)), np.flatnonzero(folds == fold)) for fold in numbers]
    of_parts = [taken(found, left_out) for _, left_out in parts]

    def logits_at(strength: float) -> np.ndarray:
        logits = np.zeros((len(examples.labels), examples.classes), np.float32)
        for (rows, left_out), counts in zip(parts, of_parts, strict=True):
            fit(model, examples, found, rows, strength)
            logits[left_out] = model.logits_of_counts(counts)
        return logits

    best_loss, best_strength, best_logits = np.inf, STRENGTHS[0], np.zeros((0, 0))
    for strength in STRENGTHS:
        logits = logits_at(strength)
        some, labels = [logits[in_folds]], examples.labels[in_folds]
        loss = stacked_loss(stacking_weights(some, labels), some, labels)
        if loss > best_loss:  # it has one minimum, or nearly so
            break
        best_loss, best_strength, best_logits = loss, strength, logits
    everything = np.arange(len(examples.labels))
    fit(model, examples, found, everything, best_strength)
    if len(vocabulary) > most:
        in_texts = np.bincount(found.ngrams, minlength=len(vocabulary))
        decides = np.abs(model.weight).max(axis=1) * np.sqrt(in_texts)  # (F,)
        model = NgramModel(view, most, examples.classes)
        model.ngrams[...] = vocabulary[np.sort(np.argsort(-decides, kind="stable")[:most])]
        fit(model, examples, counted.of(model.ngrams), everything, best_strength)
    return model, best_logits, best_loss


def best_tokenizer(
    tokenizers: Sequence[Tokenizer], texts: Sequence[str], labels: np.ndarray, classes: int, *, rng: np.random.Generator
) -> Tokenizer:
    """The tokenizer with whose n-grams a linear model has the least cross-validated loss.

    Args:
        tokenizers: Those to choose from.
        texts: Texts to fit models to.
        labels: The class of each, `(n,)`.
        classes: The number of classes.
        rng: What draws the folds.
    """
    folds = stratified_folds(labels, TRIAL_FOLDS, rng=rng)

    def loss(tokenizer: Tokenizer) -> float:
        return cross_validated(TRIAL, Examples(texts, tokenizer.encode_batch(texts), labels, None, classes), folds)[2]

    return min(tokenizers, key=loss)
