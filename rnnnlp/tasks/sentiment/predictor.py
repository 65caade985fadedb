"""What every classifier of texts can do, one network or an ensemble."""

# K classes

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment.explain import Contribution

CHUNK = 10_000  # texts encoded at a time when predicting


class Predictor(ABC):
    """Computes the probability of each of `labels` for texts."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the columns of logits and probabilities."""

    @property
    @abstractmethod
    def temperature(self) -> float:
        """Divides the logits before softmax, so that probabilities are calibrated."""

    @abstractmethod
    def logits_of(self, texts: Sequence[str]) -> np.ndarray:
        """The logits `(len(texts), K)`, not calibrated."""

    @abstractmethod
    def explain(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """The contribution of each word of each text to the decision, in the order of the text.

        Args:
            texts: The texts.
            chosen: The index of the explained class of each text, `(len(texts),)`; the most probable class by default.
        """

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities `(..., K)` from logits `(..., K)`."""
        return softmax(logits / self.temperature)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities `(len(texts), K)`, the columns in the order of `labels`."""
        starts = range(0, max(1, len(texts)), CHUNK)  # without texts there is one part without a row
        return np.concatenate([self.probabilities(self.logits_of(texts[i : i + CHUNK])) for i in starts])

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most probable label of each text."""
        return [self.labels[k] for k in self.predict_proba(texts).argmax(axis=1)]

    def score(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """The accuracy: the fraction of texts whose most probable label is the given one."""
        return float(
            np.mean([predicted == label for predicted, label in zip(self.predict(texts), labels, strict=True)])
        )
