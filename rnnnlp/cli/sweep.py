"""rnnnlp sweep TASK FILES: trains a run for each configuration, by any number of processes, without a coordinator."""

import argparse
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.many_files import folded
from rnnnlp.cli.options import read_toml
from rnnnlp.cli.output import refuse_input, show, write_json
from rnnnlp.cli.train import tasks_by_command
from rnnnlp.display import markdown_table
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from rnnnlp.training.task import Task

RESULT = ".json"  # ends the name of the file beside a run that says how it ended
NOTHING = (None, "none")  # an option that is left out is stored as either
MAY_CHANGE = ("data", "backend", "threads", "checkpoint_every", "keep_checkpoints", "report_to")  # in a resumed run

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=list(tasks_by_command()), help="what to train")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="TOML files, each with the options of one run, as for --config"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="the folder of the runs, each with the name of its file. Any number of processes may work on the same "
        "folder: a run that another process is training is left alone, and a stopped run is continued",
    )
    parser.add_argument("--data", help="what to train on, for files that do not say it")
    parser.add_argument("--threads", type=int, metavar="N", help="number of threads, for files that do not say it")
    parser.add_argument("--json", metavar="FILE", help="also write the table of results as a JSON list")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.files import writing
    from rnnnlp.folders import make_folder

    task, folder = tasks_by_command()[options.kind], Path(os.path.expanduser(options.out))
    files = {Path(file).stem: file for file in options.files}
    if len(set(map(folded, files))) < len(options.files):
        raise UserError(
            "two files have names that differ at most in case or in how an accent is written, and so one run; give "
            "them other names"
        )
    given = {"data": options.data, "threads": options.threads}
    configs = {name: {k: v for k, v in given.items() if v is not None} | read_toml(files[name]) for name in files}
    for name, config in configs.items():
        if "out" in config or "overwrite" in config:
            raise UserError(
                f"{files[name]} has out or overwrite, which {option('out')} of the sweep decides; remove it"
            )
    refuse_input("json", options.json, data=options.files)
    with writing(folder):
        make_folder(folder)
    failed: dict[str, str] = {}
    while any([trains(task, folder, name, config, failed) for name, config in configs.items() if name not in failed]):
        log.info("looking for runs whose process was stopped meanwhile")
    results = [result for name in configs if (result := result_of(folder, name)) is not None]
    if options.json != "-":
        for line in table(results):
            show(line)
    write_json(options.json, results)
    for name, message in failed.items():
        log.error("%s: %s", name, message)
    missing = len(configs) - len(results) - len(failed)
    if missing:
        log.info("%d runs are trained by other processes; the same command shows all results later", missing)
    return 2 if failed else 0


def trains(task: "Task", folder: Path, name: str, config: dict[str, Any], failed: dict[str, str]) -> bool:
    """Trains the run of a configuration to its end, unless that was done, or another process does it.

    Args:
        task: What to train.
        folder: That of all runs.
        name: The name of the run.
        config: Its options.
        failed: Gets the message of a configuration that cannot be trained.

    Returns:
        Whether it was trained here.
    """
    from rnnnlp.files import write_atomically
    from rnnnlp.training.run import resume, train
    from rnnnlp.training.run_folder import RunFolder, read_state

    out = folder / name
    if result_of(folder, name) is not None or (out.is_dir() and RunFolder(out).process() is not None):
        return False
    try:
        if out.is_dir() and RunFolder(out).checkpoints():
            resume(task, out, changes_to(task, out, config))
        else:
            train(task, task.options_from(config), out)
    except UserError as error:
        if RunFolder(out).process() is None:  # else another process was faster
            failed[name] = error.command_line
        return False
    trained = RunFolder(out)
    state = read_state(trained.latest_checkpoint())
    of_run = {"steps": state.step, "seconds": round(trained.seconds(), 1), "score": state.best_score}
    result = {"run": name} | of_run | {"validation": state.best_metrics, "options": config}
    write_atomically(folder / f"{name}{RESULT}", json.dumps(result).encode())
    return True


def changes_to(task: "Task", out: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a configuration that the run in a folder has otherwise.

    Raises:
        UserError: For one that changes the result, which would be taken for that of the configuration.
    """
    from rnnnlp.training.model_folder import read_config, training_of

    options, where = task.options_from(config), str(out)
    network = task.network.config_type.from_mapping(read_config(out)["model"], where)
    before = network.to_mapping() | task.training.from_mapping(training_of(out), where).to_mapping()
    wanted = {n: v for n, v in (options.training.to_mapping() | options.network).items() if n in config}
    if config.get("from_") not in NOTHING:
        wanted.pop("vocab_size", None)  # the configuration has the maximum, the run its real size
    changes = {
        name: value
        for name, value in wanted.items()
        if value != before[name] and not (value in NOTHING and before[name] in NOTHING)
    }
    for name, value in changes.items():
        if name not in MAY_CHANGE:
            raise UserError(
                f"{option(name)} is {value}, and {out} was begun with {before[name]}; give the option as it was, or "
                "remove that run"
            )
    return changes


def result_of(folder: Path, name: str) -> dict[str, Any] | None:
    """What a finished run has reached; None if it is not finished.

    Raises:
        UserError: If the file that says so is something else.
    """
    path = folder / f"{name}{RESULT}"
    if not path.exists():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
        if result["run"] == name and {"score", "steps", "seconds", "validation", "options"} <= result.keys():
            return result
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UserError(f"{path} was not written by a sweep; remove it, and give the same command again")


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """The results as a Markdown table, the best one first, with the options in which they differ."""
    names = dict.fromkeys(name for result in results for name in result["options"])
    differing = [name for name in names if len({str(result["options"].get(name)) for result in results}) > 1]
    metrics = dict.fromkeys(
        name for result in results for name, value in result["validation"].items() if isinstance(value, float)
    )
    rows = []
    for result in sorted(results, key=lambda result: -(-math.inf if result["score"] is None else result["score"])):
        options = [str(result["options"].get(name, "")) for name in differing]
        figures = [f"{result['validation'][name]:.4g}" if name in result["validation"] else "" for name in metrics]
        rows.append([result["run"], *options, *figures, str(result["steps"]), f"{result['seconds']:.0f}"])
    return markdown_table(["run", *differing, *metrics, "steps", "seconds"], rows)
