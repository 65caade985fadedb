"""The configurations of the toy task."""

from dataclasses import dataclass
from typing import ClassVar

from rnnnlp.config import NetworkConfig, above_zero, at_least, decided, setting
from rnnnlp.training.options import TrainingOptions


@dataclass(frozen=True)
class ToyConfig(NetworkConfig):
    """The network: one linear layer."""

    sizes: ClassVar[tuple[str, ...]] = ("vocab_size",)

    sharpness: float = setting("factor of the counts of letters in a bag", 4.0, check=above_zero())

    @property
    def num_parameters(self) -> int:
        return self.vocab_size * (self.vocab_size + 1)


@dataclass(frozen=True, kw_only=True)
class ToyOptions(TrainingOptions):
    """How to train, as the user said it."""

    tokenizer: str = setting("char or byte", "char")
    batch_size: int = setting("number of bags in a batch", 8)
    bptt: int = setting("number of letters in a bag", 4, check=at_least(1))
    lr: float | None = setting("peak learning rate", 0.05)
    evaluations: int | None = setting("number of evaluations", 3)


@dataclass(frozen=True, kw_only=True)
class ToyTraining(ToyOptions):
    """How a run trains, everything decided."""

    lr: float = decided(0.05)
    weight_decay: float = decided(0.0)
    evaluations: int = decided(3)
