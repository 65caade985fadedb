"""Several classifiers whose logits are added, each with its weight."""

# n texts, M members, K classes, W words

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.layers.loss import log_odds_gradient
from rnnnlp.models.classifier import Classifier, Contribution
from rnnnlp.models.config import Config
from rnnnlp.models.model import CONFIG, FORMAT, WEIGHTS, read_config
from rnnnlp.models.sentiment import Gradient, SentimentClassifier
from rnnnlp.models.storage import Damaged, load_tensors, save_tensors, set_tensors, write_atomically, writing

MEMBERS = "members"  # the folder with a folder for each
CONTENT = (MEMBERS, WEIGHTS, CONFIG)  # of a committee's folder


@dataclass(frozen=True)
class CommitteeConfig(Config):
    """How many members a committee has, and the labels that are common to them."""

    labels: tuple[str, ...]
    members: int

    def __post_init__(self) -> None:
        if self.members < 1:
            raise UserError(f"the number of members is {self.members}; a committee has at least 1")


class Committee(Classifier):
    """Classifiers that were trained apart, of `weights (M,)`: probabilities are softmax(sum of w_m * logits_m).

    They err in different places, so together they err less (stacked generalization, Wolpert 1992). Their `labels` are
    the same, their tokenizers need not be. `trainings` are what their folders say of how they were trained.

    A saved committee is a folder with `config.json`, `model.safetensors` (the weights) and a whole model in each of
    `members/0`, `members/1`, ...; `model.safetensors` has the checksums of all that is not in those of the members.
    """

    model_type = "committee"

    def __init__(
        self,
        members: Sequence[SentimentClassifier],
        weights: np.ndarray,
        trainings: Sequence[Mapping[str, Any]] | None = None,
    ):
        self.members, self.weights = list(members), np.asarray(weights, np.float64)
        self.trainings = [{}] * len(self.members) if trainings is None else list(trainings)

    @classmethod
    def of(
        cls,
        runs: Sequence[str | os.PathLike],
        *,
        data: str | None = None,
        text_column: str | None = None,
        label_column: str | None = None,
        out: str | None = None,
        overwrite: bool = False,
    ) -> "Committee":
        """The committee of the classifiers in the folders `runs`, its weights fitted as `rnnnlp combine` does.

        They are fitted on the validation texts of `data`, by default the data of the first run. The committee is kept
        in the folder `out`, if given.
        """
        from rnnnlp.training.combining import combine
        from rnnnlp.training.config import Combining
        from rnnnlp.training.fit import run_folder

        config = Combining(runs=tuple(map(str, runs)), data=data, text_column=text_column, label_column=label_column)
        with run_folder(out) as folder:
            return combine(config, folder, overwrite=overwrite)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.members[0].labels

    @property
    def temperature(self) -> float:
        """That of the mean of the logits; it is not fitted, but follows from the weights."""
        return 1 / float(self.weights.sum())

    @property
    def shares(self) -> list[float]:
        """The weights `(M,)`, so that their sum is 1."""
        return (self.weights / self.weights.sum()).tolist()

    def logits_of(self, texts: Sequence[str]) -> np.ndarray:
        """The weighted mean of the members' logits, `(len(texts), K)`."""
        return self.mean([member.logits_of(texts) for member in self.members])

    def mean(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """The logits of the members, each `(n, K)`, to those of the committee, `(n, K)`."""
        first, *others = [share * of_member for share, of_member in zip(self.shares, logits, strict=True)]
        return sum(others, start=first)

    def explain(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """What each word of each text said for its label, in the order of the text, all members taken together.

        As `SentimentClassifier.explain`: each token's vector times the gradient of the log-odds of the committee. The
        words are those of the first member's tokenizer; what tokens say is added up over each word's characters.
        """
        logits = self.logits_of(texts) / self.temperature  # (n, K)
        label = logits.argmax(axis=1) if chosen is None else chosen  # (n,)
        dlogits = log_odds_gradient(logits, label)  # (n, K)
        found: list[list[Contribution]] = [[] for _ in texts]
        for member, weight in zip(self.members, self.weights.tolist(), strict=True):
            # logits = sum of w_m * logits_m
            of_member = member.contributions(texts, rows_of(weight * dlogits))
            for of_text, tokens in zip(found, of_member, strict=True):
                of_text += tokens
        tokenizer = self.members[0].tokenizer
        assert tokenizer is not None
        return [by_word(tokens, tokenizer.spans(text)) for text, tokens in zip(texts, found, strict=True)]

    def save_pretrained(self, folder: str | os.PathLike, *, extra: Mapping[str, Any] | None = None) -> None:
        """Writes the committee into `folder`; `extra` goes into `config.json` under "training".

        A committee that is there stays until the new one is written; one that is moved half over is known as damaged.
        Raises UserError if the disk is full or the folder cannot be written.
        """
        folder = Path(folder)
        config = {
            "format": FORMAT,
            "model_type": self.model_type,
            "model": CommitteeConfig(self.labels, len(self.members)).to_mapping(),
        }
        if extra is not None:
            config["training"] = dict(extra)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".tmp") as temporary:
                new = Path(temporary)
                for k, (member, training) in enumerate(zip(self.members, self.trainings, strict=True)):
                    member.save_pretrained(new / MEMBERS / str(k), extra=training)
                write_atomically(new / CONFIG, json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n")
                save_tensors(new / WEIGHTS, {"weights": self.weights}, beside=beside(len(self.members)))
                if (folder / MEMBERS).exists():
                    (folder / MEMBERS).rename(new / "earlier")
                for name in CONTENT:
                    (new / name).replace(folder / name)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> Self:
        """Reads a committee that `save_pretrained` wrote.

        Raises UserError if something is missing, damaged, no committee, or does not fit together.
        """
        folder = Path(folder)
        content = read_config(folder)
        if content["model_type"] != cls.model_type:
            raise UserError(f"{folder} holds a {content['model_type']} model; a committee is needed here")
        config = CommitteeConfig.from_mapping(content["model"], str(folder / CONFIG))
        last = folder / MEMBERS / str(config.members - 1)
        if not last.is_dir():  # said before a list of senseless length is made
            raise Damaged(f"{last} is missing; restore it or combine the runs again")
        path = folder / WEIGHTS
        tensors = load_tensors(path, beside=beside(config.members))
        weights = np.zeros(config.members)
        set_tensors({"weights": weights}, tensors, path)
        if weights.min() < 0 or weights.sum() == 0:
            raise Damaged(
                f"{path}: the weights are {', '.join(map(str, weights))}; none may be below 0, nor all be 0: "
                "restore it or combine the runs again"
            )
        paths = [folder / MEMBERS / str(k) for k in range(config.members)]
        members = [SentimentClassifier.from_pretrained(path) for path in paths]
        for path, member in zip(paths, members, strict=True):
            if member.labels != config.labels:
                raise UserError(
                    f"{path} has the labels {', '.join(member.labels)} and {folder / CONFIG} has "
                    f"{', '.join(config.labels)}; they are not of the same committee: restore both"
                )
        return cls(members, weights, [read_config(path).get("training", {}) for path in paths])


def beside(members: int) -> tuple[str, ...]:
    """The files of a committee that `model.safetensors` has the checksums of; the rest are in those of the members."""
    return (CONFIG, *(f"{MEMBERS}/{k}/{WEIGHTS}" for k in range(members)))


def rows_of(dlogits: np.ndarray) -> Gradient:
    """The gradient of each batch among those of all texts, `(n, K)`, that are known before."""
    return lambda _, places: dlogits[places]


def by_word(tokens: Sequence[Contribution], spans: np.ndarray) -> list[Contribution]:
    """Tokens of one tokenizer to the words of another, whose `spans (W, 2)` are in the order of the text.

    The weight of a token is spread evenly over its characters, and a word has that of its characters. Characters
    between two words, such as spaces, count for the next one, those at the end for the last; where there is no word
    there is none to count for.
    """
    words = np.unique(spans, axis=0)  # the bytes of one character are one word
    if not len(words):
        return []
    length = max(stop for _, stop in [*words.tolist(), *(token[:2] for token in tokens)])
    rises = np.zeros(length + 1)  # of the weight of a character over that of the one before it
    for start, stop, weight in tokens:
        rises[start] += weight / (stop - start)
        rises[stop] -= weight / (stop - start)
    of_word = np.searchsorted(words[:, 1], np.arange(length), side="right")  # the first word that ends behind it
    of_word = np.minimum(of_word, len(words) - 1)
    weights = np.bincount(of_word, rises.cumsum()[:-1], len(words))  # (W,)
    return [Contribution(a, b, weight) for (a, b), weight in zip(words.tolist(), weights.tolist(), strict=True)]


def load_classifier(folder: str | os.PathLike) -> SentimentClassifier | Committee:
    """The classifier in a folder, one network or a committee; UserError if there is none."""
    model_type = read_config(Path(folder))["model_type"]
    if model_type == Committee.model_type:
        return Committee.from_pretrained(folder)
    if model_type != SentimentClassifier.model_type:
        raise UserError(f"{folder} holds a {model_type} model; a classifier is needed here")
    return SentimentClassifier.from_pretrained(folder)
