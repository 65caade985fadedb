"""Linear baselines that a network should outperform: TF-IDF with logistic regression, and NB-SVM."""

# n texts, F n-grams, K classes

import logging
import unicodedata
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment.linear_fitting import log_count_ratios
from rnnnlp.text import LabelledSplit, is_unspaced
from rnnnlp.text.scripts import JOINERS

IDEOGRAPHS = 0x20000  # behind this character are no marks of letters
FEW_TEXTS = 3000  # below this number, n-grams of one text are features too
FOLDS = 5
ONE_FOLD = 5000  # from this number of texts on, one fold alone tells what C is best

log = logging.getLogger(__name__)


class BaselineModel(ABC):
    """A linear classifier on n-gram counts that can be fitted with one setting after the other."""

    name: ClassVar[str]

    @staticmethod
    @abstractmethod
    def settings(texts: int) -> list[dict[str, float]]:
        """Those that cross-validation chooses from, given the number of texts."""

    @abstractmethod
    def __init__(self, counts: Any, labels: np.ndarray, classes: int):
        """Takes the counts `(n, F)` and labels `(n,)` of the training texts."""

    @abstractmethod
    def fit(self, setting: Mapping[str, float]) -> None:
        """Fits the weights with one of the settings."""

    @abstractmethod
    def probabilities(self, counts: Any) -> np.ndarray:
        """Class probabilities `(n, K)` from counts `(n, F)`; 0 for classes that the training texts lack."""


class TfIdf(BaselineModel):
    """Logistic regression on TF-IDF."""

    name = "TF-IDF"

    @staticmethod
    def settings(texts: int) -> list[dict[str, float]]:
        return [{"C": C} for C in (0.1, 1.0, 10.0, 100.0)]

    def __init__(self, counts: Any, labels: np.ndarray, classes: int):
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        self._weighting = TfidfTransformer(sublinear_tf=True).fit(counts)
        self._features, self._labels, self._classes = self._weighting.transform(counts), labels, classes  # (n, F)
        self._model = LogisticRegression(max_iter=300, warm_start=True)

    def fit(self, setting: Mapping[str, float]) -> None:
        self._model.set_params(C=setting["C"]).fit(self._features, self._labels)

    def probabilities(self, counts: Any) -> np.ndarray:
        found = np.zeros((counts.shape[0], self._classes))
        found[:, self._model.classes_] = self._model.predict_proba(self._weighting.transform(counts))
        return found


class NbSvm(BaselineModel):
    """NB-SVM: a linear SVM on binary n-grams times their log-count ratios, one class against the others.

    Wang and Manning 2012. Their `beta` moves all weights towards their mean size: 1 leaves them as they are.
    Probabilities are the softmax of the margins.
    """

    name = "NB-SVM"

    @staticmethod
    def settings(texts: int) -> list[dict[str, float]]:
        betas = (1.0,) if texts < FEW_TEXTS else (1.0, 0.25)  # few texts cannot tell which one is better
        return [{"C": C, "beta": beta} for C in (0.01, 0.03, 0.1, 0.3, 1.0) for beta in betas]

    def __init__(self, counts: Any, labels: np.ndarray, classes: int):
        self._classes, occurring = classes, np.unique(labels)
        self._features = _binary(counts)  # (n, F)
        self._targets = [labels == k for k in occurring]
        if len(occurring) == 2:
            del self._targets[0]  # one problem is enough
        self._ratios = [log_count_ratios(self._features, target) for target in self._targets]  # (F,) each
        self._models: list[Any] = []
        self._occurring, self._C, self._beta = occurring, 0.0, 1.0

    def fit(self, setting: Mapping[str, float]) -> None:
        from sklearn.svm import LinearSVC

        C, self._beta = setting["C"], setting["beta"]
        if C != self._C:
            self._C = C
            self._models = [
                LinearSVC(C=C, dual=True, random_state=0).fit(self._features.multiply(ratio).tocsr(), target)
                for ratio, target in zip(self._ratios, self._targets, strict=True)
            ]

    def probabilities(self, counts: Any) -> np.ndarray:
        features, columns = _binary(counts), []
        for model, ratio in zip(self._models, self._ratios, strict=True):
            w = model.coef_[0]  # (F,)
            w = (1 - self._beta) * np.abs(w).mean() + self._beta * w
            columns.append(features @ (ratio * w) + model.intercept_[0])  # (n,)
        margins = np.stack(columns, axis=1)  # (n, classes that the training texts have)
        if margins.shape[1] == 1:
            margins = np.concatenate([-margins, margins], axis=1)
        found = np.zeros((len(margins), self._classes))
        found[:, self._occurring] = softmax(margins)
        return found


MODELS: tuple[type[BaselineModel], ...] = (TfIdf, NbSvm)


@dataclass(frozen=True)
class Baseline:
    """A fitted linear baseline.

    Attributes:
        name: TF-IDF or NB-SVM.
        setting: `C`, the inverse strength of its regularisation, and others, chosen by cross-validation.
        accuracy: The cross-validated accuracy of this setting; NaN if the texts are too few.
        predict_proba: Computes class probabilities `(n, K)` of texts.
    """

    name: str
    setting: dict[str, float]
    accuracy: float
    predict_proba: Callable[[Sequence[str]], np.ndarray]


def fit_baselines(train: LabelledSplit, classes: int) -> list[Baseline]:
    """Fits both baselines, each with the best of its settings by stratified cross-validation on the same texts.

    The features are word 1- and 2-grams. For text without spaces between words, they are character 1- to 3-grams.
    White space around a text is left out, as by a classifier.
    There are five folds; from ONE_FOLD texts on, one of them is measured.

    Args:
        train: The texts to train on.
        classes: The number of classes.

    Raises:
        UserError: If the texts have no words.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import CountVectorizer

    grams: dict[str, Any] = {"token_pattern": word_pattern(), "ngram_range": (1, 2)}
    if is_unspaced(train.texts):
        grams = {"analyzer": "char", "ngram_range": (1, 3)}
    fewest = 1 if len(train) < FEW_TEXTS else 2
    vectorizer = CountVectorizer(min_df=fewest, dtype=np.float32, preprocessor=stripped_and_lowered, **grams)
    try:
        counts = vectorizer.fit_transform(train.texts)  # (n, F)
    except ValueError:
        raise UserError(
            f"{option('baseline')} finds no words in the training texts; leave it out, or give more"
        ) from None

    def fit(kind: type[BaselineModel]) -> Baseline:
        setting, accuracy = best_setting(kind, counts, train.labels, classes)
        model = kind(counts, train.labels, classes)
        model.fit(setting)
        return Baseline(kind.name, setting, accuracy, lambda texts: model.probabilities(vectorizer.transform(texts)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter here
        return [fit(kind) for kind in MODELS]


@cache
def word_pattern() -> str:
    r"""Words with their marks, such as the vowel signs of Hindi, which `\w` lacks; and each sign.

    Single letters and signs, which scikit-learn leaves out, are among them.
    """
    marks = np.array([c for c in range(IDEOGRAPHS) if unicodedata.category(chr(c)).startswith("M")])
    runs = np.split(marks, np.flatnonzero(np.diff(marks) > 1) + 1)
    ranges = "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)
    return rf"\w[\w{JOINERS}{ranges}]*|[^\w\s]"


def stripped_and_lowered(text: str) -> str:
    return text.strip().lower()


def best_setting(
    kind: type[BaselineModel], counts: Any, labels: np.ndarray, classes: int
) -> tuple[dict[str, float], float]:
    """The setting of highest cross-validated accuracy, of equal ones that of the lowest loss; and this accuracy."""
    settings = kind.settings(len(labels))
    hits, loss, measured = np.zeros(len(settings)), np.zeros(len(settings)), 0
    for held in folds_of(labels):
        model, actual = kind(counts[~held], labels[~held], classes), labels[held]
        for number, setting in enumerate(settings):
            model.fit(setting)
            probabilities = model.probabilities(counts[held])
            hits[number] += np.sum(probabilities.argmax(axis=1) == actual)
            loss[number] -= np.log(probabilities[np.arange(len(actual)), actual] + 1e-9).sum()
        measured += len(actual)
    if not measured:
        return settings[len(settings) // 2], float("nan")
    best = np.lexsort((loss, -hits))[0]
    return settings[best], float(hits[best] / measured)


def folds_of(labels: np.ndarray) -> Iterator[np.ndarray]:
    """Yields which texts are held out, bool `(n,)`, for each fold; every class has about the same share in each.

    There are none if fewer than two classes have two texts.
    """
    counts = np.sort(np.bincount(labels))
    if len(counts) < 2 or counts[-2] < 2:
        return
    rng, fold = np.random.default_rng(0), np.zeros(len(labels), np.int64)
    for k in np.flatnonzero(np.bincount(labels)):
        rows = rng.permutation(np.flatnonzero(labels == k))
        fold[rows] = np.arange(len(rows)) % FOLDS
    for number in range(1 if len(labels) >= ONE_FOLD else FOLDS):
        if (fold == number).any():
            yield fold == number


def baseline_probabilities(train: LabelledSplit, texts: Sequence[str], classes: int) -> np.ndarray:
    """Fits both baselines and predicts class probabilities with the one that is better by cross-validation.

    Args:
        train: The texts to train on.
        texts: The texts to classify.
        classes: The number of classes.

    Returns:
        `(n, K)`.

    Raises:
        UserError: If the texts have no words.
    """
    found = fit_baselines(train, classes)
    best = max(found, key=lambda baseline: np.nan_to_num(baseline.accuracy))
    figures = ", ".join(f"{b.name} {b.accuracy:.4f} (C {b.setting['C']:g})" for b in found)
    log.info("linear baselines, cross-validated: %s; %s is taken", figures, best.name)
    return best.predict_proba(texts)


def _binary(counts: Any) -> Any:
    """The features `(n, F)`: 1 where an n-gram occurs."""
    features = counts.copy()
    features.data[:] = 1
    return features
