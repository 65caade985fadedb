"""What a model is made of: frozen, checked when made, and refused when a key is not known."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, Self

from rnnnlp.errors import UserError
from rnnnlp.kernels import CELLS
from rnnnlp.layers.pooling import POOLINGS

LARGEST = 2**53
MOST_WEIGHTS = 2**40
SIZES = ("hidden_size", "embedding_size", "num_layers", "votes")


@dataclass(frozen=True)
class Config:
    """Shared by all configurations: checks of values, and reading from a mapping."""

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> Self:
        """Raises UserError for unknown, missing or wrongly typed keys; `where` names the file that has them."""
        known = {f.name: f for f in fields(cls)}
        for key in values:
            if key not in known:
                raise UserError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
        for key, f in known.items():
            if key not in values and f.default is MISSING:
                raise UserError(f"{where}: key {key!r} is missing; the file is incomplete: restore it")
        try:
            return cls(**{key: as_given(known[key].type, value, key) for key, value in values.items()})
        except UserError as error:
            raise UserError(f"{where}: {error}") from None

    def changed(self, **values: Any) -> Self:
        """The same with some other values."""
        return replace(self, **values)

    @property
    def weights(self) -> int:
        """How many weights a model of this configuration has."""
        raise NotImplementedError

    def to_mapping(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def require(self, name: str, condition: bool, expected: str) -> None:
        """Raises UserError unless `condition`: the option's name and value, and what was expected."""
        if not condition:
            raise UserError(f"{option(name)} is {getattr(self, name)}; it must be {expected}")

    def require_at_least(self, minimum: int, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            self.require(name, value is None or value >= minimum, f"at least {minimum}")

    def require_share(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            self.require(name, value is None or 0 <= value < 1, "at least 0 and below 1")

    def require_room(self) -> None:
        """Raises UserError for a model that no memory holds."""
        others = " or ".join(option(name) for name in SIZES if name != "hidden_size" and hasattr(self, name))
        self.require("hidden_size", self.weights <= MOST_WEIGHTS, f"smaller, or {others}")

    def require_choice(self, name: str, choices: Any) -> None:
        self.require(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")


def option(key: str) -> str:
    """How the command line spells a field. One that would be a word of Python has an underscore after it."""
    return f"--{key.rstrip('_').replace('_', '-')}"


def as_given(kind: Any, value: Any, key: str) -> Any:
    """`value` if it is of the type `kind` of a field; UserError if it is of another."""
    name = option(key)
    if kind == tuple[str, ...]:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise UserError(f"{name} is {value!r}; it must be a list of strings")
    allowed = set(getattr(kind, "__args__", (kind,)))  # int | None has the arguments int and NoneType
    if isinstance(value, int) and abs(value) > LARGEST:
        raise UserError(f"{name} is larger than any number that makes sense; it must be at most {LARGEST}")
    if float in allowed and type(value) is int:
        value = float(value)
    if type(value) not in allowed:
        names = " or ".join(sorted("nothing" if a is type(None) else a.__name__ for a in allowed))
        raise UserError(f"{name} is {value!r}; it must be {names}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name} is {value!r}; it must be finite")
    return value


@dataclass(frozen=True)
class CharLMConfig(Config):
    """A character language model: embedding, recurrent layers, softmax over the vocabulary."""

    vocab_size: int
    cell: str = "lstm"
    embedding_size: int = 64
    hidden_size: int = 512
    num_layers: int = 1
    dropout: float = 0.2
    weight_drop: float = 0.0
    variational: bool = False
    tied_weights: bool = False

    def __post_init__(self) -> None:
        self.require_choice("cell", CELLS)
        self.require_at_least(1, "vocab_size", "embedding_size", "hidden_size", "num_layers")
        self.require_share("dropout", "weight_drop")
        same = self.embedding_size == self.hidden_size
        self.require_room()
        self.require("tied_weights", same or not self.tied_weights, "false unless --embedding-size is --hidden-size")

    @property
    def weights(self) -> int:
        """How many weights the model has."""
        V, D, H = self.vocab_size, self.embedding_size, self.hidden_size
        return V * D + recurrent_weights(self.cell, D, H, self.num_layers) + (0 if self.tied_weights else H * V) + V


@dataclass(frozen=True)
class SentimentConfig(Config):
    """A classifier of documents: embedding, recurrent layers, pooling, softmax over the classes.

    Beside the recurrent layers runs of words may vote, from a table of `votes` rows.
    """

    vocab_size: int
    labels: tuple[str, ...]
    cell: str = "lstm"
    embedding_size: int = 128
    hidden_size: int = 128
    num_layers: int = 1
    bidirectional: bool = True
    pooling: str = "mean+max"
    dropout: float = 0.5
    variational: bool = True
    max_length: int = 800
    votes: int = 0

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> Self:
        """As `Config.from_mapping`. The first runs of 0.1 have `pairs` that vote, or `members` side by side."""
        earlier = dict(values)
        for name, none in (("pairs", 0), ("members", 1)):
            if earlier.pop(name, none) != none:
                raise UserError(f"{where}: it has {name}, which are no longer known; train it again")
        return super().from_mapping(earlier, where)

    def __post_init__(self) -> None:
        self.require_choice("cell", CELLS)
        self.require_choice("pooling", POOLINGS)
        self.require_at_least(1, "vocab_size", "embedding_size", "hidden_size", "num_layers", "max_length")
        self.require_at_least(0, "votes")
        self.require_room()
        self.require_share("dropout")
        if len(self.labels) < 2:
            raise UserError(f"the only class is {', '.join(self.labels)}; a classifier needs at least two")

    @property
    def weights(self) -> int:
        """How many weights the model has."""
        directions = 2 if self.bidirectional else 1
        pooled = directions * self.hidden_size * (2 if self.pooling == "mean+max" else 1)
        query = pooled if self.pooling == "attention" else 0
        recurrent = recurrent_weights(self.cell, self.embedding_size, self.hidden_size, self.num_layers, directions)
        head = (pooled + 1) * len(self.labels)
        votes = self.votes * len(self.labels)
        return self.vocab_size * self.embedding_size + recurrent + query + head + 2 * votes


@dataclass(frozen=True)
class BidirectionalLMConfig(Config):
    """Two language models, one a direction: embedding, recurrent layers, softmax over the vocabulary."""

    vocab_size: int
    cell: str = "lstm"
    embedding_size: int = 256
    hidden_size: int = 256
    num_layers: int = 1
    dropout: float = 0.1

    def __post_init__(self) -> None:
        self.require_choice("cell", CELLS)
        self.require_at_least(1, "vocab_size", "embedding_size", "hidden_size", "num_layers")
        self.require_share("dropout")
        self.require_room()

    @property
    def weights(self) -> int:
        """How many weights the model has."""
        V, D, H = self.vocab_size, self.embedding_size, self.hidden_size
        one_way = recurrent_weights(self.cell, D, H, self.num_layers) + (H + 1) * D
        return V * (D + 1) + 2 * one_way


def recurrent_weights(cell: str, input_size: int, hidden_size: int, num_layers: int, directions: int = 1) -> int:
    """How many weights recurrent layers have."""
    sizes = [input_size] + [directions * hidden_size] * (num_layers - 1)
    return directions * sum(CELLS[cell].num_parameters(size, hidden_size) for size in sizes)
