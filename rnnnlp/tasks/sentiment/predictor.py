"""What every classifier of texts can do, one network or an ensemble."""

# n texts, K classes

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment.explain import Contribution, Explanation, Explanations, shifted, whole_clusters
from rnnnlp.tasks.sentiment.uncertain import most_uncertain
from rnnnlp.text import Classes
from rnnnlp.text.given import as_texts, iterate_texts, labelled_rows, present_texts, require_one_each
from rnnnlp.text.labels import Label, as_labels
from rnnnlp.text.plain import LARGEST_BATCH, in_batches

CHUNK = 10_000  # texts encoded at a time when predicting


class ModelOutput(NamedTuple):
    """What a classifier finds in n texts.

    Attributes:
        logits: `(n, K)`, not calibrated.
        unknown: The share of the words of each text that the model does not know, `(n,)`.
    """

    logits: np.ndarray
    unknown: np.ndarray


Inference = Callable[[Sequence[str]], ModelOutput]


class Answer(NamedTuple):
    """What a classifier says of one text.

    Attributes:
        text: The text; None if it is missing.
        label: Its most probable label, of the type of the labels in training.
        probabilities: Those of all classes, `(K,)`.
    """

    text: str | None
    label: Label | None
    probabilities: np.ndarray


def as_fields(
    classes: Classes, text: str, k: int, p: np.ndarray, unknown: float, words: Sequence[Contribution] | None
) -> dict[str, Any]:
    """What a classifier says of a text, to be written as JSON.

    Args:
        classes: The K classes.
        text: The text.
        k: The decision, the index of a class.
        p: The probabilities, `(K,)`.
        unknown: The share of unknown words.
        words: The contributions of words; None if they were not asked for.
    """
    fields: dict[str, Any] = {
        "label": classes.labels[k],
        "probabilities": {name: round(float(q), 6) for name, q in zip(classes.names, p, strict=True)},
        "unknown_words": round(float(unknown), 4),
    }
    if words is not None:
        fields["words"] = [
            {"start": start, "end": stop, "text": text[start:stop], "weight": round(weight, 6)}
            for start, stop, weight in words
        ]
    return fields


def batches_of(texts: Any, column: str | None, batch_size: int | None) -> Iterator[list[str | None]]:
    """Yields texts in batches that grow up to `batch_size`; `column` is the one of a table that has them."""
    if batch_size is not None and batch_size < 1:
        raise UserError(f"batch_size is {batch_size}; it must be at least 1, or None")
    return in_batches(([text] for text in iterate_texts(texts, column=column)), batch_size or LARGEST_BATCH)


class Predictor(ABC):
    """Computes the probability of each of `classes` for texts.

    Texts may be in any usual container. There is one answer for each of them, in their order, and a missing text
    (None, NaN) has an answer that says so.
    """

    @property
    @abstractmethod
    def classes(self) -> Classes:
        """The classes, in the order of the columns of logits and probabilities."""

    @property
    def classes_(self) -> np.ndarray:
        """The labels `(K,)` in order, of the type that the training was given."""
        return self.classes.array()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.classes.names

    @property
    @abstractmethod
    def temperature(self) -> float:
        """Divides the logits before softmax, so that probabilities are calibrated."""

    @abstractmethod
    def inference(self) -> Inference:
        """A function that finds the logits of texts, as long as the weights do not change.

        What serves all texts it computes once, so one for many batches is faster than one for each.
        """

    @abstractmethod
    def explain_classes(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """The contribution of each word of each text to a class, in the order of the text.

        Args:
            texts: The texts, without white space around them.
            chosen: The index of the class of each text, `(len(texts),)`; the most probable class by default.
        """

    def logits_of(self, texts: Sequence[str]) -> np.ndarray:
        """The logits `(len(texts), K)`, not calibrated."""
        return self.inference()(texts).logits

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities `(..., K)` from logits `(..., K)`."""
        return softmax(logits / self.temperature)

    def probabilities_and_unknown(
        self, texts: Sequence[str], infer: Inference | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated probabilities `(n, K)`, and the share of the words of each text that the model does not know.

        Args:
            texts: The texts.
            infer: From `inference`, if other texts were classified before.

        Raises:
            UserError: If the weights are so large that a result is not finite.
        """
        infer = infer or self.inference()
        starts = range(0, max(1, len(texts)), CHUNK)  # without texts there is one part without a row
        with np.errstate(over="ignore", invalid="ignore"):  # the result is checked
            outputs = [infer(texts[i : i + CHUNK]) for i in starts]
            probabilities = np.concatenate([self.probabilities(output.logits) for output in outputs])
        if not np.isfinite(probabilities).all():
            raise UserError(
                "the weights are so large that the model gives no probabilities; restore it, or train again"
            )
        return probabilities, np.concatenate([output.unknown for output in outputs])

    def predict_proba(self, texts: Any) -> np.ndarray:
        """Calibrated probabilities `(n, K)`, the columns in the order of `classes`; NaN for a missing text.

        Raises:
            UserError: If `texts` is not a container of texts, or the weights are so large that a result is not finite.
        """
        return self._probabilities_of(as_texts(texts))

    def _probabilities_of(self, texts: Sequence[str | None], infer: Inference | None = None) -> np.ndarray:
        """As `predict_proba`, `(n, K)`."""
        present, is_present = present_texts(texts)
        probabilities, _ = self.probabilities_and_unknown(present, infer)
        if is_present.all():
            return probabilities
        with_missing = np.full((len(is_present), probabilities.shape[1]), np.nan, probabilities.dtype)
        with_missing[is_present] = probabilities
        return with_missing

    def predict(self, texts: Any) -> np.ndarray:
        """The most probable label of each text, `(n,)`, of the type of the labels in training; None for a missing text.

        Raises:
            UserError: If `texts` is not a container of texts.
        """
        probabilities = self.predict_proba(texts)  # (n, K)
        missing = np.isnan(probabilities).any(axis=1)  # (n,)
        predicted = self.classes.array()[probabilities.argmax(axis=1)]
        if missing.any():
            predicted = predicted.astype(object)
            predicted[missing] = None
        return predicted

    def score(self, texts: Any, labels: Any = None, sample_weight: Any = None) -> float:
        """The accuracy: the fraction of texts whose most probable label is the given one.

        Labels are matched by value: 1, 1.0 and "1" are the same. Rows without a text or a label are left out. A text
        whose label is none of the classes counts as wrong, and the number of these is logged.

        Args:
            texts: The texts, or a table with texts and labels.
            labels: The label of each text; None takes those of the table.
            sample_weight: How much each text counts, at least 0.

        Raises:
            UserError: If the numbers of texts and labels differ, or no label is one of the classes.
        """
        rows = labelled_rows(texts, labels, sample_weight)
        if not rows.texts:
            raise UserError("there is no text with a label; give at least one")
        actual = self.classes.indices_to_score(rows.labels, "labels")
        hits = self.predict_proba(rows.texts).argmax(axis=1) == actual
        return float(np.average(hits, weights=rows.weights))

    def answers(self, texts: Sequence[str | None], infer: Inference | None = None) -> list[Answer]:
        """Each text with its label and probabilities; None and NaN for a missing one. `infer` is from `inference`."""
        probabilities = self._probabilities_of(texts, infer)
        labels = [
            None if text is None else self.classes.labels[k]
            for text, k in zip(texts, probabilities.argmax(axis=1).tolist(), strict=True)
        ]
        return list(map(Answer, texts, labels, probabilities))

    def predict_stream(self, texts: Any, *, batch_size: int | None = None) -> Iterator[Answer]:
        """Yields the answer to each text, before the last one is read: for generators and tables of any size.

        Args:
            texts: Texts in any usual container.
            batch_size: The largest number of texts that are read before an answer is given: 1 for a source that waits.
                By default 16 at first, and then more, as that is faster.

        Raises:
            UserError: If `texts` is not a container of texts, or `batch_size` is below 1.
        """
        infer = self.inference()
        for batch in batches_of(texts, None, batch_size):
            yield from self.answers(batch, infer)

    def uncertain(self, texts: Any, n: int) -> np.ndarray:
        """The indices of the `n` texts whose labels would teach most, the most useful first; see `most_uncertain`.

        Args:
            texts: Texts without labels. Blank and missing ones, copies, and texts that are nearly the same are left
                out, so there may be fewer indices.
            n: The number of texts that are wanted.

        Returns:
            Indices into `texts`, int64 `(m,)` with m at most `n`.

        Raises:
            UserError: If `texts` is not a container of texts, or `n` is below 1.
        """
        given = as_texts(texts)
        return most_uncertain(given, self.predict_proba(given), n)

    def explain(self, texts: Any, labels: Any = None) -> Explanations:
        """The contribution of each word of each text to a label, in nats of log-odds; below 0: against it.

        Args:
            texts: The texts.
            labels: The explained label of each text; the predicted one by default.

        Returns:
            For each text its contributions, in the order of the text; None for a missing text. A notebook shows them
            as the text, with green words for the label and red ones against it.

        Raises:
            UserError: If the numbers of texts and labels differ, or a label is none of the classes.
        """
        given = as_texts(texts)
        present, is_present = present_texts(given)
        chosen = None
        if labels is not None:
            wanted = as_labels(labels)
            require_one_each(given, wanted, "labels")
            kept = [label for label, there in zip(wanted, is_present, strict=True) if there]
            if None in kept:
                raise UserError("labels has a missing value; give the label that is to be explained for each text")
            chosen = self.classes.indices([label for label in kept if label is not None], "labels")
        explained = iter(self.explain_decisions(present, chosen))
        return Explanations(next(explained) if there else None for there in is_present)

    def explain_decisions(self, texts: Sequence[str], classes: np.ndarray | None) -> list[Explanation]:
        """As `explain`, for texts that are there and class indices `(n,)`; None for the predicted ones."""
        stripped_contributions = self.explain_classes([text.strip() for text in texts], classes)
        contributions = [
            shifted(words, len(text) - len(text.lstrip()))
            for text, words in zip(texts, stripped_contributions, strict=True)
        ]
        return list(map(Explanation, texts, map(whole_clusters, texts, contributions)))
