"""What may change when a run is resumed, and what may not: its data."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from rnnnlp.config import NetworkConfig
from rnnnlp.errors import UserError, option
from rnnnlp.training.earlier import EARLIER_DATA
from rnnnlp.training.objective import Objective
from rnnnlp.training.options import TrainingOptions, budget_seconds
from rnnnlp.training.reporting import trackers_given
from rnnnlp.training.state import TrainingState

LIMITS = ("epochs", "steps", "budget")
CHANGEABLE = (
    *("data", *LIMITS, "max_epochs", "evaluations", "patience", "checkpoint_every", "keep_checkpoints"),
    *("on_divergence", "report_to", "backend", "threads"),
)

Training = TypeVar("Training", bound=TrainingOptions)


def with_changes(
    config: Training, network: NetworkConfig, changes: Mapping[str, Any], *, run: Path, trained: Callable[[], float]
) -> Training:
    """How a resumed run trains. A limit among the changes replaces all limits of the run.

    Args:
        config: How the run trained before.
        network: The configuration of its network.
        changes: Options by name; those that are as before change nothing.
        run: The run folder.
        trained: Gives the seconds of training so far, to which a budget such as "+10m" adds.

    Raises:
        UserError: For an option that cannot change, or a value that it cannot have.
    """
    before = network.to_mapping() | config.to_mapping()
    changes = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in changes.items()
        if value is not None
    }
    if "report_to" in changes:
        changes["report_to"] = trackers_given(changes["report_to"])
    if isinstance(budget := changes.get("budget"), str):
        changes["budget"] = budget_seconds(budget, trained)
    limits = {name: value for name, value in changes.items() if name in (*LIMITS, "max_epochs")}
    changes = {name: value for name, value in changes.items() if name not in before or before[name] != value}
    if fixed := [name for name in changes if name not in CHANGEABLE]:
        raise UserError(
            f"{', '.join(map(option, fixed))} cannot change when {run} is resumed, only "
            f"{', '.join(map(option, CHANGEABLE))}; leave it out, or begin a new run"
        )
    values = config.to_mapping()
    if any(name in changes for name in LIMITS):
        values |= dict.fromkeys((*LIMITS, "max_epochs")) | limits
    return type(config).from_mapping(values | changes)


def changed_data(objective: Objective, state: TrainingState) -> list[str]:
    """The parts of the data that are not those that a training state was saved with, by name."""
    if EARLIER_DATA in state.data:
        return [] if state.data[EARLIER_DATA] == objective.earlier_fingerprint() else ["the training data"]
    now = objective.fingerprint()
    return [name for name in {**now, **state.data} if now.get(name) != state.data.get(name)]
