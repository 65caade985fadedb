"""What every classifier of texts can do, one network or several."""

# K classes

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnnlp.layers.loss import softmax

CHUNK = 10_000  # texts encoded at a time when predicting


class Contribution(NamedTuple):
    """How far the characters from `start` to `stop` (not included) moved a decision; below 0: against it."""

    start: int
    stop: int
    weight: float  # nats of log-odds


class Classifier(ABC):
    """Says how probable each of `labels` is for a text."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the columns of all that is said of texts."""

    @property
    @abstractmethod
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities, so that these are calibrated."""

    @abstractmethod
    def logits_of(self, texts: Sequence[str]) -> np.ndarray:
        """`(len(texts), K)`, not yet calibrated."""

    @abstractmethod
    def explain(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """What each word of each text said for its label, in the order of the text.

        The label is the most probable one, or that of the number `chosen (len(texts),)` says.
        """

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """`logits (..., K)` -> calibrated probabilities `(..., K)`."""
        return softmax(logits / self.temperature)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities `(len(texts), K)`, the classes in the order of `labels`."""
        starts = range(0, max(1, len(texts)), CHUNK)  # of no text there is one part, without a row
        return np.concatenate([self.probabilities(self.logits_of(texts[i : i + CHUNK])) for i in starts])

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most probable label of each text."""
        return [self.labels[k] for k in self.predict_proba(texts).argmax(axis=1)]

    def score(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """The share of texts whose most probable label is theirs."""
        return float(
            np.mean([predicted == label for predicted, label in zip(self.predict(texts), labels, strict=True)])
        )
