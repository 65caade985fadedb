"""The public class of classifiers."""

# n texts, K classes

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.config import LABEL_TYPES
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.explain import Contribution
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.task import TASK
from rnnnlp.text import LabelledData, LabelledSplit
from rnnnlp.text.given import GIVEN, as_texts
from rnnnlp.text.labelled import hold_out_validation
from rnnnlp.training.estimator import Estimator
from rnnnlp.training.run_folder import RunFolder


class SentimentClassifier(Estimator):
    """A classifier of texts, for pipelines and searches of scikit-learn or alone.

    Args:
        options: Those of `rnnnlp train sentiment`, with underscores, such as `budget="10m"` or `epochs=5`.

    Attributes:
        classes_: The labels `(K,)` in order, of the type that `fit` was given.
        network_: The trained network, or the ensemble.

    Example:
        >>> classifier = SentimentClassifier(budget="10m").fit(texts, labels)
        >>> classifier.predict(["What a lovely film."])
    """

    task = TASK
    network_: SentimentNetwork | Ensemble
    classes_: np.ndarray
    _estimator_type = "classifier"  # what scikit-learn before 1.6 asks for

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def fit(
        self,
        texts: Any,
        labels: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> Self:
        """Trains a new classifier.

        Args:
            texts: Strings in any container.
            labels: The label of each text: strings, numbers or booleans.
            sample_weight: How much each text counts in the loss, at least 0.
            validation_data: Texts and labels that choose the best weights; by default 5 % of the texts of each class
                are held out.
            out: A new folder that keeps the run.
            overwrite: Whether to replace a run that is in `out`.

        Raises:
            UserError: For a mistake in options or data.
        """
        data, _ = labelled(as_texts(texts), labels, sample_weight, validation_data)
        return self._train(GIVEN, data, out, overwrite)

    @classmethod
    def resume(
        cls,
        folder: str | os.PathLike[str],
        texts: Any = None,
        labels: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        **changes: Any,
    ) -> Self:
        """Continues the run in a folder: one that was interrupted, or one that shall train longer.

        Args:
            folder: The run folder, the `out` of `fit` or of the command line.
            texts: The same as for `fit`, if the run was begun in Python.
            labels: The same as for `fit`.
            sample_weight: The same as for `fit`.
            validation_data: The same as for `fit`.
            changes: Options that change: `epochs`, `steps` or `budget` is the new limit in all, and
                `budget="+10m"` adds to what the run has had. `data` is the new place of the data of the command line.

        Raises:
            UserError: If there is no such run, the data are others, or an option cannot change.
        """
        if texts is None and labels is None:
            return cls._resume(folder, changes)
        data, _ = labelled(as_texts(texts), labels, sample_weight, validation_data)
        return cls._resume(folder, changes, data)

    def _take_over(self, network: Any, run: RunFolder) -> Self:
        one = network.members[0] if isinstance(network, Ensemble) else network
        self.classes_ = np.array([LABEL_TYPES[one.config.label_type](name) for name in network.labels])
        return super()._take_over(network, run)

    def predict_proba(self, texts: Any) -> np.ndarray:
        """Calibrated probabilities `(n, K)`, the columns in the order of `classes_`."""
        probabilities: np.ndarray = self._fitted().predict_proba(as_texts(texts))
        return probabilities

    def predict(self, texts: Any) -> np.ndarray:
        """The most probable label of each text, `(n,)`, of the type that `fit` was given."""
        probabilities = self.predict_proba(texts)
        return self.classes_[probabilities.argmax(axis=1)]

    def score(self, texts: Any, labels: Any, sample_weight: Any = None) -> float:
        """The accuracy on texts with these labels, weighted if `sample_weight` is given."""
        predicted, labels = self.predict(texts), np.asarray(list(labels))
        if len(predicted) != len(labels):
            raise UserError(f"there are {len(predicted)} texts and {len(labels)} labels; give one label for each text")
        return float(np.average(predicted == labels, weights=sample_weight))

    def explain(self, texts: Any, labels: Sequence[Any] | None = None) -> list[list[Contribution]]:
        """The contribution of each word of each text to a label, in nats of log-odds; below 0: against it.

        Args:
            texts: The texts.
            labels: The explained label of each text; the predicted one by default.
        """
        network, found = self._fitted(), as_texts(texts)
        chosen = None if labels is None else indices_of(labels, self.classes_)
        explained: list[list[Contribution]] = network.explain(found, chosen)
        return explained

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """The classifier in a folder that `save_pretrained`, a training run or `rnnnlp ensemble` wrote.

        Raises:
            UserError: If there is none, or it is damaged.
        """
        predictor, run = load_predictor(folder), RunFolder(folder)
        if isinstance(predictor, Ensemble):  # made of runs, so it has no options of a training
            return cls()._take_over(predictor, run)
        return cls._of_run(predictor, run)


def labelled(
    texts: list[str], labels: Any, sample_weight: Any = None, validation_data: tuple[Any, Any] | None = None
) -> tuple[LabelledData, np.ndarray]:
    """Texts and labels as a data set, and the classes `(K,)` in order.

    Raises:
        UserError: If the numbers of texts and labels differ, there is only one class, or a validation label is new.
    """
    given = np.asarray(list(labels))
    require_one_each(texts, given, "labels")
    classes = np.unique(given)
    if len(classes) < 2:
        only = ", ".join(map(str, classes))
        raise UserError(f"the given labels are all {only!r}; a classifier needs two classes or more")
    weights = None
    if sample_weight is not None:
        weights = np.asarray(sample_weight, np.float64)
        require_one_each(texts, weights, "sample weights")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise UserError("sample_weight has a value that is negative or not finite, or is 0 throughout; mend it")
    train = LabelledSplit(texts, indices_of(given, classes), weights)
    names, source, label_type = tuple(map(str, classes)), "the given texts", type(classes[0].item()).__name__
    if validation_data is None:
        return LabelledData(hold_out_validation(train, source), names, source, label_type=label_type), classes
    held_out_texts, held_out_labels = as_texts(validation_data[0], "the validation texts"), list(validation_data[1])
    require_one_each(held_out_texts, held_out_labels, "validation labels")
    held_out = LabelledSplit(held_out_texts, indices_of(held_out_labels, classes))
    return LabelledData({"train": train, "validation": held_out}, names, source, label_type=label_type), classes


def require_one_each(texts: Sequence[str], others: Any, name: str) -> None:
    if len(others) != len(texts):
        raise UserError(f"there are {len(texts)} texts and {len(others)} {name}; give one for each text")


def indices_of(labels: Any, classes: np.ndarray) -> np.ndarray:
    """The index of each label among `classes`, `(n,)`; UserError for a label that is none of them."""
    index_of = {label: index for index, label in enumerate(classes.tolist())}
    found = np.asarray(list(labels)).tolist()
    if unknown := [label for label in found if label not in index_of]:
        raise UserError(
            f"the label {unknown[0]!r} is not one of training, {', '.join(map(str, classes))}: leave it out"
        )
    return np.array([index_of[label] for label in found], np.int64)
