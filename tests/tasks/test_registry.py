"""`rnnnlp.tasks.TASKS` is the only registry of tasks, and each task has a folder with the same file names."""

import ast
import tomllib
from pathlib import Path

import pytest

import rnnnlp
from rnnnlp.tasks import TASKS, load_task, task_of

PACKAGE = Path(rnnnlp.__file__).parent
FILES = {"config.py", "network.py", "objective.py", "train.py", "evaluate.py", "estimator.py", "task.py"}
# Where else the name of a task may stand, as a word of its own or as another thing.
ALLOWED = {("tasks/__init__.py", name): "the registry" for name in TASKS} | {
    ("training/earlier.py", "word_lm"): "what 0.1 called it",
    ("text/tables.py", "sentiment"): "a usual name of a column",
    ("cli/quickstart.py", "sentiment"): "a word of the command that it runs",
    ("cli/curve.py", "sentiment"): "a word of the command whose options it takes",
}


def names_in_the_package() -> set[tuple[str, str]]:
    """The strings that are the name of a task, with their file, outside the task's own folder."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        file = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in TASKS and not file.startswith(f"tasks/{node.value}/"):
                found.add((file, str(node.value)))
    return found


def test_tasks_are_named_in_one_place():
    found = names_in_the_package()
    assert found == set(ALLOWED)


def test_every_folder_is_a_task():
    folders = {path.name for path in (PACKAGE / "tasks").iterdir() if (path / "__init__.py").is_file()}
    assert sorted(folders) == sorted(TASKS)
    assert all(TASKS[name] == f"rnnnlp.tasks.{name}" for name in folders)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_the_usual_files_and_names(name: str):
    assert {path.name for path in (PACKAGE / "tasks" / name).iterdir()} >= FILES
    task = load_task(name)
    assert task.name == task.network.model_type == name
    assert issubclass(task.training, task.options)
    assert task_of(name, "run") is task


def test_commands_and_model_types_are_of_one_task_each():
    tasks = [load_task(name) for name in TASKS]
    commands = [task.command for task in tasks]
    model_types = [model_type for task in tasks for model_type in (task.name, *task.also_opens)]
    assert len(set(commands)) == len(commands)
    assert len(set(model_types)) == len(model_types)


def test_no_import_is_left_out_of_the_check():
    content = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = content["tool"]["importlinter"]["contracts"]
    assert contracts
    for contract in contracts:
        assert set(contract) == {"name", "type", "containers", "layers", "exhaustive"}
        assert contract["exhaustive"]
