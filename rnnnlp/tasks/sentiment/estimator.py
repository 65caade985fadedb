"""The public class of classifiers."""

# n texts, K classes

import os
from typing import Any, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.bundled import model_folder
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.explain import Explanations
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.task import TASK
from rnnnlp.text import Classes, LabelledData, LabelledSplit
from rnnnlp.text.given import labelled_rows
from rnnnlp.text.labelled import hold_out_validation
from rnnnlp.text.sources import GIVEN
from rnnnlp.training.estimator import Estimator
from rnnnlp.training.run_folder import RunFolder


class SentimentClassifier(Estimator):
    """A classifier of texts, for pipelines and searches of scikit-learn or alone.

    Args:
        options: Those of `rnnnlp train sentiment`, with underscores, such as `budget="10m"` or `epochs=5`.

    Attributes:
        network_: The trained network, or the ensemble.

    Example:
        >>> classifier = SentimentClassifier(budget="10m").fit(texts, labels)
        >>> classifier.predict(["What a lovely film."])
    """

    task = TASK
    network_: SentimentNetwork | Ensemble
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
        data = labelled(texts, labels, sample_weight, validation_data)
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
        data = labelled(texts, labels, sample_weight, validation_data)
        return cls._resume(folder, changes, data)

    @property
    def classes_(self) -> np.ndarray:
        """The labels `(K,)` in order, of the type that `fit` was given."""
        classes: Classes = self._fitted().classes
        return classes.array()

    def predict_proba(self, texts: Any) -> np.ndarray:
        """Calibrated probabilities `(n, K)`, the columns in the order of `classes_`; NaN for a missing text."""
        with self._kernels():
            probabilities: np.ndarray = self._fitted().predict_proba(texts)
        return probabilities

    def predict(self, texts: Any) -> np.ndarray:
        """The most probable label of each text, `(n,)`, of the type that `fit` was given; None for a missing text."""
        with self._kernels():
            predicted: np.ndarray = self._fitted().predict(texts)
        return predicted

    def score(self, texts: Any, labels: Any, sample_weight: Any = None) -> float:
        """The accuracy on texts with these labels, weighted if `sample_weight` is given; see `Predictor.score`."""
        with self._kernels():
            accuracy: float = self._fitted().score(texts, labels, sample_weight)
        return accuracy

    def uncertain(self, texts: Any, n: int) -> np.ndarray:
        """The indices of the `n` texts whose labels would teach most, the most useful first: label these next.

        Args:
            texts: Texts without labels. Copies and missing texts are left out, so there may be fewer indices.
            n: The number of texts that are wanted.
        """
        with self._kernels():
            chosen: np.ndarray = self._fitted().uncertain(texts, n)
        return chosen

    def explain(self, texts: Any, labels: Any = None) -> Explanations:
        """The contribution of each word of each text to a label, in nats of log-odds; below 0: against it.

        A notebook shows the texts, with green words for the label and red ones against it.

        Args:
            texts: The texts.
            labels: The explained label of each text; the predicted one by default.
        """
        with self._kernels():
            explained: Explanations = self._fitted().explain(texts, labels)
        return explained

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """The classifier in a folder that `save_pretrained`, a training run or `rnnnlp ensemble` wrote.

        Args:
            folder: The folder, or the name of a bundled model, such as "reviews-en": `rnnnlp models` lists them.

        Raises:
            UserError: If there is none, or it is damaged.
        """
        folder = model_folder(folder)
        predictor, run = load_predictor(folder), RunFolder(folder)
        if isinstance(predictor, Ensemble):  # made of runs, so it has no options of a training
            return cls()._take_over(predictor, run)
        return cls._of_run(predictor, run)


def labelled(
    texts: Any, labels: Any, sample_weight: Any = None, validation_data: tuple[Any, Any] | None = None
) -> LabelledData:
    """Texts and labels as a data set.

    Raises:
        UserError: If the numbers of texts and labels differ, there is only one class, or a validation label is new.
    """
    source = "the given data"
    rows = labelled_rows(texts, labels, sample_weight)
    if not rows.texts:
        raise UserError("there are no texts with labels; give some of each of two classes or more")
    classes = Classes.of(rows.labels, source)
    if len(classes) < 2:
        raise UserError(f"the given labels are all {classes.labels[0]!r}; a classifier needs two classes or more")
    train = LabelledSplit(rows.texts, classes.indices(rows.labels, source), rows.weights)
    if validation_data is None:
        return LabelledData(hold_out_validation(train, source), classes, source, held_out=True)
    if not (isinstance(validation_data, tuple | list) and len(validation_data) == 2):
        raise UserError("validation_data must be a pair (texts, labels), to choose the best weights with")
    held_out = labelled_rows(*validation_data, names=("the validation texts", "the validation labels"))
    if not held_out.texts:
        raise UserError("validation_data has no text with a label; give some, or leave it out")
    validation = LabelledSplit(held_out.texts, classes.indices(held_out.labels, "validation_data", of="training"))
    return LabelledData({"train": train, "validation": validation}, classes, source)
