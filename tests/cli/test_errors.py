"""A user's mistake ends in one line that names the value and the remedy, and in exit code 2: the tables of
`mistakes.py` and `damages.py`, in which each message of the package has a row.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rnnnlp
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.config import option
from rnnnlp.files import load_tensors, save_tensors
from rnnnlp.training.run_folder import RunFolder
from tests.cli.damages import OF_A_CLASSIFIER, OF_A_COMMITTEE, OF_A_MODEL, OF_A_RUN, Damage
from tests.cli.mistakes import ELSEWHERE, ENVIRONMENT, LACKING, MISTAKES, TINY, furnish

PACKAGE = Path(rnnnlp.__file__).parent
TESTS = Path(__file__).parents[1]
ERRORS = ("UserError", "CorruptFileError", "WriteError", "Diverged")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    furnish(home)
    return home


made: set[tuple[str, int]] = set()  # where in the package errors were made: file and line
ran: set[str] = set()  # rows of the tables


@pytest.fixture(scope="module", autouse=True)
def _noting_where_errors_are_made() -> Iterator[None]:
    def note(error: UserError, *said: object) -> None:
        caller = sys._getframe(1)
        made.add((caller.f_code.co_filename, caller.f_lineno))
        ValueError.__init__(error, *said)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UserError, "__init__", note)
        yield


def error_of(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The line in which a command fails; it must fail as a user's mistake."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("rnnnlp: error: ")]
    assert "; " in line  # what is wrong, and what to do
    return line


def words_of(command: str, home: Path, tmp_path: Path) -> list[str]:
    words = [word.format(home=home) for word in command.split()]
    if words[:1] in (["train"], ["pretrain"]) and words[1:] and "--out" not in words and "--resume" not in words:
        words += ["--out", str(tmp_path / "run")]
    return words


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_named(command: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    ran.add(command)
    assert MISTAKES[command].format(home=home) in error_of(words_of(command, home, tmp_path), capsys)


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_a_mistake_in_the_environment_is_named(variable: str, home: Path, tmp_path: Path):
    ran.add(variable)
    name, _, value = variable.partition("=")
    words = ["train", "charlm", "--data", str(home / "text.txt"), "--out", str(tmp_path / "run"), *TINY]
    if name == "RNNNLP_ISA":
        pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)
    program = [sys.executable, "-m", "rnnnlp.cli.main", *words]
    environment = os.environ | {"RNNNLP_CACHE": str(tmp_path / "cache"), name: value}
    ended = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ENVIRONMENT[variable] in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("module", LACKING)
def test_a_package_that_is_not_installed_is_named(
    module: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    ran.add(module)
    command, message = LACKING[module]
    package, _, name = module.rpartition(".")
    if package in sys.modules:
        monkeypatch.delattr(sys.modules[package], name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert message in error_of(words_of(command, home, tmp_path), capsys)


@pytest.mark.parametrize("damage", OF_A_MODEL)
def test_a_damaged_model_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_MODEL, damage, home / "lm", tmp_path, ["generate"], capsys)


@pytest.mark.parametrize("damage", OF_A_CLASSIFIER)
def test_a_damaged_classifier_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_CLASSIFIER, damage, home / "reviews", tmp_path, ["evaluate"], capsys)


@pytest.mark.parametrize("damage", OF_A_COMMITTEE)
def test_a_damaged_committee_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_COMMITTEE, damage, home / "ensemble", tmp_path, ["predict"], capsys)


@pytest.mark.parametrize("damage", OF_A_RUN)
def test_a_damaged_checkpoint_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert_refused(OF_A_RUN, damage, home / "lm", tmp_path, ["train", "charlm", "--resume"], capsys)


def assert_refused(
    table: dict[str, Damage], damage: str, model: Path, tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture
) -> None:
    ran.add(damage)
    run = tmp_path / "run"
    shutil.copytree(model, run)
    break_it, message = table[damage]
    break_it(run)
    assert message in error_of([*words, str(run)], capsys)


def test_a_second_run_in_one_folder_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    with RunFolder.reopen(run):
        for words in (["--resume", str(run)], ["--data", str(home / "text.txt"), "--out", str(run), "--overwrite"]):
            said = error_of(["train", "charlm", *words], capsys)
            assert f"{run} is in use: process {os.getpid()} trains in it; wait, stop it, or give another folder" in said


def test_every_message_has_its_row():
    tables = (MISTAKES, ENVIRONMENT, LACKING, OF_A_MODEL, OF_A_CLASSIFIER, OF_A_COMMITTEE, OF_A_RUN)
    if left_out := {row for table in tables for row in table} - ran:
        pytest.skip(f"{len(left_out)} rows were left out")
    messages = {
        (str(path), call.lineno): ast.unparse(call)
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ERRORS
    }
    without = {place: message for place, message in messages.items() if place not in made}
    assert [message for message in without.values() if not any(part in message for part in ELSEWHERE)] == []
    for part, test in ELSEWHERE.items():
        file, _, name = test.partition("::")
        assert any(part in message for message in without.values()), f"{part!r} has a row, or is no message"
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")


def test_every_option_that_can_be_refused_has_its_row():
    checks = [
        call
        for configuration in ("models/config.py", "training/config.py")
        for call in ast.walk(ast.parse((PACKAGE / configuration).read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr.startswith("require")
    ]
    words = {argument.value for call in checks for argument in call.args if isinstance(argument, ast.Constant)}
    names = {option(word) for word in words if isinstance(word, str) and word.isidentifier()}
    assert {"--lr", "--cell", "--samples", "--crop"} < names
    assert [name for name in names if not any(f"{name} is " in message for message in MISTAKES.values())] == []


def test_a_line_stays_a_line_whatever_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    line = error_of(["generate", f"{tmp_path}/a\nb\x1b\udcff"], capsys)
    assert "a\\nb\\x1b\\udcff is not a folder" in line
    assert len(error_of(["generate", "x" * 100_000], capsys)) < 3000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(home: Path):
    command = [sys.executable, "-m", "rnnnlp.cli.main", "generate", str(home / "lm"), "--length", "5"]
    with open("/dev/full", "w") as full:
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2, process.stderr
    assert "No space left on device; free or repair it, then try again" in process.stderr
    assert "Traceback" not in process.stderr


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
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); "
    command = [sys.executable, "-c", limit + "from rnnnlp.cli.main import main; sys.exit(main())", *words]
    process = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2, process.stderr
    assert "rnnnlp: error: there is not enough memory (Unable to allocate" in process.stderr


def test_a_transposed_weight_comes_back_equal(tmp_path: Path):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).T
    save_tensors(tmp_path / "weights.safetensors", {"weight": weight})
    np.testing.assert_array_equal(load_tensors(tmp_path / "weights.safetensors")["weight"], weight)
