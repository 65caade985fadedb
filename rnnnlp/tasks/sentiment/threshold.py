"""A decision threshold for one class, where a missed one costs more, or less, than a false alarm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rnnnlp.errors import UserError, option


@dataclass(frozen=True)
class Threshold:
    """Chooses the class `label` where its probability is at least `probability`, else the most probable other class."""

    label: int
    probability: float

    @classmethod
    def parse(cls, words: str, labels: Sequence[str]) -> Self:
        """Reads `LABEL=P`.

        Raises:
            UserError: If the label is not one of `labels`, or P is not a probability.
        """
        label, _, number = words.rpartition("=")
        try:
            probability = float(number)
        except ValueError:
            probability = -1.0
        if not 0 <= probability <= 1 or not label:
            raise UserError(
                f"{option('threshold')} is {words!r}; it must be LABEL=P with P from 0 to 1, such as {labels[0]}=0.3"
            )
        return cls(label_index(label, labels), probability)

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """The chosen classes `(n,)` from probabilities `(n, K)`."""
        others = probabilities.copy()
        others[:, self.label] = -1
        return np.where(probabilities[:, self.label] >= self.probability, self.label, others.argmax(axis=1))


def label_index(label: str, labels: Sequence[str]) -> int:
    """The index of `label` among `labels`; UserError if it is not there."""
    if label not in labels:
        raise UserError(f"{option('threshold')} has the label {label!r}; it must be one of {', '.join(labels)}")
    return list(labels).index(label)
