"""From options to a trained network in a run folder: the one way, for the command line and for Python."""

import logging
import os
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from rnnnlp import kernels
from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError, write_atomically
from rnnnlp.training.card import model_card
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import CONFIG, Network, read_config
from rnnnlp.training.options import DEFAULT_BUDGET, TrainingOptions
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Options, Task

log = logging.getLogger(__name__)

Training = TypeVar("Training", bound=TrainingOptions)


def train(
    task: Task, options: Options[Any], out: str | os.PathLike[str], *, overwrite: bool = False, data: Any = None
) -> Network:
    """Trains a network into a new run folder.

    Args:
        task: What to train.
        options: How, as `Task.options_from` gives them.
        out: The new folder.
        overwrite: Whether to replace a run that is in it.
        data: Loaded data of the task, to be used instead of `options.training.data`.

    Returns:
        The network with the weights that were best on validation.

    Raises:
        UserError: For a mistake in options or data, a folder in use, or a run that diverges.
    """
    started = time.monotonic()
    options = Options(with_limit(options.training), options.network)
    use_backend(options.training.backend, options.training.threads)
    with RunFolder.create(out, overwrite=overwrite) as run:
        return finish(task, task.begin(options, run, data=data, started=started))


def resume(task: Task, path: str | os.PathLike[str], *, data: Any = None) -> Network:
    """Continues the run in folder `path` as if it had never stopped.

    Returns:
        The network with the weights that were best on validation.

    Raises:
        UserError: If there is no such run, it is damaged, or it is one of another task.
    """
    with RunFolder.reopen(path) as run:
        checkpoint = run.latest_checkpoint()
        try:
            network = task.network.from_pretrained(checkpoint)
            where = str(checkpoint / CONFIG)
            config: Any = task.training.from_mapping(read_config(checkpoint).get("training", {}), where)
            use_backend(config.backend, config.threads)
            return finish(task, task.reopen(network, config, run, data=data))
        except CorruptFileError as error:
            *older, newest = run.checkpoints()
            if not older or not str(error).startswith(str(newest)):
                raise
            raise UserError(f"{error.marked}, or remove {newest} to resume from {older[-1].name}") from None


def finish(task: Task, trainer: Trainer) -> Network:
    """Trains to the end, writes the model card, and returns the network with its best weights."""
    trainer.train()
    run, clock = trainer.run, trainer.clock
    network = task.network.from_pretrained(run.path)
    card = model_card(
        task,
        network,
        trainer.config,
        steps=clock.step,
        seconds=trainer.spent + clock.seconds,
        validation=trainer.state.best_metrics,
    )
    write_atomically(run.path / "README.md", card.encode())
    return network


def with_limit(options: Training) -> Training:
    """The options with a limit of time or steps."""
    if options.epochs is None and options.steps is None and options.budget is None:
        log.info("no limit of epochs, steps or budget: training for %g minutes", DEFAULT_BUDGET / 60)
        return options.changed(budget=DEFAULT_BUDGET)
    return options


def use_backend(backend: str | None, threads: int | None) -> None:
    """Chooses the kernels of this process and its number of threads, and says so."""
    log.info("kernels: %s", kernels.use(backend, threads))


def run_folder(out: str | os.PathLike[str] | None) -> AbstractContextManager[str | os.PathLike[str]]:
    """The folder of a run: `out`, or a temporary one for a run that nobody asked to keep."""
    return nullcontext(out) if out is not None else tempfile.TemporaryDirectory(prefix="rnnnlp-")


def training_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """How the model in a folder was trained, as its `config.json` says; empty where it does not say."""
    training: dict[str, Any] = read_config(Path(folder)).get("training", {})
    return training
