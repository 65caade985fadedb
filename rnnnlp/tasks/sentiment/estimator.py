"""The public class of classifiers."""

# n texts, K classes

import os
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.bundled import model_folder
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.explain import Explanations
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.predictor import Answer, batches_of
from rnnnlp.tasks.sentiment.task import TASK
from rnnnlp.text import Classes, LabelledData, LabelledSplit
from rnnnlp.text.given import Columns, as_texts, labelled_rows, refuse_names_of_files
from rnnnlp.text.given_tables import is_table
from rnnnlp.text.labelled import hold_out_validation
from rnnnlp.text.sources import GIVEN
from rnnnlp.training import opened_once
from rnnnlp.training.estimator import Estimator
from rnnnlp.training.model_folder import trained_columns, training_of
from rnnnlp.training.reporting import Callback
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
    label_column: str | None
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
        labels: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: Any = None,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Trains a new classifier.

        Args:
            texts: Strings in any container; or a table of pandas, `datasets` or PyArrow, or a dict of columns, in which
                `text_column` and `label_column` name the columns where they are not the usual ones.
            labels: The label of each text: strings, numbers or booleans. None takes those of the table.
            sample_weight: How much each text counts in the loss, at least 0; a text of weight 0 is left out.
            validation_data: Texts and labels, or a table, that choose the best weights. Without them up to 5,000 texts
                are cross-validated if the budget allows it (`folds`), and all of them train the model; otherwise 5 % of
                the texts of each class are held out.
            out: A new folder that keeps the run.
            overwrite: Whether to replace a run that is in `out`.
            callbacks: Receive the figures of the training, like the trackers of `report_to`: see `Callback`.

        Returns:
            This object, trained.

        Raises:
            UserError: For a mistake in options or data.
            KeyboardInterrupt: After Ctrl-C. The object then has the best weights so far, if there are any.
        """
        data = labelled(texts, labels, sample_weight, validation_data, (self.text_column, self.label_column))
        return self._train(GIVEN, data, out, overwrite, callbacks)

    @classmethod
    def resume(
        cls,
        folder: str | os.PathLike[str],
        texts: Any = None,
        labels: Any = None,
        sample_weight: Any = None,
        *,
        validation_data: Any = None,
        callbacks: Sequence[Callback] = (),
        **changes: Any,
    ) -> Self:
        """Continues the run in a folder, because it was interrupted or is to train longer.

        Args:
            folder: The run folder, the `out` of `fit` or of the command line.
            texts: The same as for `fit`, if the run was begun in Python.
            labels: The same as for `fit`.
            sample_weight: The same as for `fit`.
            validation_data: The same as for `fit`.
            callbacks: As for `fit`.
            changes: Options that change: `epochs`, `steps` or `budget` is the new limit in all, and
                `budget="+10m"` adds to what the run has had; a cross-validated run (`folds`) takes no other limit.
                `data` is the new place of the data of the command line.

        Returns:
            A new object with the trained model.

        Raises:
            UserError: If there is no such run, the data are others, or an option cannot change.
            TypeError: For an unknown option.
        """
        if all(given is None for given in (texts, labels, sample_weight, validation_data)):
            return cls._resume(folder, changes, callbacks=callbacks)
        trained = training_of(RunFolder(folder).path)
        columns = trained.get("text_column"), trained.get("label_column")
        data = labelled(texts, labels, sample_weight, validation_data, columns)
        return cls._resume(folder, changes, data, callbacks)

    @property
    def classes_(self) -> np.ndarray:
        """The labels `(K,)` in order, of the type that `fit` was given; NotFittedError before `fit`."""
        classes: np.ndarray = self._fitted().classes_
        return classes

    def predict_proba(self, texts: Any) -> np.ndarray:
        """The calibrated probability of each class for each text.

        Args:
            texts: n texts in any usual container, or a table with a column of texts.

        Returns:
            `(n, K)`, the columns in the order of `classes_`; NaN for a missing text.

        Raises:
            UserError: If `texts` is not a container of texts, or the model gives no finite probabilities.
            NotFittedError: Before `fit`.
        """
        with self._kernels():
            probabilities: np.ndarray = self._fitted().predict_proba(self._texts(texts))
        return probabilities

    def predict(self, texts: Any) -> np.ndarray:
        """The most probable label of each text.

        Args:
            texts: n texts in any usual container, or a table with a column of texts.

        Returns:
            `(n,)`, of the type of the labels that `fit` was given; None for a missing text.

        Raises:
            UserError: As for `predict_proba`.
            NotFittedError: Before `fit`.
        """
        with self._kernels():
            predicted: np.ndarray = self._fitted().predict(self._texts(texts))
        return predicted

    def _texts(self, texts: Any) -> Any:
        """The texts of a table; anything else as it is."""
        return as_texts(texts, column=self.text_column) if is_table(texts) else texts

    def predict_stream(self, texts: Any, *, batch_size: int | None = None) -> Iterator[Answer]:
        """Yields the answer to each text before the last text is read: for generators and data sets of any size.

        Args:
            texts: Texts in any container, also a generator or a data set of any size.
            batch_size: The largest number of texts that are read before an answer is given: 1 for a source that waits.
                By default 16 at first, and then more, as that is faster.

        Yields:
            For each text, in order: `text`, its most probable `label`, and the `probabilities` `(K,)` of all classes.
            For a missing text they are None, None and NaN.

        Raises:
            UserError: If `texts` is not a container of texts, or `batch_size` is below 1.
            NotFittedError: Before `fit`.
        """
        model = self._fitted()
        infer = model.inference()
        for batch in batches_of(texts, self.text_column, batch_size):
            with self._kernels():
                answers = model.answers(batch, infer)
            yield from answers

    def score(self, texts: Any, labels: Any = None, sample_weight: Any = None) -> float:
        """The accuracy: the fraction of texts whose most probable label is the given one.

        Labels are matched by value: 1, 1.0 and "1" are the same. Rows without a text or a label are left out. A text
        whose label is none of the classes counts as wrong, and the number of these is logged.

        Args:
            texts: The texts, or a table with texts and labels.
            labels: The label of each text; None takes those of the table.
            sample_weight: How much each text counts, at least 0.

        Returns:
            A number from 0 to 1; the weighted fraction if there are weights.

        Raises:
            UserError: If the numbers of texts, labels and weights differ, or no label is one of the classes.
            NotFittedError: Before `fit`.
        """
        if labels is None and is_table(texts):
            rows = labelled_rows(texts, None, sample_weight, columns=(self.text_column, self.label_column))
            texts, labels, sample_weight = rows.texts, rows.labels, rows.weights
        with self._kernels():
            accuracy: float = self._fitted().score(self._texts(texts), labels, sample_weight)
        return accuracy

    def uncertain(self, texts: Any, n: int) -> np.ndarray:
        """The indices of the `n` texts whose labels would teach most, the most useful first: label these next.

        Args:
            texts: Texts without labels. Blank and missing ones, copies, and texts that are nearly the same are left
                out, so there may be fewer indices.
            n: The number of texts that are wanted.

        Returns:
            Indices into `texts`, int64 `(m,)` with m at most `n`.

        Raises:
            UserError: If `texts` is not a container of texts, or `n` is below 1.
            NotFittedError: Before `fit`.
        """
        with self._kernels():
            chosen: np.ndarray = self._fitted().uncertain(self._texts(texts), n)
        return chosen

    def explain(self, texts: Any, labels: Any = None) -> Explanations:
        """The contribution of each word of each text to a label, in nats of log-odds; below 0: against it.

        Args:
            texts: The texts.
            labels: The explained label of each text; the predicted one by default.

        Returns:
            For each text a list of its words, each with `start`, `stop` (exclusive, in characters) and `weight`; None
            for a missing text. A notebook shows the texts, with green words for the label and red ones against it.

        Raises:
            UserError: If the numbers of texts and labels differ, or a label is none of the classes.
            NotFittedError: Before `fit`.
        """
        with self._kernels():
            explained: Explanations = self._fitted().explain(self._texts(texts), labels)
        return explained

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], *, shared: bool = False) -> Self:
        """The classifier in a folder that `save_pretrained`, a training run or `rnnnlp ensemble` wrote.

        Args:
            folder: The folder; or the name of a bundled model, such as "reviews-en" (`rnnnlp models` lists them); or
                that of a model on the Hub, "owner/name" or "owner/name@revision".
            shared: For workers of Spark, Dask or `datasets`: each process opens the folder once, and the classifier is
                pickled as its path.

        Returns:
            A new classifier with that model and its options.

        Raises:
            UserError: If there is none, or it is damaged.
        """
        if shared:
            return opened_once.shared(cls, folder, cls.from_pretrained)
        folder = model_folder(folder)
        predictor, run = load_predictor(folder), RunFolder(folder)
        if isinstance(predictor, Ensemble):  # made of runs, so it has no other options of a training
            columns = trained_columns(run.path)
            ensemble = cls(text_column=columns.text_column, label_column=columns.label_column)
            return ensemble._take_over(predictor, run)
        return cls._of_run(predictor, run)


def labelled(
    texts: Any,
    labels: Any,
    sample_weight: Any = None,
    validation_data: Any = None,
    columns: Columns = (None, None),
) -> LabelledData:
    """Texts and labels as a data set; `columns` are those of a table.

    Raises:
        UserError: If the numbers of texts and labels differ, there is only one class, or a validation label is new.
    """
    source = "the given data"
    rows = labelled_rows(texts, labels, sample_weight, columns=columns)
    if not rows.texts:
        raise UserError("there are no texts with labels; give some of each of two classes or more")
    refuse_names_of_files(rows.texts, "texts")
    names = rows.class_names
    classes = Classes.of(rows.labels, source) if names is None else Classes(names, "class")
    train = LabelledSplit(rows.texts, classes.indices(rows.labels, source), rows.weights)
    if rows.weights is not None:
        train = train.where(rows.weights > 0)
    if len(np.unique(train.labels)) < 2:
        only = classes.labels[train.labels[0]]
        raise UserError(f"the given labels are all {only!r}; a classifier needs two classes or more")
    if validation_data is None:
        return LabelledData(hold_out_validation(train, source), classes, source, held_out=True)
    if is_table(validation_data):
        validation_data = validation_data, None
    elif not (isinstance(validation_data, tuple | list) and len(validation_data) == 2):
        raise UserError("validation_data must be a pair (texts, labels), or a table, to choose the best weights with")
    described = ("the validation texts", "the validation labels")
    validation_rows = labelled_rows(validation_data[0], validation_data[1], names=described, columns=columns)
    if not validation_rows.texts:
        raise UserError("validation_data has no text with a label; give some, or leave it out")
    refuse_names_of_files(validation_rows.texts, described[0])
    validation_labels = classes.indices(validation_rows.labels, "validation_data", of="training")
    validation = LabelledSplit(validation_rows.texts, validation_labels)
    return LabelledData({"train": train, "validation": validation}, classes, source)
