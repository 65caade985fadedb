"""The configurations of word language models."""

from dataclasses import dataclass

from rnnnlp.config import MAX_LAYERS, NetworkConfig, at_least, between, decided, one_of, setting, share
from rnnnlp.errors import option
from rnnnlp.kernels import CELLS
from rnnnlp.layers.recurrent import num_parameters
from rnnnlp.training.options import TrainingOptions

FROM_RUN = (  # what a run that starts from another one takes from it, and nobody gives beside `from_`
    *("tokenizer", "vocab_size", "min_frequency", "cell", "embedding_size", "hidden_size", "num_layers"),
)


@dataclass(frozen=True)
class WordLMConfig(NetworkConfig):
    """Two language models, one a direction: embedding, recurrent layers, softmax over the vocabulary."""

    cell: str = setting(f"recurrent cell: {', '.join(CELLS)}", "lstm", check=one_of(CELLS))
    embedding_size: int = setting("size of the embedding of a token", 256, check=at_least(1))
    hidden_size: int = setting("number of hidden units of a recurrent layer, in each direction", 256, check=at_least(1))
    num_layers: int = setting("number of recurrent layers", 1, check=between(1, MAX_LAYERS))
    dropout: float = setting("fraction of features that are dropped in training", 0.1, check=share())

    @property
    def num_parameters(self) -> int:
        V, D, H = self.vocab_size, self.embedding_size, self.hidden_size
        one_direction = num_parameters(self.cell, D, H, self.num_layers) + (H + 1) * D
        return V * (D + 1) + 2 * one_direction


@dataclass(frozen=True, kw_only=True)
class WordLMOptions(TrainingOptions):
    """How to train, as the user said it."""

    from_: str | None = setting(
        "fine-tune: start from the weights of this run of `pretrain`, or of such a model of the Hub (owner/name), with "
        "its tokenizer and sizes; words that it has not seen stay unknown",
        None,
    )
    tokenizer: str = setting(default="word")
    vocab_size: int = setting(default=30_000)
    batch_size: int = setting("number of streams of the text in a batch", 32)
    bptt: int = setting("truncated backpropagation through time: number of steps of a window", 64)
    samples: int = setting(
        "sampled softmax: number of words drawn as candidates for each window, besides the words in it",
        1024,
        check=between(1, 1 << 20),
    )
    lr: float | None = setting(default=5e-3)
    evaluations: int | None = setting("number of evaluations, spread evenly over the run", 5)
    validation_tokens: int = setting(
        "maximum number of validation tokens read in each evaluation during training", 20_000, check=at_least(1)
    )
    document_separator: str | None = setting(
        r"text to insert between two files or rows, such as '\n\n' or '<end>' (default: \n)", None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("label_smoothing", not self.label_smoothing, f"0 with {option('samples')}")

    @property
    def inherited(self) -> tuple[str, ...]:
        return FROM_RUN if self.from_ is not None else ()


@dataclass(frozen=True, kw_only=True)
class WordLMTraining(WordLMOptions):
    """How a run trains, everything decided."""

    lr: float = decided(5e-3)
    weight_decay: float = decided(0.0)
    label_smoothing: float = decided(0.0)
    evaluations: int = decided(5)
