"""A user's mistake ends in one line that names the value and the remedy, and in exit code 2: the tables of
`mistakes.py` and `damages.py`, in which each message of the package has a row.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.cli.main import main
from rnnnlp.config import describe
from rnnnlp.errors import dashed
from rnnnlp.tasks import TASKS, load_task
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.training.run_folder import RunFolder
from tests.cli.damages import OF_A_CLASSIFIER, OF_A_MODEL, OF_A_RUN, OF_AN_ENSEMBLE, Damage
from tests.cli.furnished import TINY, furnish
from tests.cli.messages import GAP, PACKAGE, parsed, template_of, without_row
from tests.cli.mistakes import ENVIRONMENT, LACKING, MISTAKES
from tests.cli.tested_elsewhere import ELSEWHERE
from tests.conftest import PATIENCE

TESTS = Path(__file__).parents[1]
PREFIX = "rnnnlp: error: "
ASKED_FOR = 10  # characters in a row of a message that another test must have
ROWS = [
    *MISTAKES.values(),
    *ENVIRONMENT.values(),
    *(row for _, row in LACKING.values()),
    *(row for table in (OF_A_MODEL, OF_A_CLASSIFIER, OF_AN_ENSEMBLE, OF_A_RUN) for _, row in table.values()),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    furnish(home)
    return home


def error_of(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The line in which a command fails; it must fail as a user's mistake."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith(PREFIX)]
    assert "; " in line  # what is wrong, and what to do
    return line.removeprefix(PREFIX)


def assert_says(row: str, line: str, home: Path | None = None) -> None:
    """The message has the parts of the row, and is made from the template to which the row belongs."""
    parts = row.format(home=home).split(GAP)
    assert re.search(".*".join(map(re.escape, parts)), line), f"expected {row!r} in {line!r}"
    template = template_of(row)
    assert template, f"{row!r} has too little of a message"
    assert template.makes(line), f"{row!r} belongs to {str(template)!r}, and the message is {line!r}"


def words_of(command: str, home: Path, tmp_path: Path) -> list[str]:
    words = [word.format(home=home) for word in command.split()]
    if (
        words[:1] in (["train"], ["pretrain"])
        and words[1:]
        and not any(w.startswith("--out") for w in words)
        and "--resume" not in words
    ):
        words += ["--out", str(tmp_path / "run")]
    return words


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_named(command: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_says(MISTAKES[command], error_of(words_of(command, home, tmp_path), capsys), home)


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_a_mistake_in_the_environment_is_named(variable: str, home: Path, tmp_path: Path):
    name, _, value = variable.partition("=")
    words = ["train", "charlm", "--data", str(home / "text.txt"), "--out", str(tmp_path / "run"), *TINY]
    if name == "RNNNLP_ISA":
        pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)
    program = [sys.executable, "-m", "rnnnlp.cli.main", *words]
    environment = os.environ | {"RNNNLP_BACKEND": "auto", "RNNNLP_CACHE": str(tmp_path / "cache"), name: value}
    ended = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith(PREFIX)]
    assert_says(ENVIRONMENT[variable], line.removeprefix(PREFIX))
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("module", LACKING)
def test_a_package_that_is_not_installed_is_named(
    module: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    command, message = LACKING[module]
    package, _, name = module.rpartition(".")
    if package in sys.modules:
        monkeypatch.delattr(sys.modules[package], name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert_says(message, error_of(words_of(command, home, tmp_path), capsys), home)


@pytest.mark.parametrize("damage", OF_A_MODEL)
def test_a_damaged_model_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_MODEL, damage, home / "lm", tmp_path, ["generate"], capsys)


@pytest.mark.parametrize("damage", OF_A_CLASSIFIER)
def test_a_damaged_classifier_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_CLASSIFIER, damage, home / "reviews", tmp_path, ["evaluate"], capsys)


@pytest.mark.parametrize("damage", OF_AN_ENSEMBLE)
def test_a_damaged_ensemble_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_AN_ENSEMBLE, damage, home / "ensemble", tmp_path, ["predict"], capsys)


@pytest.mark.parametrize("damage", OF_A_RUN)
def test_a_damaged_checkpoint_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_RUN, damage, home / "lm", tmp_path, ["train", "charlm", "--resume"], capsys)


def assert_refused(
    table: dict[str, Damage], damage: str, model: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture
) -> None:
    run = tmp_path / "run"
    shutil.copytree(model, run)
    break_it, message = table[damage]
    break_it(run)
    assert_says(message, error_of([*words, str(run)], capsys))


def test_a_second_run_in_one_folder_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    with RunFolder.reopen(run):
        for words in (["--resume", str(run)], ["--data", str(home / "text.txt"), "--out", str(run), "--overwrite"]):
            said = error_of(["train", "charlm", *words], capsys)
            assert f"{run} is in use: process {os.getpid()} trains in it; wait, stop it, or give another folder" in said


def test_every_message_has_its_row():
    assert without_row([*ROWS, *ELSEWHERE]) == []


@pytest.mark.parametrize(("row", "test"), ELSEWHERE.items())
def test_a_message_of_another_test(row: str, test: str):
    """The message can have each part of the row, and the test asks for at least some of it."""
    template = template_of(row)
    assert template
    parts = [part for part in row.replace(GAP, "{}").split("{}") if part.strip()]
    assert [part for part in parts if not template.shared(part)] == []
    said = strings_of(test)
    assert any(part[i : i + ASKED_FOR] in said for part in parts for i in range(len(part) - ASKED_FOR + 1))


def strings_of(test: str) -> str:
    """The strings in a test, and in what it uses of its file: tables and functions. Escapes of patterns are undone."""
    file, _, name = test.partition("::")
    top = parsed(TESTS / file).body
    (found,) = [node for node in top if isinstance(node, ast.FunctionDef) and node.name == name]
    used = {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}
    nodes = [found, *(node for node in top if used & defined(node))]
    constants = [part.value for node in nodes for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return re.sub(r"\\(.)", r"\1", "\n".join(value for value in constants if isinstance(value, str)))


def defined(node: ast.stmt) -> set[str]:
    """The names of the function or the variables that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return set()
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def test_the_library_names_options_as_python_does():
    """Only the command line writes dashes (see `errors.option`), and commands in model cards or of other programs."""
    of_commands = (
        "training/card.py",
        "exchange/web_export.py",
        "tasks/sentiment/stacking.py",
        *(f"tasks/{name}/task.py" for name in TASKS),
    )
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        file = path.relative_to(PACKAGE).as_posix()
        if not file.startswith("cli/") and file not in of_commands:
            texts = [node.value for node in ast.walk(parsed(path)) if isinstance(node, ast.Constant)]
            docstrings = {node.value for node in map(docstring, ast.walk(parsed(path))) if node}
            wrong += [
                f"{file}: {text}"
                for text in texts
                if isinstance(text, str) and text not in docstrings and re.search("--[a-z]", text)
            ]
    assert wrong == []


def docstring(node: ast.AST) -> ast.Constant | None:
    """The docstring of a module, class or function."""
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    return first.value if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None


def test_every_check_of_an_option_has_its_row():
    names = {
        field.name
        for task in map(load_task, TASKS)
        for config in (task.options, task.network.config_type)
        for field in fields(config)
        if describe(config, field.name).get("check") and field.name not in task.leave_out
    }
    assert {"lr", "cell", "samples", "crop"} < names
    assert [name for name in sorted(names) if not any(f"{dashed(name)} is " in row for row in ROWS)] == []


def test_a_line_stays_a_line_whatever_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    line = error_of(["generate", f"{tmp_path}/a\nb\x1b\udcff"], capsys)
    assert "a\\nb\\x1b\\udcff is not a folder" in line
    assert len(error_of(["generate", "x" * 100_000], capsys)) < 3000


def test_runs_of_an_ensemble_whose_names_are_no_utf8(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    odd = tmp_path / "a\udcff"
    shutil.copytree(home / "reviews", odd)
    line = error_of(["ensemble", str(odd), str(home / "other"), "--out", str(tmp_path / "new")], capsys)
    assert "a\\udcff" in line
    assert "which has bytes that are not UTF-8; give another name" in line
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(home: Path):
    command = [sys.executable, "-m", "rnnnlp.cli.main", "generate", str(home / "lm"), "--length", "5"]
    with open("/dev/full", "w") as full:
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2, process.stderr
    assert "No space left on device; make room or allow access, then try again" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the size of memory, which only Linux gives")
def test_too_little_memory_is_an_error(home: Path, tmp_path: Path):
    words = [
        "train",
        "charlm",
        "--data",
        str(home / "text.txt"),
        "--hidden-size",
        "40000",
        "--out",
        str(tmp_path / "run"),
    ]
    limited = "import numpy, sys; from resource import *; pages = int(open('/proc/self/statm').read().split()[0])\n"
    limited += "most = pages * getpagesize() + (4 << 30); setrlimit(RLIMIT_AS, (most, most))\n"
    command = [sys.executable, "-c", limited + "from rnnnlp.cli.main import main; sys.exit(main())", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2, process.stderr
    assert "rnnnlp: error: there is not enough memory (Unable to allocate" in process.stderr


def test_a_transposed_weight_comes_back_equal(tmp_path: Path):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).T
    save_tensors(tmp_path / "weights.safetensors", {"weight": weight})
    np.testing.assert_array_equal(load_tensors(tmp_path / "weights.safetensors")["weight"], weight)
