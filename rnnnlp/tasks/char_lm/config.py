"""The configurations of a character language model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rnnnlp.config import MAX_LAYERS, NetworkConfig, at_least, between, decided, one_of, setting, share
from rnnnlp.errors import option
from rnnnlp.kernels import CELLS
from rnnnlp.layers.recurrent import num_parameters
from rnnnlp.training.options import TrainingOptions


class Preset(NamedTuple):
    """A size and what goes with it; it is the best one for a run in which `base` would read this number of tokens."""

    hidden_size: int
    embedding_size: int
    lr: float
    batch_size: int
    tokens: float


PRESETS = {
    "tiny": Preset(128, 32, 2e-2, 16, 2e5),
    "small": Preset(256, 64, 1.5e-2, 16, 1.25e6),
    "base": Preset(512, 64, 1.6e-2, 16, 6e6),
    "large": Preset(768, 64, 1.6e-2, 16, 4.6e7),
    "huge": Preset(1024, 64, 1.2e-2, 16, 1.8e8),
}


FROM_RUN = (  # what a run that starts from another one takes from it, and nobody gives beside `from_`
    *("preset", "tokenizer", "vocab_size", "min_frequency", "cell", "embedding_size", "hidden_size", "num_layers"),
    "tied_weights",
)


@dataclass(frozen=True)
class CharLMConfig(NetworkConfig):
    """The network: embedding, recurrent layers, softmax over the vocabulary."""

    cell: str = setting(f"recurrent cell: {', '.join(CELLS)}", "lstm_rms_norm", check=one_of(CELLS))
    embedding_size: int = setting("size of the embedding of a token", 64, check=at_least(1), auto=True)
    hidden_size: int = setting("number of hidden units of a recurrent layer", 512, check=at_least(1), auto=True)
    num_layers: int = setting("number of recurrent layers", 1, check=between(1, MAX_LAYERS))
    dropout: float = setting("fraction of features that are dropped in training", 0.2, check=share(), auto=True)
    weight_drop: float = setting(
        "fraction of recurrent weights that are dropped in training, drawn anew for each window", 0.0, check=share()
    )
    variational: bool = setting("variational dropout: one dropout mask for all steps of a sequence", False)
    tied_weights: bool = setting("use the embedding as the output weights too", False)

    def __post_init__(self) -> None:
        super().__post_init__()
        same = self.embedding_size == self.hidden_size
        sizes = f"{option('embedding_size')} is {option('hidden_size')}"
        self.require("tied_weights", same or not self.tied_weights, f"false unless {sizes}")

    @classmethod
    def check_given(cls, given: Mapping[str, Any]) -> None:
        sizes = {"embedding_size", "hidden_size"}
        tied = bool(given.get("tied_weights")) and sizes <= given.keys()  # else `defaults` makes the sizes equal
        cls(vocab_size=1, **{**given, "tied_weights": tied})

    @property
    def num_parameters(self) -> int:
        V, D, H = self.vocab_size, self.embedding_size, self.hidden_size
        return V * D + num_parameters(self.cell, D, H, self.num_layers) + (0 if self.tied_weights else H * V) + V


@dataclass(frozen=True, kw_only=True)
class CharLMOptions(TrainingOptions):
    """How to train, as the user said it. None is decided by `defaults`."""

    preset: str = setting(
        "sizes and learning rate: tiny, small, base, large or huge (128, 256, 512, 768, 1024 hidden units); "
        "auto chooses the best size for the text and the training time",
        "auto",
        check=one_of(("auto", *PRESETS)),
    )
    from_: str | None = setting(
        "fine-tune: start from the weights of this run of `train charlm`, or of such a model of the Hub (owner/name), "
        "with its tokenizer and sizes; characters that it has not seen are added to its vocabulary",
        None,
    )
    tokenizer: str = setting(default="char")
    vocab_size: int = setting(default=10_000)
    batch_size: int | None = setting("number of streams of the text in a batch", None, check=at_least(1), auto=True)
    bptt: int = setting("truncated backpropagation through time: number of steps of a window", 64, check=at_least(1))
    lr: float | None = setting(default=None, auto=True)
    momentum: float = setting(default=0.6)
    weight_decay: float | None = setting(default=None, auto=True)
    validation_tokens: int = setting(
        "maximum number of validation tokens read in each evaluation during training", 200_000, check=at_least(1)
    )
    document_separator: str | None = setting(
        r"text to insert between two files or rows, such as '\n\n' or '<end>' (default: \n)", None
    )
    shuffle_blocks: int = setting(
        "shuffle blocks of this number of tokens in each epoch; 0 reads the text in order", 0, check=at_least(0)
    )

    @property
    def inherited(self) -> tuple[str, ...]:
        return FROM_RUN if self.from_ is not None else ()


@dataclass(frozen=True, kw_only=True)
class CharLMTraining(CharLMOptions):
    """How a run trains, everything decided."""

    batch_size: int = decided()
    lr: float = decided()
    weight_decay: float = decided(0.0)
    label_smoothing: float = decided(0.0)
    evaluations: int = decided()
