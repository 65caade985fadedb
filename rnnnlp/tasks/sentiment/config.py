"""The configurations of a classifier of texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rnnnlp.config import (
    MAX_LAYERS,
    Config,
    NetworkConfig,
    at_least,
    between,
    decided,
    from_0_to_1,
    one_of,
    setting,
    share,
    zero_or_at_least,
)
from rnnnlp.errors import UserError, option
from rnnnlp.kernels import CELLS
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.layers.recurrent import num_parameters
from rnnnlp.tasks.sentiment.linear import MAX_NGRAMS, VIEWS
from rnnnlp.text.labels import LABEL_TYPES, Classes
from rnnnlp.text.read_options import read_option
from rnnnlp.training.earlier import RENAMED_OPTIONS
from rnnnlp.training.options import TrainingOptions

SHAPE = ("cell", "embedding_size", "hidden_size", "num_layers")  # what a classifier takes from a language model
NO_MODEL = "none"  # in `from_`
FROM_PRETRAINED = ("tokenizer", *SHAPE)  # what nobody gives beside `from_`
CLASS_WEIGHTS = ("none", "balanced")
LINEAR = {view: f"linear_{view}" for view in VIEWS}  # the field of each view


@dataclass(frozen=True)
class SentimentConfig(NetworkConfig):
    """The network: embedding, recurrent layers, pooling, softmax over the classes, and perhaps n-gram features."""

    earlier_names: ClassVar[Mapping[str, str]] = RENAMED_OPTIONS
    retired: ClassVar[Mapping[str, Any]] = {"pairs": 0, "members": 1}  # before 0.1
    from_data: ClassVar[tuple[str, ...]] = ("vocab_size", "labels", "label_type", *LINEAR.values())
    sizes: ClassVar[tuple[str, ...]] = ("hidden_size", "embedding_size", "num_layers", "ngram_buckets")

    labels: tuple[str, ...]
    cell: str = setting(f"recurrent cell: {', '.join(CELLS)}", "lstm", check=one_of(CELLS))
    embedding_size: int = setting("size of the embedding of a token", 128, check=at_least(1), auto=True)
    hidden_size: int = setting(
        "number of hidden units of a recurrent layer, in each direction", 128, check=at_least(1), auto=True
    )
    num_layers: int = setting("number of recurrent layers", 1, check=between(1, MAX_LAYERS))
    bidirectional: bool = setting("read in both directions", True)
    pooling: str = setting(
        f"how the outputs of all steps become one vector: {', '.join(POOLINGS)}", "mean+max", check=one_of(POOLINGS)
    )
    dropout: float = setting("fraction of features that are dropped in training", 0.5, check=share(), auto=True)
    variational: bool = setting("variational dropout: one dropout mask for all steps of a sequence", True)
    max_length: int = setting(
        "maximum number of tokens read from a text; of longer texts only the beginning and the end are read",
        800,
        check=at_least(1),
    )
    ngram_buckets: int = setting(
        "number of hash buckets for NB-SVM features of 1- to 3-grams beside the recurrent layers; 0: no such features",
        0,
        check=at_least(0),
        auto=True,
    )
    label_type: str = setting("the type of the labels", "str", check=one_of(LABEL_TYPES))
    linear_words: int = setting("number of n-grams of the linear model of words", 0)
    linear_ratios: int = setting("number of n-grams of the one with log-count ratios", 0)
    linear_characters: int = setting("number of n-grams of the linear model of characters", 0)
    linear_character_ratios: int = setting("number of n-grams of the one of characters with log-count ratios", 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.labels) < 2:
            raise UserError(f"the only class is {', '.join(self.labels)}; a classifier needs at least two")
        self.require("labels", len(set(self.labels)) == len(self.labels), "different names")
        for name in LINEAR.values():
            self.require(name, 0 <= getattr(self, name) <= MAX_NGRAMS, f"at least 0 and at most {MAX_NGRAMS}")

    @classmethod
    def check_given(cls, given: Mapping[str, Any]) -> None:
        cls(vocab_size=1, labels=("", " "), **given)

    @property
    def classes(self) -> Classes:
        return Classes(self.labels, self.label_type)

    @property
    def linear(self) -> dict[str, int]:
        """The number of n-grams of each view of the linear model; empty where there is no such model."""
        sizes = {view: getattr(self, field) for view, field in LINEAR.items()}
        return {view: size for view, size in sizes.items() if size}

    @property
    def num_parameters(self) -> int:
        directions = 2 if self.bidirectional else 1
        pooled = directions * self.hidden_size * (2 if self.pooling == "mean+max" else 1)
        query = pooled if self.pooling == "attention" else 0
        recurrent = num_parameters(self.cell, self.embedding_size, self.hidden_size, self.num_layers, directions)
        head = (pooled + 1) * len(self.labels)
        ngrams = self.ngram_buckets * len(self.labels)
        linear = sum(self.linear.values()) * (2 + (1 if len(self.labels) == 2 else len(self.labels)))
        return self.vocab_size * self.embedding_size + recurrent + query + head + 2 * ngrams + linear


@dataclass(frozen=True, kw_only=True)
class SentimentOptions(TrainingOptions):
    """How to train, as the user said it. None is decided by `defaults`."""

    label_column: str | None = read_option("label_column")
    from_: str | None = setting(
        "fine-tune: start from a trained model. A run of `pretrain` or `train charlm` gives its tokenizer, sizes, "
        "embedding and recurrent layers; dropout is then 0.2 by default. A classifier, a bundled model (`rnnnlp "
        "models`) or one of the Hub (owner/name) gives all its layers, except the head if the classes differ. New "
        "words are added to a word vocabulary. With a budget and few texts, the default is a bundled model that knows "
        "their language; none: no model",
        None,
    )
    pretraining: int | None = setting(
        "number of epochs of language-model pretraining on all texts, also those without a label; 0: no pretraining",
        None,
        check=at_least(0),
        auto=True,
    )
    lr_decay: float = setting(
        "learning rate of each layer relative to the layer above it; 0 trains only the head, pooling and n-gram "
        "features",
        1.0,
        check=from_0_to_1(),
    )
    linear: bool | None = setting(
        "also fit a linear model of word and character n-grams, and stack it with the network", None, auto=True
    )
    folds: int | None = setting(
        "number of folds of a cross-validation that chooses the best weights and fits the stacking weights; the model "
        "is then trained on all texts; 0: no cross-validation, some texts are held out instead",
        None,
        check=zero_or_at_least(2),
        auto=True,
    )
    tokenizer: str | None = setting(default=None, auto=True)
    vocab_size: int | None = setting(
        "maximum vocabulary size of a word or bpe tokenizer, including words added to a pretrained one", None, auto=True
    )
    min_frequency: int | None = setting(default=None, auto=True)
    batch_size: int | None = setting("number of texts in a batch", None, auto=True)
    lr: float | None = setting(default=2e-3)
    label_smoothing: float | None = setting(default=None, auto=True)
    class_weights: str = setting(
        "for imbalanced classes: balanced gives all classes the same weight in the loss, however few texts they have; "
        "none counts each text once",
        "none",
        check=one_of(CLASS_WEIGHTS),
    )
    crop: int | None = setting(
        "texts longer than this number of tokens are randomly cropped to it, differently in each epoch; evaluation "
        "reads up to max_length tokens",
        None,
        check=at_least(1),
        auto=True,
    )
    adversarial: float | None = setting(
        "adversarial training: train on each batch a second time, with perturbed word embeddings (doubles the time). "
        "The perturbation has this fraction of their norm, in the direction that increases the loss most; 0: off",
        None,
        check=at_least(0),
        auto=True,
    )
    virtual_adversarial: float = setting(
        "virtual adversarial training: predictions must not change when word embeddings are perturbed by this fraction "
        "of their norm in the direction that changes them most; also uses texts without labels (takes four times the "
        "time); 0: off",
        0.0,
        check=at_least(0),
    )
    max_epochs: int | None = setting(default=None, auto=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            "pretraining", not (self.pretraining and self.has_start), f"0, or left out, beside {option('from_')}"
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """As `Config.from_mapping`. The first runs of 0.1 have true or false for `class_weights`."""
        if isinstance(values.get("class_weights"), bool):
            values = {**values, "class_weights": "balanced" if values["class_weights"] else "none"}
        return super().from_mapping(values, where)

    @property
    def inherited(self) -> tuple[str, ...]:
        return FROM_PRETRAINED if self.has_start else ()

    @property
    def cross_validation_folds(self) -> int:
        return self.folds or 0

    @property
    def has_start(self) -> bool:
        """Whether a model to start from was named."""
        return self.from_ not in (None, NO_MODEL)


@dataclass(frozen=True, kw_only=True)
class SentimentTraining(SentimentOptions):
    """How a run trains, everything decided."""

    pretraining: int = decided(0)
    linear: bool = decided(False)
    folds: int = decided(0)
    tokenizer: str = decided()
    min_frequency: int = decided(2)
    batch_size: int = decided()
    lr: float = decided()
    weight_decay: float = decided(0.0)
    label_smoothing: float = decided(0.0)
    adversarial: float = decided(0.0)
    evaluations: int = decided()


@dataclass(frozen=True, kw_only=True)
class EnsembleOptions(Config):
    """Which runs become an ensemble, and on whose validation texts the stacking weights are fitted."""

    runs: tuple[str, ...]
    data: str | None = setting("data whose validation texts fit the stacking weights (default: of the first run)", None)
    text_column: str | None = read_option("text_column")
    label_column: str | None = read_option("label_column")
    encoding: str | None = read_option("encoding")
    quoting: str = read_option("quoting")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.runs) < 2:
            raise UserError(f"runs has the length {len(self.runs)}; an ensemble needs at least 2: give more")
