"""How a run trains: the options that all tasks share. A run folder keeps them in `config.json`.

Options have two stages. What the user said is a subclass of `TrainingOptions`, in which None leaves a choice open. What
the run stores is a subclass of that, in which everything is decided: see `TrainingConfig`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rnnnlp.config import Config, above_zero, at_least, between, one_of, seconds, setting, share
from rnnnlp.errors import UserError, option
from rnnnlp.text.read_options import ReadOptions, read_option
from rnnnlp.text.registry import TOKENIZERS
from rnnnlp.text.words import LARGEST_VOCABULARY
from rnnnlp.training.optimizers import OPTIMIZERS
from rnnnlp.training.reporting import TRACKERS, known_trackers
from rnnnlp.training.schedules import SCHEDULES
from rnnnlp.training.wire import WIRES

MIN_FREQUENCY = 2  # of the tokens of a vocabulary
MOST_SHARDS = 1 << 12
MOST_LOCAL_STEPS = 10_000
DEFAULT_BUDGET = 600.0  # seconds, where no epochs, steps or budget are given


class TrainingConfig(Protocol):
    """What the training loop needs of a resolved configuration."""

    @property
    def data(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def shards(self) -> int | None: ...
    @property
    def sync_every(self) -> int: ...
    @property
    def wire(self) -> str: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def lr(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def warmup(self) -> float: ...
    @property
    def max_norm(self) -> float: ...
    @property
    def averaging(self) -> float: ...
    @property
    def epochs(self) -> int | None: ...
    @property
    def steps(self) -> int | None: ...
    @property
    def budget(self) -> float | None: ...
    @property
    def max_epochs(self) -> int | None: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def patience(self) -> int: ...
    @property
    def checkpoint_every(self) -> int | None: ...
    @property
    def on_divergence(self) -> str: ...
    @property
    def inherited(self) -> tuple[str, ...]: ...
    @property
    def cross_validation_folds(self) -> int: ...
    def to_mapping(self) -> dict[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(Config):
    """The options that all tasks share; tasks change some defaults and add options of their own."""

    data: str = setting(
        "what to train on: a csv, tsv, json, parquet or text file, a folder, a Hugging Face data set (owner/name) or "
        "a built-in one (see docs/guide/data.md)"
    )
    text_column: str | None = read_option("text_column")
    encoding: str | None = read_option("encoding")
    quoting: str = read_option("quoting")
    seed: int = setting("random seed: the same seed, data and options give the same model", 0, check=at_least(0))
    tokenizer: str | None = setting(f"tokens: {', '.join(TOKENIZERS)} (subwords)", None, check=one_of(TOKENIZERS))
    vocab_size: int | None = setting(
        "maximum vocabulary size of a word or bpe tokenizer", None, check=between(1, LARGEST_VOCABULARY)
    )
    min_frequency: int | None = setting(
        "tokens seen fewer times than this are unknown (word and bpe tokenizers)", MIN_FREQUENCY, check=at_least(0)
    )
    batch_size: int | None = setting(
        "number of documents, or of streams of a text, in a batch", None, check=at_least(1)
    )
    shards: int | None = setting(
        "number of parts into which each batch is cut for several processes (see docs/guide/scale.md); the result "
        "depends on it, and not on the number of processes (default: the number of processes at the start)",
        None,
        check=between(1, MOST_SHARDS),
    )
    sync_every: int = setting(
        "local SGD, for slow networks: number of steps in which each shard trains its own copy of the weights before "
        "all copies are averaged; 1 sums the gradients of all shards in every step",
        1,
        check=between(1, MOST_LOCAL_STEPS),
    )
    wire: str = setting(
        "format in which processes exchange gradients: float32, or bf16 (half the bytes, rounded)",
        "float32",
        check=one_of(WIRES),
    )
    bptt: int | None = setting(
        "truncated backpropagation through time: maximum number of steps (default: the whole text)",
        None,
        check=at_least(1),
    )
    optimizer: str = setting(f"optimizer: {', '.join(OPTIMIZERS)}", "adamw", check=one_of(OPTIMIZERS))
    lr: float | None = setting("peak learning rate", None, check=above_zero())
    momentum: float = setting("momentum of sgd, and beta1 of adam and adamw", 0.9, check=share())
    weight_decay: float | None = setting("weight decay; not applied to biases", 0.0, check=at_least(0))
    schedule: str = setting(f"learning-rate schedule: {', '.join(SCHEDULES)}", "cosine", check=one_of(SCHEDULES))
    warmup: float = setting("fraction of the run in which the learning rate rises", 0.02, check=share())
    max_norm: float = setting("gradient clipping: maximum gradient norm; 0: no clipping", 1.0, check=at_least(0))
    label_smoothing: float | None = setting(
        "fraction of each target that is spread over all classes", 0.0, check=share()
    )
    averaging: float = setting(
        "decay of the moving average of the weights, which is evaluated and kept; 0: no averaging", 0.99, check=share()
    )
    epochs: int | None = setting("number of passes over the data", None, check=at_least(1))
    steps: int | None = setting("number of optimizer steps", None, check=at_least(1))
    budget: float | None = setting(
        "training time, such as 90s or 1h30m (default: 10m without epochs or steps)", None, check=above_zero("seconds")
    )
    max_epochs: int | None = setting("with a budget: maximum number of passes over the data", None, check=at_least(1))
    evaluations: int | None = setting(
        "number of evaluations on the validation split, spread evenly over the run", None, check=at_least(1), auto=True
    )
    patience: int = setting(
        "early stopping: stop after this number of evaluations without improvement; 0 never stops early",
        5,
        check=at_least(0),
    )
    checkpoint_every: int | None = setting(
        "also save a checkpoint every N steps (always: at each evaluation and every 5 minutes)",
        None,
        check=at_least(1),
    )
    keep_checkpoints: int = setting("number of checkpoints to keep", 2, check=at_least(1))
    on_divergence: str = setting(
        "what to do when training diverges (loss or gradient is NaN or infinite, or loss stays high for 50 steps): "
        "stop, or rollback (restore the last checkpoint and continue at half the learning rate). For what counts as "
        "high, see docs/reliability.md",
        "stop",
        check=one_of(("stop", "rollback")),
    )
    report_to: str | None = setting(
        f"report losses and evaluations to trackers: one or more of {', '.join(TRACKERS)}, or none",
        None,
        check=known_trackers(),
    )
    backend: str = setting("kernels: native (C++), numpy, or auto, which is native if it was built", "auto")
    threads: int | None = setting("number of threads (default: OMP_NUM_THREADS, or all cores)", None, check=at_least(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(limit is not None for limit in (self.epochs, self.steps, self.budget)) > 1:
            names = f"{option('epochs')}, {option('steps')} and {option('budget')}"
            raise UserError(f"{names} exclude one another; give one of them")
        if self.max_epochs is not None and (self.epochs is not None or self.steps is not None):
            name = option("max_epochs")
            raise UserError(f"{name} is {self.max_epochs}, which applies only with a {option('budget')}; leave it out")

    @property
    def inherited(self) -> tuple[str, ...]:
        """The options that come from the model that training starts from."""
        return ()

    @property
    def cross_validation_folds(self) -> int:
        """The number of folds if the figures of a run are cross-validated, else 0."""
        return 0

    @property
    def reading(self) -> ReadOptions:
        """How the data are read."""
        return ReadOptions.of(self)

    @property
    def vocabulary_options(self) -> dict[str, Any]:
        """The options with which a tokenizer of this kind is trained."""
        if self.tokenizer in ("char", "byte"):
            return {}
        return {"vocab_size": self.vocab_size, "min_frequency": self.least_frequency}

    @property
    def least_frequency(self) -> int:
        """What `min_frequency` is, also where it is left open."""
        return MIN_FREQUENCY if self.min_frequency is None else self.min_frequency


def values_of(names: Sequence[str], *configs: Config) -> str:
    """The values of some options, for the log; those that are None are left out.

    Args:
        names: The options.
        configs: Each option is in one of them; if it is in several, the first one counts.
    """
    values = {name: next(getattr(config, name) for config in configs if hasattr(config, name)) for name in names}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items() if value is not None)


def budget_seconds(budget: str, trained: Callable[[], float] | None = None) -> float:
    """The budget in seconds that a text such as "20m" means, or "+10m" for a run that is resumed.

    Args:
        budget: The text.
        trained: Gives the seconds that the run has had.

    Raises:
        UserError: If it is not a duration, or adds to a run that is new.
    """
    more = budget.startswith("+")
    if more and trained is None:
        raise UserError(
            f"{option('budget')} {budget} adds to a run: give {option('resume')} RUN; for a new run leave out the +"
        )
    try:
        return seconds(budget.removeprefix("+")) + (trained() if more and trained else 0.0)
    except UserError as error:
        raise UserError(f"{option('budget')} {error.marked}") from None
