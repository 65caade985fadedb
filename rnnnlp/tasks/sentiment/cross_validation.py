"""Cross-validation of a classifier: what its networks say of texts that they were not trained on."""

# n texts, E evaluations, K classes

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.training.model_folder import CROSS_VALIDATION

MOST_EVALUATIONS = 1 << 16  # that are kept


class Validation(NamedTuple):
    """Logits of texts that were left out of training, of the network and of the linear model, and their labels."""

    network_logits: np.ndarray  # (n, K)
    linear_logits: np.ndarray | None  # (n, K)
    labels: np.ndarray  # (n,)


@dataclass(frozen=True)
class CrossValidation:
    """The logits of each text when it was left out of training.

    Attributes:
        network_logits: Of the networks of the folds, before training and at each evaluation, `(1 + E, n, K)`.
        linear_logits: Of the linear model, `(n, K)`, if there is one.
        labels: The true classes, `(n,)`.
        seconds: How much of the budget was gone when it was done.
    """

    network_logits: np.ndarray
    linear_logits: np.ndarray | None
    labels: np.ndarray
    seconds: float

    def save(self, folder: Path) -> None:
        """Writes it into a run folder, for a resume. UserError if it cannot be written."""
        tensors = {"own": self.network_logits, "labels": self.labels, "seconds": np.array([self.seconds])}
        if self.linear_logits is not None:
            tensors["of_linear"] = self.linear_logits
        save_tensors(folder / CROSS_VALIDATION, tensors)

    @classmethod
    def load(cls, folder: Path, labels: np.ndarray, classes: int) -> Self | None:
        """Reads it from a run folder; None if it is not there.

        Args:
            folder: The run folder.
            labels: The true classes of the texts of the run, `(n,)`.
            classes: Their number K.

        Raises:
            UserError: If it is damaged, or of another run.
        """
        path = folder / CROSS_VALIDATION
        if not path.exists():
            return None

        def check(number: int) -> None:
            if number > MOST_EVALUATIONS * (len(labels) + 1) * (classes + 1):
                raise CorruptFileError(f"{path} is too large for the data; restore it or train again")

        found = load_tensors(path, check=check)
        shapes = {name: tensor.shape for name, tensor in found.items()}
        n, K = len(labels), classes
        linear_logits = found.get("of_linear")
        if (
            not {"own", "labels", "seconds"} <= set(shapes) <= {"own", "labels", "seconds", "of_linear"}
            or shapes["own"][1:] != (n, K)
            or shapes["own"][0] < 2
            or shapes["seconds"] != (1,)
            or (linear_logits is not None and shapes["of_linear"] != (n, K))
            or not np.array_equal(found["labels"], labels)
            or not all(np.isfinite(tensor).all() for tensor in found.values())
        ):
            raise UserError(f"{path} is not of this run and its data; restore it or train again")
        return cls(found["own"], linear_logits, labels, float(found["seconds"][0]))

    def at(self, progress: float) -> Validation:
        """The logits at the evaluation next to this fraction of a run: those before it only at 0."""
        last = len(self.network_logits) - 1
        number = min(max(round(progress * last), int(progress > 0)), last)
        return Validation(self.network_logits[number], self.linear_logits, self.labels)
