"""Cross-validation of a classifier: what its networks say of texts that they were not trained on."""

# n texts, E evaluations, K classes

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError, load_tensors, save_tensors
from rnnnlp.training.model_folder import CROSS_VALIDATION

MOST_EVALUATIONS = 1 << 16  # that are kept


class Validation(NamedTuple):
    """Logits of texts that were left out of training, of the network and of the linear model, and their labels."""

    own: np.ndarray  # (n, K)
    of_linear: np.ndarray | None  # (n, K)
    labels: np.ndarray  # (n,)


@dataclass(frozen=True)
class CrossValidation:
    """The logits of each text when it was left out of training.

    Attributes:
        own: Of the networks of the folds, before training and at each evaluation, `(1 + E, n, K)`.
        of_linear: Of the linear model, `(n, K)`, if there is one.
        labels: The true classes, `(n,)`.
        seconds: How much of the budget was gone when it was done.
    """

    own: np.ndarray
    of_linear: np.ndarray | None
    labels: np.ndarray
    seconds: float

    def save(self, folder: Path) -> None:
        """Writes it into a run folder, for a resume. UserError if it cannot be written."""
        of_linear = {} if self.of_linear is None else {"of_linear": self.of_linear}
        tensors = {"own": self.own, "labels": self.labels, "seconds": np.array([self.seconds])} | of_linear
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
        of_linear = found.get("of_linear")
        if (
            not {"own", "labels", "seconds"} <= set(shapes) <= {"own", "labels", "seconds", "of_linear"}
            or shapes["own"][1:] != (n, K)
            or shapes["own"][0] < 2
            or shapes["seconds"] != (1,)
            or (of_linear is not None and shapes["of_linear"] != (n, K))
            or not np.array_equal(found["labels"], labels)
            or not all(np.isfinite(tensor).all() for tensor in found.values())
        ):
            raise UserError(f"{path} is not of this run and its data; restore it or train again")
        return cls(found["own"], of_linear, labels, float(found["seconds"][0]))

    def at(self, progress: float) -> Validation:
        """The logits at the evaluation next to this fraction of a run: those before it only at 0."""
        last = len(self.own) - 1
        number = min(max(round(progress * last), int(progress > 0)), last)
        return Validation(self.own[number], self.of_linear, self.labels)
