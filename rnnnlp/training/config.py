"""How a run trains: what is drawn, how long it goes, when it looks at itself. Kept in the run folder."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from rnnnlp.errors import UserError
from rnnnlp.models.config import BidirectionalLMConfig, CharLMConfig, Config, SentimentConfig, as_given, option
from rnnnlp.training.optimizers import OPTIMIZERS
from rnnnlp.training.schedules import SCHEDULES

DEFAULT_BUDGET = 600.0  # seconds, when neither --epochs nor --steps nor --budget is given


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Config):
    """What all tasks share. `budget` is in seconds; a run with one reads its data at most `max_epochs` times."""

    data: str
    text_column: str | None = None
    seed: int = 0
    tokenizer: str | None
    vocab_size: int | None
    min_frequency: int = 2
    batch_size: int | None
    bptt: int | None = None
    optimizer: str = "adamw"
    lr: float | None
    momentum: float = 0.9
    weight_decay: float | None = 0.0
    schedule: str = "cosine"
    warmup: float = 0.02
    max_norm: float = 1.0
    label_smoothing: float | None = 0.0
    averaging: float = 0.99
    epochs: int | None = None
    steps: int | None = None
    budget: float | None = None
    max_epochs: int | None = None
    evaluations: int | None
    patience: int = 5
    checkpoint_every: int | None = None
    keep_checkpoints: int = 2
    on_divergence: str = "stop"
    backend: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.tokenizer is not None:
            self.require_choice("tokenizer", ("char", "byte", "word", "bpe"))
        self.require_choice("optimizer", OPTIMIZERS)
        self.require_choice("schedule", SCHEDULES)
        self.require_choice("on_divergence", ("stop", "rollback"))
        self.require_at_least(
            1,
            "batch_size",
            "bptt",
            "epochs",
            "max_epochs",
            "steps",
            "evaluations",
            "checkpoint_every",
            "threads",
            "vocab_size",
        )
        self.require_at_least(1, "keep_checkpoints")
        self.require_at_least(0, "seed", "weight_decay", "max_norm", "patience", "min_frequency")
        self.require_share("momentum", "warmup", "label_smoothing", "averaging")
        self.require("lr", self.lr is None or self.lr > 0, "above 0")
        self.require("budget", self.budget is None or self.budget > 0, "above 0 seconds")
        if sum(limit is not None for limit in (self.epochs, self.steps, self.budget)) > 1:
            raise UserError("--epochs, --steps and --budget exclude one another; give one of them")
        if self.max_epochs is not None and (self.epochs is not None or self.steps is not None):
            raise UserError(f"--max-epochs is {self.max_epochs}, which limits a --budget; leave it out here")

    @property
    def vocabulary_options(self) -> dict[str, Any]:
        """What training a tokenizer of this kind wants to know."""
        if self.tokenizer in ("char", "byte"):
            return {}
        return {"vocab_size": self.vocab_size, "min_frequency": self.min_frequency}


@dataclass(frozen=True, kw_only=True)
class CharLMTraining(TrainingConfig):
    """Training of a character language model; `bptt` is the length of a window, `batch_size` the number of streams.

    `shuffle_blocks` is the length, in tokens, of the blocks that are read in another order each epoch; 0 keeps the
    order of the text. What is None, and what is not said of the model, is chosen by `training.recipes`.
    """

    preset: str = "auto"
    tokenizer: str = "char"
    vocab_size: int = 10_000
    batch_size: int | None = None
    bptt: int = 64
    lr: float | None = None
    weight_decay: float | None = None
    evaluations: int | None = None
    validation_tokens: int = 200_000
    document_separator: str | None = None
    shuffle_blocks: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_choice("preset", ("auto", "tiny", "small", "base", "large", "huge"))
        self.require_at_least(1, "validation_tokens")
        self.require_at_least(0, "shuffle_blocks")


@dataclass(frozen=True, kw_only=True)
class SentimentTraining(TrainingConfig):
    """Training of a classifier; `bptt` cuts the gradient within a document (None: never).

    Of a text of more than `crop` tokens another stretch of that length is read in each epoch. With `adversarial`, each
    batch is learnt a second time, the vectors of its words moved by that share against the model; with
    `virtual_adversarial` all texts, those without a label too, are to be judged as before after a move of that share.
    `class_weights` is "balanced" where a text is to count N / (K * the texts of its class) of N texts in K classes.
    With `from_`, the run of a language model, it starts from that; with `pretraining`, from language models that first
    read all its texts, those without a label too, so many times. The learning rate of each layer is `lr_decay` times
    that of the layer above (Howard and Ruder 2018); with 0 only the head learns, with pooling and votes. What is None
    is chosen by `training.classifier_recipes`.
    """

    label_column: str | None = None
    from_: str | None = None
    pretraining: int | None = None
    lr_decay: float = 1.0
    tokenizer: str | None = None
    vocab_size: int | None = None
    batch_size: int | None = None
    lr: float | None = 2e-3
    label_smoothing: float | None = None
    class_weights: str = "none"
    crop: int | None = None
    adversarial: float | None = None
    virtual_adversarial: float = 0.0
    evaluations: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_at_least(1, "crop")
        self.require_at_least(0, "adversarial", "virtual_adversarial", "pretraining")
        self.require("pretraining", not (self.pretraining and self.from_), "0, or left out, beside --from")
        self.require_choice("class_weights", ("none", "balanced"))
        self.require("lr_decay", 0 <= self.lr_decay <= 1, "at least 0 and at most 1")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> Self:
        """As `Config.from_mapping`. The first runs of 0.1 have true or false for `class_weights`."""
        if isinstance(values.get("class_weights"), bool):
            values = {**values, "class_weights": "balanced" if values["class_weights"] else "none"}
        return super().from_mapping(values, where)


@dataclass(frozen=True, kw_only=True)
class Pretraining(TrainingConfig):
    """Training of language models of words in both directions, `bptt` and `batch_size` as for `CharLMTraining`.

    `samples` words are drawn as candidates for each window, besides those that are in it.
    """

    tokenizer: str = "word"
    vocab_size: int = 30_000
    batch_size: int = 32
    bptt: int = 64
    samples: int = 1024
    lr: float | None = 5e-3
    evaluations: int | None = 5
    validation_tokens: int = 20_000
    document_separator: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_at_least(1, "samples", "validation_tokens")
        self.require("label_smoothing", self.label_smoothing == 0, "0 among sampled candidates")


@dataclass(frozen=True, kw_only=True)
class Combining(Config):
    """Which runs are made a committee, and on whose validation texts their weights are fitted."""

    runs: tuple[str, ...]
    data: str | None = None
    text_column: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        if len(self.runs) < 2:
            raise UserError(
                f"the number of runs to combine is {len(self.runs)}; it must be at least 2: give more of them"
            )


CHOSEN = ("hidden_size", "embedding_size", "dropout", "weight_decay", "lr", "batch_size", "evaluations")
CHOSEN_FOR_CLASSIFIERS = (
    *("pretraining", "tokenizer", "vocab_size", "hidden_size", "embedding_size", "dropout", "votes", "label_smoothing"),
    *("batch_size", "crop", "adversarial", "max_epochs", "evaluations"),
)
FROM_DATA = ("vocab_size", "labels")  # fields of a model's configuration that nobody gives
SHAPE = ("cell", "embedding_size", "hidden_size", "num_layers")
FROM_PRETRAINED = ("tokenizer", "vocab_size", "min_frequency", *SHAPE)  # what nobody gives beside --from
PRETRAINED_DROPOUT = 0.2  # much more, and what was learned from texts without labels does not come through


def char_lm_options(values: Mapping[str, Any], where: str) -> tuple[CharLMTraining, dict[str, Any]]:
    """The training configuration and the model's options among `values`; UserError for what is in neither."""
    training, model = _split(values, CharLMTraining, CharLMConfig, where)
    return CharLMTraining.from_mapping(training, where), model


def sentiment_options(values: Mapping[str, Any], where: str) -> tuple[SentimentTraining, dict[str, Any]]:
    """As `char_lm_options`, for a classifier."""
    training, model = _split(values, SentimentTraining, SentimentConfig, where)
    for name in FROM_PRETRAINED:
        if name in values and values.get("from_") is not None:
            raise UserError(f"{option(name)} is that of the pretrained model of --from; leave it out")
    return SentimentTraining.from_mapping(training, where), model


def pretraining_options(values: Mapping[str, Any], where: str) -> tuple[Pretraining, dict[str, Any]]:
    """As `char_lm_options`, for pretraining."""
    training, model = _split(values, Pretraining, BidirectionalLMConfig, where)
    return Pretraining.from_mapping(training, where), model


def _split(
    values: Mapping[str, Any], training: type[Config], model: type[Config], where: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    of_training = {field.name for field in fields(training)}
    of_model = {field.name: field.type for field in fields(model) if field.name not in FROM_DATA}
    for name in values:
        if name not in of_training | of_model.keys():
            raise UserError(f"{where}: {name!r} is not an option of this training; --help lists those that are")
    if "data" not in values:
        raise UserError("--data is missing; give a file, a folder, a Hub name or a built-in set")
    return (
        {name: value for name, value in values.items() if name in of_training},
        {name: as_given(of_model[name], value, name) for name, value in values.items() if name in of_model},
    )
