"""rnnnlp train TASK."""

import argparse
import logging
import sys
from typing import Any

from rnnnlp.cli.options import add_config_options, read_toml
from rnnnlp.cli.output import show
from rnnnlp.config import as_given
from rnnnlp.display import command_line, path_as_word
from rnnnlp.errors import UserError, dashed, option
from rnnnlp.files import WriteError
from rnnnlp.tasks import TASKS, load_task
from rnnnlp.training.task import Task

PREFIX = "train "  # of the commands of tasks that are words of this one

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    tasks = {name: task for name, task in tasks_by_command().items() if task.command != name}
    kinds = parser.add_subparsers(dest="kind", metavar="|".join(tasks), required=True)
    for name, task in tasks.items():
        description = f"Train {task.about}."
        command = kinds.add_parser(name, help=task.about, description=description, allow_abbrev=False)
        add_run_options(command, task)


def add_run_options(command: argparse.ArgumentParser, task: Task) -> None:
    """The options of a command that trains: those of the run, and all of its configurations."""
    command.set_defaults(task=task)
    begin = f"rnnnlp {task.command}"
    limits = "[--epochs N | --steps N | --budget TIME]"
    command.usage = f"{begin} --data DATA [--out RUN] [options]\n       {begin} --resume RUN {limits}"
    command.add_argument("--out", metavar="RUN", help=f"the new run folder (default: runs/{task.command.split()[-1]})")
    command.add_argument("--overwrite", action="store_true", help="replace the run that is in --out")
    command.add_argument(
        "--resume",
        metavar="RUN",
        help="continue this run from its last checkpoint; no other option is needed. To train longer, also give a new "
        "total: --epochs 20, --steps 5000, --budget 20m, or --budget +10m for 10 minutes more than it has had. If its "
        "data have moved, also give --data with their new place",
    )
    command.add_argument(
        "--config", metavar="FILE", help="read options from a TOML file; options on the command line win"
    )
    add_config_options(command.add_argument_group("training"), task.options, leave_out=task.leave_out)
    network = task.network.config_type
    add_config_options(command.add_argument_group("network"), network, leave_out=network.from_data)


def run(options: argparse.Namespace) -> int:
    """Trains as the options say, with all processes of a launcher; returns the exit code."""
    from rnnnlp.training.mpi import together

    with together(sys.argv[1:]):
        return trained(options, options.task)


def trained(options: argparse.Namespace, task: Task) -> int:
    """Trains as the options say; returns the exit code."""
    from rnnnlp.training.distributed import processes
    from rnnnlp.training.run import resume, train
    from rnnnlp.training.run_folder import RunFolder
    from rnnnlp.training.signals import Interrupted

    of_command = ("command", "kind", "run", "config", "task", "quiet")
    given = {name: value for name, value in vars(options).items() if name not in of_command}
    out, again, overwrite = given.pop("out"), given.pop("resume"), given.pop("overwrite")
    before: Any = ()  # the run that is replaced, if it is one
    try:
        if again is not None:
            not_here = {"out": out, "overwrite": overwrite, "config": options.config}
            if extra := ", ".join(option(name) for name, value in not_here.items() if value):
                raise UserError(f"{option('resume')} continues the run in its own folder; leave out {extra}")
            out = again
            set_command_to_resume(task, out)
            resume(task, again, given)
        else:
            values = (read_toml(options.config) if options.config else {}) | given
            out_of_file = as_given(str, values.pop("out", f"runs/{task.command.split()[-1]}"), "out")
            out = out_of_file if out is None else out
            overwrite = as_given(bool, values.pop("overwrite", False), "overwrite") or overwrite
            before = RunFolder(out).identity()
            set_command_to_resume(task, out)
            train(task, task.options_from(values), out, overwrite=overwrite)
    except WriteError as error:
        if not can_resume(out, before):
            raise
        raise UserError(f"{error.marked}, then resume with: {command_to_resume(task, out)}") from None
    except Interrupted as stop:
        if processes().rank == 0:
            show(f"rnnnlp: {stop}; resume with: {command_to_resume(task, out)}", to=sys.stderr)
        return stop.exit_code
    except Exception as error:
        if processes().size > 1 and not isinstance(error, UserError) and can_resume(out, before):
            error.add_note(f"resume with: {command_to_resume(task, out)}")  # the other processes end with this one
        raise
    if processes().rank == 0:
        log.info("%s: done; use it with: %s", out, task.use.format(run=command_line(path_as_word(out))))
    return 0


def can_resume(out: str | None, before: Any) -> bool:
    """Whether a run is in the folder that is not the one with the identity `before`."""
    from rnnnlp.training.run_folder import RunFolder

    return bool(out and RunFolder(out).identity() != before and RunFolder(out).checkpoints())


def tasks_by_command() -> dict[str, Task]:
    """The tasks, by the last word of the command that trains them."""
    return {task.command.removeprefix(PREFIX): task for task in map(load_task, TASKS)}


def command_to_resume(task: Task, out: str) -> str:
    from rnnnlp.training.distributed import processes

    launcher = ["mpiexec", "-n", str(size)] if (size := processes().size) > 1 else []
    return command_line(*launcher, "rnnnlp", *task.command.split(), dashed("resume"), path_as_word(out))


def set_command_to_resume(task: Task, out: str) -> None:
    """Sets the command that is said in case that one of several processes is lost."""
    from rnnnlp.training.distributed import processes

    if processes().size > 1:
        processes().resume_with = command_to_resume(task, out)
