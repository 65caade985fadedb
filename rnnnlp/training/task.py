"""What the command line, runs and model cards know of a task."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from rnnnlp.config import Config, NetworkConfig, as_given, describe
from rnnnlp.errors import UserError, dashed, option
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.training.earlier import RENAMED_OPTIONS
from rnnnlp.training.model_folder import SavedModel, located, read_config
from rnnnlp.training.network import Network
from rnnnlp.training.options import TrainingOptions, budget_seconds
from rnnnlp.training.reporting import trackers_given

if TYPE_CHECKING:
    from rnnnlp.training.loop import Trainer

Training = TypeVar("Training", bound=TrainingOptions)


@dataclass(frozen=True)
class Options(Generic[Training]):
    """What the user said of a run: how to train, and those options of the network that were given."""

    training: Training
    network: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What `rnnnlp evaluate` was asked for besides data and split; None or False where it was not.

    Attributes:
        hold_out: Whether a part of train is held out if the data have no validation split, as in the training.
        own_data: Whether the data are those of the training.
    """

    hold_out: bool = True
    own_data: bool = False
    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    quoting: str | None = None
    mistakes: int | None = None  # how many of the most confident mistakes to report
    threshold: str | None = None
    baseline: Callable[..., np.ndarray] | None = None  # probabilities of a baseline: see `analysis.linear_baseline`
    dynamic: bool = False
    dynamic_lr: float | None = None

    def reading(self, training: Mapping[str, Any]) -> ReadOptions:
        """How data are read: as asked, or else as training did. Encoding and quoting are only those of its own data."""
        names = [f.name for f in fields(ReadOptions)] if self.own_data else ["text_column", "label_column"]
        trained = {name: training[name] for name in names if training.get(name) is not None}
        return ReadOptions(**trained | ReadOptions.given(self))


@dataclass(frozen=True)
class Task:
    """A kind of network, how it is trained and evaluated, and how the command line presents it.

    A task is a folder of `rnnnlp.tasks` with an object of this class, `TASK`; `rnnnlp.tasks.TASKS` lists the folders.
    """

    name: str  # also `model_type` in config.json
    command: str  # of the command line, such as "train charlm"
    title: str  # of the model card
    about: str  # for --help: "Train <about>."
    use: str  # a command that uses a trained run, with {run} in it
    fit: str  # the call in Python that trains on given texts, with {options} in it
    options: type[TrainingOptions]  # how to train: what the user may say
    training: type[Config]  # the same with everything decided: what the run stores
    network: type[Network]
    begin: "Callable[..., Trainer]"  # (options, run, *, data, started) -> the trainer of a new run
    reopen: "Callable[..., Trainer]"  # (network, training, run, *, data) -> the trainer of a resumed run
    evaluate: Callable[..., dict[str, Any]]  # (model, folder, data, split, training, asked) -> figures
    report: Callable[[Sequence[Mapping[str, Any]]], list[str]]  # figures of one or more data sets -> lines
    merged: Callable[[Iterable[Mapping[str, Any]]], dict[str, Any]] | None = None  # figures with "sums" -> of all sums
    evaluations: tuple[str, ...] = ()  # the fields of `Evaluation` that mean something here
    leave_out: tuple[str, ...] = ()  # options that are not for this task
    also_opens: Mapping[str, type[Config]] = field(default_factory=dict)  # further model types that `evaluate` opens
    opens: Callable[..., SavedModel] | None = None  # (folder) -> the model; None where only `network` can be there
    check: Callable[[Options[Any]], None] = field(default=lambda options: None)  # of options together

    def options_from(self, values: Mapping[str, Any]) -> Options[Any]:
        """The options of a run among named values.

        Raises:
            UserError: For an unknown name, a wrong type, a value that a check refuses, or if there is no data.
        """
        training_names = {f.name for f in fields(self.options)} - set(self.leave_out)
        network_types = {f.name: f.type for f in network_options(self.network.config_type)}
        for name in values:
            if name in RENAMED_OPTIONS and RENAMED_OPTIONS[name] in training_names | network_types.keys():
                raise UserError(f"{option(name)} is now {option(RENAMED_OPTIONS[name])}; use that name")
            if name not in training_names | network_types.keys():
                raise UserError(
                    f"{name!r} is not an option of this training; its options are in 'rnnnlp {self.command} "
                    f"{dashed('help')}', under training and network"
                )
        if "data" not in values:
            raise UserError(f"{option('data')} is missing; give a file, a folder, a Hub name or a built-in set")
        training = {name: value for name, value in values.items() if name in training_names}
        if isinstance(budget := training.get("budget"), str):
            training["budget"] = budget_seconds(budget)
        if "report_to" in training:
            training["report_to"] = trackers_given(training["report_to"])
        network = {name: as_given(network_types[name], v, name) for name, v in values.items() if name in network_types}
        options = Options(self.options.from_mapping(training), network)
        self.check(options)
        self.network.config_type.check_given(network)
        return options

    @property
    def has_labels(self) -> bool:
        """Whether it takes rows with labels."""
        return any(f.name == "label_column" for f in fields(self.options))

    def load(self, folder: Path) -> SavedModel:
        """The model in a folder, of any type that this task opens."""
        return self.network.from_pretrained(folder) if self.opens is None else self.opens(folder)

    def auto_options(self) -> list[str]:
        """The options that training chooses from data and time where the user gives none."""
        return [
            f.name
            for config in (self.options, self.network.config_type)
            for f in fields(config)
            if describe(config, f.name).get("auto")
        ]


def require_open(options: Options[Any], names: Collection[str], folder: Path | None = None) -> None:
    """Refuses options of these names beside `from_`, whose run decides them, unless they are what they are there.

    Args:
        options: The options.
        names: Those that the run decides.
        folder: Where the run is, if not at `from_`.

    Raises:
        UserError: If one was given and is another, or `from_` is not a run.
    """
    given: Any = options.training
    if given.from_ is None:
        return
    defaults = {f.name: f.default for f in fields(given)}
    config = read_config(folder or located(given.from_))
    there = config.get("training", {}) | config["model"]
    for name in names:
        value, run = options.network.get(name, getattr(given, name, None)), given.from_
        is_given = name in options.network or value != defaults.get(name)
        if is_given and value != there.get(name):
            raise UserError(
                f"{option(name)} is {value}, and that of {option('from_')} {run} is {there.get(name)}; leave it out"
            )


def network_options(config: type[NetworkConfig]) -> list[Any]:
    """The fields of a network's configuration that the user may give."""
    return [f for f in fields(config) if f.name not in config.from_data]
