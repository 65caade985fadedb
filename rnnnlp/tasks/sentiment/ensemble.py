"""An ensemble of classifiers: their logits are added, each with a stacking weight."""

# n texts, M members, K classes

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.config import Config
from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError, own_folder
from rnnnlp.folders import read_whole
from rnnnlp.layers.loss import log_odds_gradient
from rnnnlp.tasks.sentiment.bundled import model_folder
from rnnnlp.tasks.sentiment.explain import Contribution, contributions, words_of
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.predictor import Inference, ModelOutput, Predictor
from rnnnlp.tensors import load_tensors, save_tensors, set_tensors
from rnnnlp.text import Classes
from rnnnlp.text.sources import GIVEN
from rnnnlp.training.model_folder import CONFIG, MEMBERS, WEIGHTS, SavedModel, read_config, training_of, write_config

MOST_MEMBERS = 1000


@dataclass(frozen=True)
class EnsembleConfig(Config):
    """The number of members of an ensemble, and the labels that they share."""

    labels: tuple[str, ...]
    members: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.members <= MOST_MEMBERS:
            raise UserError(
                f"the number of members is {self.members}; an ensemble has at least 1 and at most {MOST_MEMBERS}"
            )
        self.require("labels", len(set(self.labels)) == len(self.labels), "different names")


class Ensemble(SavedModel, Predictor):
    """Separately trained classifiers: probabilities are softmax(sum of w_m * logits_m).

    Their errors differ, so together they err less (stacked generalization, Wolpert 1992). Their `labels` are the same;
    their tokenizers need not be.

    A saved ensemble is a folder with `config.json`, `model.safetensors` (the weights) and a whole model in each of
    `members/0`, `members/1`, ...; `model.safetensors` has the checksums of all that is not in those of the members.

    Args:
        members: The M classifiers.
        weights: The stacking weights, `(M,)`.
        trainings: How each member was trained, as their folders say.
    """

    model_type = "ensemble"
    public_class, pipeline_tag = "SentimentClassifier", "text-classification"

    def __init__(
        self,
        members: Sequence[SentimentNetwork],
        weights: np.ndarray,
        trainings: Sequence[Mapping[str, Any]] | None = None,
    ):
        self.members, self.weights = list(members), np.asarray(weights, np.float64)
        self.trainings = [{}] * len(self.members) if trainings is None else list(trainings)

    @classmethod
    def from_runs(
        cls,
        runs: Sequence[str | os.PathLike[str]],
        *,
        data: Any = None,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        **reading: Any,
    ) -> "Ensemble":
        """The ensemble of the classifiers in run folders, as `rnnnlp ensemble` makes it.

        Args:
            runs: The folders.
            data: The stacking weights are fitted on its validation texts, or on a pair (texts, labels); of data that
                trained no run and have no such split, on all texts. By default the data of the first run.
            out: A new folder that keeps the ensemble.
            overwrite: Whether to replace a run that is in `out`.
            reading: How the data are read: the options of `ReadOptions`, such as `text_column` and `encoding`.

        Returns:
            The ensemble. Runs whose weight is 0 are not among its members.

        Raises:
            UserError: If there are fewer than two runs, one is not a classifier, their labels differ, none is better
                than chance, or one of them, or a run that it started from, was cross-validated on the data, so that no
                text is left to fit weights to.
        """
        from rnnnlp.tasks.sentiment.config import EnsembleOptions
        from rnnnlp.tasks.sentiment.stacking import make_ensemble
        from rnnnlp.training.run import kept_or_temporary

        if isinstance(runs, str | os.PathLike):
            raise UserError(f"runs is one path, {runs}; it must be a list of two or more")
        given = data if isinstance(data, tuple | list) else None
        values = {"runs": tuple(map(str, runs)), "data": GIVEN if given else data, **reading}
        options = EnsembleOptions.from_mapping(values, "Ensemble.from_runs")
        with kept_or_temporary(out) as folder:
            return make_ensemble(options, folder, overwrite=overwrite, given=given)

    @property
    def classes(self) -> Classes:
        return self.members[0].classes

    @property
    def temperature(self) -> float:
        """The temperature of the mean of the logits; it is not fitted, but follows from the weights."""
        return 1 / float(self.weights.sum())

    @property
    def shares(self) -> list[float]:
        """The weights `(M,)`, scaled so that their sum is 1."""
        shares: list[float] = (self.weights / self.weights.sum()).tolist()
        return shares

    def inference(self) -> Inference:
        """Finds the weighted mean of the members' logits; unknown are the words of the member that knows most."""
        of_members = [member.inference() for member in self.members]

        def infer(texts: Sequence[str]) -> ModelOutput:
            outputs = [of_member(texts) for of_member in of_members]
            unknown: np.ndarray = np.min([output.unknown for output in outputs], axis=0)
            return ModelOutput(self.mean([output.logits for output in outputs]), unknown)

        return infer

    def mean(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """The logits of the ensemble, `(n, K)`, from those of each member, `(n, K)`."""
        first, *others = [share * of_member for share, of_member in zip(self.shares, logits, strict=True)]
        return sum(others, start=first)

    def explain_classes(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """The contribution of each word of each text to the decision of the ensemble, in the order of the text.

        As `explain.explain`: each token's embedding times the gradient of the log-odds of the ensemble. The words are
        those of the first member's tokenizer; the contributions of tokens are added up over each word's characters.
        """
        logits = self.logits_of(texts) / self.temperature  # (n, K)
        label = logits.argmax(axis=1) if chosen is None else chosen  # (n,)
        dlogits = log_odds_gradient(logits, label)  # (n, K)
        found: list[list[Contribution]] = [[] for _ in texts]
        for member, weight in zip(self.members, self.weights.tolist(), strict=True):
            # logits = sum of w_m * logits_m
            of_member = contributions(member, texts, weight * dlogits)
            for of_text, tokens in zip(found, of_member, strict=True):
                of_text += tokens
        tokenizer, max_length = self.members[0].tokenizer, self.members[0].config.max_length
        return [words_of(text, tokens, tokenizer, max_length) for text, tokens in zip(texts, found, strict=True)]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that `write` writes."""
        of_members = (f"{MEMBERS}/{k}/{name}" for k, member in enumerate(self.members) for name in member.files)
        return (CONFIG, WEIGHTS, *of_members)

    def write(self, folder: Path, *, training: Mapping[str, Any] | None = None, quantize: str | None = None) -> None:
        """Writes the ensemble into a new folder, which is not on the disk before it is synced."""
        config = EnsembleConfig(self.labels, len(self.members))
        for k, (member, of_member) in enumerate(zip(self.members, self.trainings, strict=True)):
            member.write(folder / MEMBERS / str(k), training=of_member, quantize=quantize)
        write_config(folder, self.model_type, config.to_mapping(), training)
        save_tensors(folder / WEIGHTS, {"weights": self.weights}, beside=beside(len(self.members)), sync=False)

    @classmethod
    def _read(cls, folder: Path) -> Self:
        content = read_config(folder)
        if content["model_type"] != cls.model_type:
            raise UserError(f"{folder} holds a model of type {content['model_type']}; an ensemble is needed here")
        config = EnsembleConfig.from_mapping(content["model"], str(folder / CONFIG))
        last = own_folder(folder / MEMBERS) / str(config.members - 1)
        if not last.is_dir():  # said before a list of senseless length is made
            raise CorruptFileError(f"{last} is missing; restore it or make the ensemble again")
        paths = [own_folder(folder / MEMBERS / str(k)) for k in range(config.members)]
        path = folder / WEIGHTS

        def check(number: int) -> None:
            if number != config.members:
                raise CorruptFileError(
                    f"{path} holds {number} weights and the ensemble has {config.members} members; restore it or make "
                    "the ensemble again"
                )

        tensors = load_tensors(path, beside=beside(config.members), check=check)
        weights = np.zeros(config.members)
        set_tensors({"weights": weights}, tensors, path)
        if weights.min() < 0 or not 0 < weights.sum() < 1e9:
            raise CorruptFileError(
                f"{path}: the weights are {', '.join(map(str, weights))}; none may be below 0, nor all be 0 or huge: "
                "restore it or make the ensemble again"
            )
        members = [SentimentNetwork.from_pretrained(path) for path in paths]
        for path, member in zip(paths, members, strict=True):
            if member.labels != config.labels:
                raise UserError(
                    f"{path} has the labels {', '.join(member.labels)} and {folder / CONFIG} has "
                    f"{', '.join(config.labels)}; they are not of the same ensemble: restore both"
                )
        return cls(members, weights, [training_of(path) for path in paths])


def beside(members: int) -> tuple[str, ...]:
    """The files of an ensemble whose checksums `model.safetensors` has; the others are in those of the members."""
    return (CONFIG, *(f"{MEMBERS}/{k}/{WEIGHTS}" for k in range(members)))


def load_predictor(folder: str | os.PathLike[str]) -> SentimentNetwork | Ensemble:
    """The classifier in a folder, or the bundled one of that name: one network or an ensemble.

    Raises:
        UserError: If there is none.
    """

    def load(place: Path) -> SentimentNetwork | Ensemble:
        model_type = read_config(place)["model_type"]
        if model_type == Ensemble.model_type:
            return Ensemble.from_pretrained(place)
        if model_type != SentimentNetwork.model_type:
            raise UserError(f"{folder} holds a model of type {model_type}; a classifier is needed here")
        return SentimentNetwork.from_pretrained(place)

    return read_whole(model_folder(folder), load)
