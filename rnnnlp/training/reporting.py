"""Reports of a training to callbacks: trackers of experiments, and what users write in Python."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rnnnlp.config import Check
from rnnnlp.errors import UserError, option

TRACKERS = {  # the names of `report_to`, and the package that each needs
    "tensorboard": "tensorboardX",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
}
NOWHERE = "none"  # in place of a name: a run that is resumed reports no more

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportedRun:
    """The run that a callback is told of.

    Attributes:
        name: Its name: that of the folder.
        folder: Its folder, where a callback may keep something for a resume.
        task: What is trained.
        config: All options, of the training and of the network.
        step: The step that it is resumed from; 0 for a new run.
    """

    name: str
    folder: Path
    task: str
    config: Mapping[str, Any]
    step: int


class StopTraining(Exception):
    """A method of a `Callback` raises it to end the training early. The run then counts as finished."""


class Callback:
    """Is called at events of a training. Subclasses override the methods that they need.

    `StopTraining` ends the training. A callback that raises another exception is called no more; a warning says so, and
    the training goes on.
    """

    def begin(self, run: ReportedRun) -> None:
        """The training begins, or is resumed.

        Args:
            run: Its name, folder, task and options, and the step that it is resumed from.
        """

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        """A step was taken; every tenth is reported.

        Args:
            step: The number of steps so far.
            figures: The loss, learning rate, gradient norm and others.
        """

    def evaluation(self, step: int, figures: Mapping[str, float], *, best: bool, sample: str | None) -> None:
        """The weights were evaluated on validation.

        Args:
            step: The number of steps so far.
            figures: The loss and others.
            best: Whether they are the best so far, so that these weights are kept.
            sample: A text that the model generated, if it generates.
        """

    def checkpoint(self, step: int, folder: Path) -> None:
        """A checkpoint was written.

        Args:
            step: The number of steps so far.
            folder: Its folder. The run keeps its last `keep_checkpoints` of these.
        """

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        """The training has ended.

        Args:
            status: "finished", "interrupted" or "failed".
            figures: The best evaluation.
        """


class Reports:
    """Tells callbacks of a training, and drops one that fails.

    Args:
        callbacks: Those of the user.
        report_to: The names of trackers, with commas between them.

    Raises:
        UserError: If a package that a tracker needs is not installed, or a callback is none.
    """

    def __init__(self, callbacks: Sequence[Callback] = (), report_to: str | None = None):
        if isinstance(callbacks, Callback):
            raise UserError(f"callbacks is {callbacks!r}; expected a list: put it into one")
        callbacks = list(callbacks or ())  # an iterator can be read only once
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise UserError(f"callbacks has {callback!r}; expected objects of subclasses of rnnnlp.Callback")
        names = [] if report_to in (None, NOWHERE) else list(dict.fromkeys(report_to.split(",")))
        for name in names:
            if find_spec(TRACKERS[name]) is None:
                raise UserError(
                    f"{option('report_to')} is {name}, which needs the package {TRACKERS[name]}; install it: "
                    f"pip install 'rnnnlp[{name}]'"
                )
        self._callbacks = [*map(_tracker, names), *callbacks]
        self.asked_to_stop = False  # by a callback

    def begin(self, run: ReportedRun) -> None:
        self._tell(lambda callback: callback.begin(run))

    def step(self, record: Mapping[str, Any]) -> None:
        if self._callbacks:
            step, figures = record["step"], _numbers(record, but=("step",))
            self._tell(lambda callback: callback.step(step, figures))

    def evaluation(self, step: int, figures: Mapping[str, Any], *, best: bool, sample: str | None) -> None:
        self._tell(lambda callback: callback.evaluation(step, _numbers(figures), best=best, sample=sample))

    def checkpoint(self, step: int, folder: Callable[[], Path]) -> None:
        self._tell(lambda callback: callback.checkpoint(step, folder()))

    def end(self, status: str, figures: Mapping[str, Any]) -> None:
        self._tell(lambda callback: callback.end(status, _numbers(figures)))

    def _tell(self, tell: Callable[[Callback], None]) -> None:
        for callback in self._callbacks:
            try:
                tell(callback)
            except StopTraining:
                self.asked_to_stop = True
            except Exception as error:
                self._callbacks = [other for other in self._callbacks if other is not callback]
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                log.warning("%s failed (%s); the training goes on without it", type(callback).__name__, reason)
                log.debug("what it did", exc_info=True)


def _tracker(name: str) -> Callback:
    from rnnnlp.training import trackers

    callback: Callback = getattr(trackers, f"{name.capitalize()}Callback")()
    return callback


def _numbers(record: Mapping[str, Any], but: Sequence[str] = ()) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in but
    }


def trackers_given(report_to: Any) -> Any:
    """The names of trackers as a configuration has them, from one name or several; anything else as it is."""
    if isinstance(report_to, list | tuple) and all(isinstance(name, str) for name in report_to):
        return ",".join(report_to) or NOWHERE
    return report_to


def known_trackers() -> Check:
    """Names of trackers with commas between them, or none."""
    return Check(
        lambda names: names == NOWHERE or all(name in TRACKERS for name in names.split(",")),
        lambda: f"{NOWHERE}, or one or more of {', '.join(TRACKERS)}",
    )
