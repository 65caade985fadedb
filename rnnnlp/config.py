"""Configurations: frozen dataclasses whose fields carry their own help text and check.

A loader refuses unknown keys and values of the wrong type.
"""

import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import numpy as np

from rnnnlp.errors import UserError, option

LARGEST_INTEGER = 2**53
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}  # of a duration, in seconds
MAX_PARAMETERS = 2**40
MAX_LAYERS = 100  # a tiny layer costs time out of proportion to its size in a file


@dataclass(frozen=True)
class Check:
    """A condition on the value of a field, and its description in a message. None always passes."""

    passes: Callable[[Any], bool]
    expected: Callable[[], str]


def at_least(minimum: float) -> Check:
    return Check(lambda value: value >= minimum, lambda: f"at least {minimum}")


def between(minimum: float, maximum: float) -> Check:
    """A number from `minimum` to `maximum`, both included."""
    return Check(lambda value: minimum <= value <= maximum, lambda: f"at least {minimum} and at most {maximum}")


def zero_or_at_least(minimum: float) -> Check:
    return Check(lambda value: value == 0 or value >= minimum, lambda: f"0, or at least {minimum}")


def above_zero(unit: str = "") -> Check:
    return Check(lambda value: value > 0, lambda: f"above 0{unit and ' ' + unit}")


def share() -> Check:
    """A number from 0 to 1, without 1."""
    return Check(lambda value: 0 <= value < 1, lambda: "at least 0 and below 1")


def from_0_to_1() -> Check:
    return Check(lambda value: 0 <= value <= 1, lambda: "at least 0 and at most 1")


def one_of(choices: Collection[str]) -> Check:
    """One of `choices`, which may still grow: they are looked up when a value is checked."""
    return Check(lambda value: value in choices, lambda: f"one of {', '.join(choices)}")


def setting(help: str | None = None, default: Any = MISSING, *, check: Check | None = None, auto: bool = False) -> Any:
    """A field of a configuration.

    Args:
        help: What the option does; the command line and the reference show it. None keeps that of the base class.
        default: The value where nothing is given; without it the field is required.
        check: A condition on the value.
        auto: Whether training chooses the value from data and time where the user gives none.
    """
    return field(default=default, metadata={"help": help, "check": check, "auto": auto})


def decided(default: Any = MISSING) -> Any:
    """A field that a resolved configuration narrows: what the options left open has a value here.

    Help and check are those of the options. `default` is what a folder of an earlier version means that lacks the key.
    """
    return field(default=default)


@dataclass(frozen=True)
class Config:
    """Shared by all configurations: checks of values, and reading from a mapping."""

    earlier_names: ClassVar[Mapping[str, str]] = {}  # of fields, in folders of earlier versions
    retired: ClassVar[Mapping[str, Any]] = {}  # fields of earlier versions, and the value that means "not used"

    def __post_init__(self) -> None:
        for f in fields(self):
            value, check = getattr(self, f.name), describe(type(self), f.name).get("check")
            if check is not None and value is not None:
                self.require(f.name, check.passes(value), check.expected())

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Reads a configuration; names of earlier versions are understood.

        Args:
            values: Field names and values.
            where: The file that has them, for messages; none for what the caller gave.

        Raises:
            UserError: For unknown, missing or wrongly typed keys, and for values that a check refuses.
        """
        values = {cls.earlier_names.get(key, key): value for key, value in values.items()}
        for key, unused in cls.retired.items():
            if values.pop(key, unused) != unused:
                raise UserError(f"{where}: it has {key}, which this version does not know any more; train it again")
        known = {f.name: f for f in fields(cls)}
        for key in values:
            if key not in known:
                raise UserError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
        for key, f in known.items():
            if values.get(key) is None and f.default is not MISSING and not allows_none(f):
                values.pop(key, None)
            if key not in values and f.default is MISSING:
                raise UserError(f"{where}: key {key!r} is missing; the file is incomplete: restore it")
        try:
            return cls(**{key: as_given(known[key].type, value, key) for key, value in values.items()})
        except UserError as error:
            if not where:
                raise
            raise UserError(f"{where}: {error.marked}") from None

    def changed(self, **values: Any) -> Self:
        """The same configuration with some other values."""
        return replace(self, **values)

    def to_mapping(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def require(self, name: str, condition: bool, expected: str) -> None:
        """Raises UserError unless `condition`: the name and value of the option, and what was expected."""
        if not condition:
            raise UserError(f"{option(name)} is {getattr(self, name)}; it must be {expected}")


@dataclass(frozen=True)
class NetworkConfig(Config):
    """What a network consists of: the `model` part of `config.json`."""

    from_data: ClassVar[tuple[str, ...]] = ("vocab_size",)  # fields that the data decide, not the user
    sizes: ClassVar[tuple[str, ...]] = ("hidden_size", "embedding_size", "num_layers")

    vocab_size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("vocab_size", self.vocab_size >= 1, "at least 1")
        first, *others = self.sizes
        smaller = f"smaller, or {' or '.join(map(option, others))}" if others else "smaller"
        self.require(first, self.num_parameters <= MAX_PARAMETERS, smaller)

    @classmethod
    def check_given(cls, given: Mapping[str, Any]) -> None:
        """Refuses bad values of the options that were given, before any data are read.

        Raises:
            UserError: If a check refuses one.
        """
        cls(vocab_size=1, **given)

    @property
    def num_parameters(self) -> int:
        """The number of parameters of a network of this configuration, known before any memory is taken."""
        raise NotImplementedError


def describe(config: type[Config], name: str) -> Mapping[str, Any]:
    """The help, check and auto of a field; a class inherits what it does not say itself."""
    found: dict[str, Any] = {}
    for cls in config.__mro__:
        declared = getattr(cls, "__dataclass_fields__", {}).get(name)
        if declared is not None:
            found = {key: value for key, value in declared.metadata.items() if value is not None} | found
    return found


def allows_none(f: "Field[Any]") -> bool:
    return type(None) in getattr(f.type, "__args__", ())


def is_unicode(text: str) -> bool:
    """Whether a text has whole characters only, so that it can be written."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_given(kind: Any, value: Any, key: str) -> Any:
    """`value` if it is of the type `kind` of a field, also as a scalar of NumPy or a path.

    Raises:
        UserError: If it is of another type, not finite, or larger than any number that makes sense.
    """
    name = option(key)
    if isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, os.PathLike):
        value = os.fspath(value)
    texts = value if isinstance(value, list | tuple) else [value]
    may_be_bytes = key == "stop"  # a byte model may generate them
    if not may_be_bytes and any(isinstance(text, str) and not is_unicode(text) for text in texts):
        raise UserError(
            f"{name} is {value!r}, which has bytes that are not UTF-8; give another name, or rename the file"
        )
    if isinstance(value, str) and key == "out" and "\0" in value:
        raise UserError(f"{name} is {value!r}, which has a null character; give another name")
    if kind == tuple[str, ...]:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise UserError(f"{name} is {value!r}; it must be a list of strings")
    allowed = set(getattr(kind, "__args__", (kind,)))  # int | None has the arguments int and NoneType
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise UserError(f"{name} is larger than any number that makes sense; it must be at most {LARGEST_INTEGER}")
    if float in allowed and type(value) is int:
        value = float(value)
    elif isinstance(value, float) and int in allowed and float not in allowed and value.is_integer():
        value = int(value)
    if type(value) not in allowed:
        names = " or ".join(sorted("nothing" if a is type(None) else a.__name__ for a in allowed))
        shown = " ".join(repr(value).split())  # a table has many lines
        raise UserError(f"{name} is {shown if len(shown) < 80 else shown[:76] + ' ...'}; it must be {names}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name} is {value!r}; it must be finite")
    return value


def written_duration(seconds: float) -> str:
    """A number of seconds as an option takes it, such as 90s or 0.5s."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def seconds(text: str) -> float:
    """A duration: "90s", "10m", "1.5h", "1h30m", or a number of seconds alone.

    Raises:
        UserError: If the text is not a duration.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    lacks_unit = len(parts) > 1 and not all(unit for _, unit in parts)
    if not parts or lacks_unit or "".join(number + unit for number, unit in parts) != text:
        raise UserError(f"{text!r} is not a duration; write it as 90s, 10m, 1.5h or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in parts)
