"""rnnnlp sweep TASK FILES: trains a run for each configuration, by any number of processes, without a coordinator."""

import argparse
import json
import logging
import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnnlp.cli.many_files import folded
from rnnnlp.cli.options import read_toml
from rnnnlp.cli.output import refuse_input, require_writable, show, write_json
from rnnnlp.cli.train import tasks_by_command
from rnnnlp.display import markdown_table
from rnnnlp.errors import UserError, option

if TYPE_CHECKING:
    from rnnnlp.training.task import Task

RESULT = ".json"  # ends the name of the file beside a run that says how it ended
BEGUN = ".begun"  # ends the name of the file beside a run that says with which options it was begun
NOTHING = (None, "none")  # an option that is left out is stored as either
NO_MATTER = ("backend", "threads", "checkpoint_every", "keep_checkpoints", "report_to")  # for the result of a run
MAY_CHANGE = ("data", *NO_MATTER)  # in a resumed run, which compares the texts themselves

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
    read = [*options.files, *(str(config.get("data", "")) for config in configs.values())]
    refuse_input("json", options.json, data=read)
    with writing(folder):
        make_folder(folder)
    require_writable("json", options.json)
    failed: dict[str, str] = {}
    while any([trains(task, folder, name, config, failed) for name, config in configs.items() if name not in failed]):
        log.info("looking for runs whose process was stopped meanwhile")
    of_all = {name: result_of(folder, name) for name in configs if name not in failed}
    results = [result for result in of_all.values() if result is not None]
    if options.json != "-":
        for line in table(results):
            show(line)
    write_json(options.json, results)
    if not task.has_labels and len({result["options"].get("tokenizer") for result in results}) > 1:
        log.warning(
            "the tokenizers of the runs differ: do not compare figures per token, and do not compare figures per "
            "character if one is a tokenizer of words"
        )
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
        failed: Gets the message of a configuration that cannot be trained, or whose run is of other options.

    Returns:
        Whether it was trained here.
    """
    from rnnnlp.files import write_atomically
    from rnnnlp.training.run import resume, train
    from rnnnlp.training.run_folder import RunFolder, read_state

    out = folder / name
    finished, note = result_of(folder, name), {"run": name, "task": task.name, "options": config}
    if finished is None and out.is_dir() and RunFolder(out).process() is not None:
        return False
    try:
        options = task.options_from(config)
        if finished is not None:
            require_same(finished, task, config, out, but=NO_MATTER)
            return False
        if out.is_dir() and RunFolder(out).checkpoints():
            if (begun := read_note(folder / f"{name}{BEGUN}", name)) is not None:
                require_same(begun, task, config, out, but=MAY_CHANGE)
            resume(task, out, changes_to(task, out, config))
        else:
            write_atomically(folder / f"{name}{BEGUN}", json.dumps(note).encode())
            train(task, options, out)
    except UserError as error:
        if RunFolder(out).process() is None:  # else another process was faster
            failed[name] = error.command_line
        return False
    trained = RunFolder(out)
    state = read_state(trained.latest_checkpoint())
    of_run = {"steps": state.step, "seconds": round(trained.seconds(), 1), "score": state.best_score}
    result = note | of_run | {"validation": state.best_metrics}
    write_atomically(folder / f"{name}{RESULT}", json.dumps(result).encode())
    return True


def require_same(
    note: Mapping[str, Any], task: "Task", config: Mapping[str, Any], out: Path, *, but: Collection[str]
) -> None:
    """Refuses a run of another task or of other options, which would be taken for that of a configuration.

    Args:
        note: What a sweep has written of the run: see `read_note`.
        task: What to train.
        config: The options of the configuration.
        out: The run folder.
        but: Options that may be others.

    Raises:
        UserError: For the first that is another.
    """
    from rnnnlp.training.data_places import are_own_data

    if note.get("task", task.name) != task.name:
        raise UserError(f"{out} is a run of the task {note['task']}; give another {option('out')}")
    before = note["options"]
    for name in dict.fromkeys((*config, *before)):
        if name in but or (name == "data" and are_own_data(config["data"], before, out)):
            continue
        require_equal(name, config.get(name), before.get(name), out)


def require_equal(name: str, value: Any, before: Any, out: Path) -> None:
    """UserError if an option has another value than the run in a folder was begun with."""
    if value == before or (value in NOTHING and before in NOTHING):
        return
    there = " and ".join(str(path) for path in (out, Path(f"{out}{RESULT}")) if path.exists())
    raise UserError(
        f"{option(name)} is {'left out' if value is None else value}, and {out} was begun with "
        f"{'it left out' if before is None else before}; give the option as it was, or remove {there}"
    )


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
            require_equal(name, value, before[name], out)
    return changes


def result_of(folder: Path, name: str) -> dict[str, Any] | None:
    """What a finished run has reached; None if it is not finished. UserError as of `read_note`."""
    return read_note(folder / f"{name}{RESULT}", name, "score", "steps", "seconds", "validation")


def read_note(path: Path, name: str, *keys: str) -> dict[str, Any] | None:
    """What a sweep has written of a run into a file beside it: its task and options, and `keys`. None if it has not.

    Raises:
        UserError: If the file is something else.
    """
    if not path.exists():
        return None
    try:
        note: dict[str, Any] = json.loads(path.read_bytes())
        if note["run"] == name and isinstance(note["options"], dict) and note.keys() >= set(keys):
            return note
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
