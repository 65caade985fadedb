"""From options to a trained network in a run folder: the one way, for the command line and for Python."""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar

from rnnnlp import kernels
from rnnnlp.config import as_given
from rnnnlp.errors import UserError, option
from rnnnlp.files import CorruptFileError, write_atomically
from rnnnlp.training.card import model_card
from rnnnlp.training.data_places import find_data, refuse_data_of_run
from rnnnlp.training.distributed import processes
from rnnnlp.training.divergence import Diverged
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import CARD, CONFIG, training_of
from rnnnlp.training.network import Network
from rnnnlp.training.options import DEFAULT_BUDGET, TrainingOptions
from rnnnlp.training.reporting import Callback, ReportedRun, Reports
from rnnnlp.training.resuming import with_changes
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.signals import Interrupted
from rnnnlp.training.task import Options, Task

log = logging.getLogger(__name__)

Training = TypeVar("Training", bound=TrainingOptions)


def train(
    task: Task,
    options: Options[Any],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    data: Any = None,
    callbacks: Sequence[Callback] = (),
) -> Network:
    """Trains a network into a new run folder.

    Args:
        task: What to train.
        options: How, as `Task.options_from` gives them.
        out: The new folder.
        overwrite: Whether to replace a run that is in it.
        data: Loaded data of the task, to be used instead of `options.training.data`.
        callbacks: Receive the figures of the training, like the trackers of `options.training.report_to`.

    Returns:
        The network with the weights that were best on validation.

    Raises:
        UserError: For a mistake in options or data, data in the run that is replaced, a folder in use, or a run that
            diverges.
        Interrupted: After a signal, such as that of Ctrl-C. It is a `KeyboardInterrupt`; a checkpoint was saved,
            unless the loss was high.
    """
    started = processes().now()
    reports = reports_to(callbacks, options.training.report_to)
    if data is None:
        refuse_data_of_run(options.training.data, out)
    options = Options(with_shards(with_limit(options.training)), options.network)
    command = processes().resume_with
    with (
        running(options.training.backend, options.training.threads),
        RunFolder.create(out, overwrite=overwrite) as run,
    ):
        run.when_begun = lambda: say_how_to_resume(command)
        return train_to_end(task, task.begin(options, run, data=data, started=started), reports)


def resume(
    task: Task,
    path: str | os.PathLike[str],
    changes: Mapping[str, Any] = MappingProxyType({}),
    *,
    data: Any = None,
    callbacks: Sequence[Callback] = (),
) -> Network:
    """Continues the run in folder `path`. Without changes it goes on as if it had never stopped.

    Args:
        task: What the run trains.
        path: The run folder.
        changes: Options that change, such as a new limit: see `resuming.CHANGEABLE`.
        data: Loaded data of the task, to be used instead of those that the run names.
        callbacks: Receive the figures of the training, like the trackers of the run.

    Returns:
        The network with the weights that were best on validation.

    Raises:
        UserError: If there is no such run, it is damaged, it is one of another task, it had other data, an option
            cannot change, or the run diverges.
        Interrupted: As for `train`.
    """
    with RunFolder.reopen(path) as run:

        def opened() -> tuple[Network, Any]:
            network = task.network.from_pretrained(run.latest_checkpoint())
            config: Any = task.training.from_mapping(training_of(run.path), str(run.path / CONFIG))
            return network, with_changes(config, network.config, changes, run=run.path, trained=run.seconds)

        try:
            network, config = processes().first(opened)
            reports = reports_to(callbacks, config.report_to)
            say_processes(config.shards or 1)
            say_how_to_resume(processes().resume_with)
            if data is None:  # the other processes may be without the run folder
                config = config.changed(data=processes().first(lambda: find_data(config.to_mapping(), run.path)))
            with running(config.backend, config.threads):
                return train_to_end(task, task.reopen(network, config, run, data=data), reports)
        except CorruptFileError as error:
            found = run.checkpoints()  # none on a computer without the run folder
            if len(found) < 2 or not str(error).startswith(str(found[-1])):
                raise
            raise UserError(f"{error.marked}, or remove {found[-1]} to resume from {found[-2].name}") from None


def train_to_end(task: Task, trainer: Trainer, reports: Reports) -> Network:
    """Trains to the end, writes the model card, and returns the network with its best weights."""
    run, config = trainer.run.path, trainer.objective.network.config.to_mapping() | trainer.config.to_mapping()
    trainer.reports = reports

    def end(status: str) -> None:
        reports.end(status, trainer.state.best_metrics)  # now the folder is as it stays, for who uploads it

    def end_interrupted() -> None:
        try:
            save_card(task, trainer)
        finally:
            end("interrupted")

    try:
        reports.begin(ReportedRun(run.resolve().name, run, task.name, config, trainer.clock.step))
        if not trainer.clock.step and trainer.state.best_score is not None:  # of a start, before anybody was told
            reports.evaluation(0, trainer.state.best_metrics, best=True, sample=None)
        trainer.train()
        processes().first(lambda: save_card(task, trainer))
    except Interrupted:  # in all processes, which wait here until the trackers of the first one have ended
        processes().first(end_interrupted)
        raise
    except Diverged:  # as above
        processes().first(lambda: end("failed"))
        raise
    except BaseException as error:
        end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    end("finished")
    return processes().first(lambda: task.network.from_pretrained(trainer.run.path))


def save_card(task: Task, trainer: Trainer) -> None:
    """Writes the model card of a run: what it has reached so far."""
    run, clock = trainer.run, trainer.clock
    card = model_card(
        task,
        trainer.objective.network,
        trainer.config,
        steps=clock.step,
        seconds=trainer.spent + clock.seconds,
        validation=trainer.state.best_metrics,
    )
    write_atomically(run.path / CARD, card.encode())


def with_limit(options: Training) -> Training:
    """The options with a limit of time or steps."""
    if options.epochs is None and options.steps is None and options.budget is None:
        log.info("no epochs, steps or budget given: training for %g minutes", DEFAULT_BUDGET / 60)
        return options.changed(budget=DEFAULT_BUDGET)
    return options


def with_shards(options: Training) -> Training:
    """The options with a number of shards, if several processes train."""
    size = processes().size
    shards = options.shards or (size if size > 1 else None)
    default = {field.name: field.default for field in fields(options)}
    for name in ("sync_every", "wire"):
        if (value := getattr(options, name)) != default[name] and (shards or 1) == 1:
            raise UserError(
                f"{option(name)} is {value}, which means nothing for a batch of one shard; start several processes, or "
                f"give {option('shards')}"
            )
    say_processes(shards or 1)
    return options.changed(shards=shards)


def say_processes(shards: int) -> None:
    """Says how many processes train, if there are several, and if some have nothing to do."""
    if (size := processes().size) > 1:
        log.info("%d processes train together; each batch has %d shards", size, shards)
    if size > shards:
        log.warning("a batch has %d shards, so %d of the %d processes do not train", shards, size - shards, size)


def say_how_to_resume(command: str) -> None:
    """Says a command that resumes the run, if there is one. Once a process is killed, none can say it."""
    if command:
        log.info("if a process is lost, resume with: %s", command)


def reports_to(callbacks: Sequence[Callback], report_to: str | None) -> Reports:
    """The callbacks and trackers of the training; only the first process has any."""
    return Reports() if processes().rank else Reports(callbacks, report_to)


@contextmanager
def running(backend: str | None, threads: int | None) -> Iterator[None]:
    """As `kernels.running`, and says what runs."""
    with kernels.running(backend, processes().threads if threads is None else threads) as shown:
        log.info("kernels: %s", shown)
        yield


def kept_or_temporary(out: str | os.PathLike[str] | None) -> AbstractContextManager[str | os.PathLike[str]]:
    """The folder of a run: `out`, or a temporary one for a run that nobody asked to keep."""
    if out is not None:
        return nullcontext(as_given(str, out, "out"))
    return tempfile.TemporaryDirectory(prefix="rnnnlp-", ignore_cleanup_errors=True)  # a daemon thread may still write
