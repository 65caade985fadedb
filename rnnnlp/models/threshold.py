"""From how probable on a class is chosen, where a missed one costs more, or less, than a false alarm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rnnnlp.errors import UserError


@dataclass(frozen=True)
class Threshold:
    """The class `label` is chosen where its probability is at least `probability`, else the most probable other one."""

    label: int
    probability: float

    @classmethod
    def parse(cls, words: str, labels: Sequence[str]) -> Self:
        """From `LABEL=P`, as `--threshold` has it; UserError for a label that is none, or no probability."""
        label, _, number = words.rpartition("=")
        try:
            probability = float(number)
        except ValueError:
            probability = -1.0
        if not 0 <= probability <= 1 or not label:
            raise UserError(f"--threshold is {words!r}; it must be LABEL=P with P from 0 to 1, such as {labels[0]}=0.3")
        return cls(label_index(label, labels), probability)

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """`probabilities (n, K)` -> the classes that are chosen, `(n,)`."""
        others = probabilities.copy()
        others[:, self.label] = -1
        return np.where(probabilities[:, self.label] >= self.probability, self.label, others.argmax(axis=1))


def label_index(label: str, labels: Sequence[str]) -> int:
    """The place of `label` among `labels`; UserError if it is not there."""
    if label not in labels:
        raise UserError(f"--threshold is of the label {label!r}; it must be of one of {', '.join(labels)}")
    return list(labels).index(label)
