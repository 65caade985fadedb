"""What nobody thought of ends in one line too, and never in a traceback unless one is asked for."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnnnlp import __version__
from rnnnlp.cli import info, start
from rnnnlp.cli.main import main, reported
from rnnnlp.errors import UserError
from rnnnlp.training.signals import Interrupted


class Panic(BaseException):
    """As `pyo3_runtime.PanicException`."""


RAISED = [
    KeyError("label\x1b[2J\nx"),
    RecursionError("too deep"),
    RuntimeError(),
    Panic("the thread pool"),
    AssertionError("x" * 9000),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]


def fails(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(options: object) -> int:
        raise error

    monkeypatch.setattr(info, "run", run)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_internal_error_is_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.delenv("RNNNLP_DEBUG", raising=False)
    fails(error, monkeypatch)
    assert main(["info"]) == 70
    said = capsys.readouterr().err
    assert said.startswith(f"rnnnlp: internal error: {type(error).__name__}: ")
    assert said.endswith("; please report it (RNNNLP_DEBUG=1 shows where)\n")
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert len(said) < 3000


def test_its_place_is_shown_when_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RNNNLP_DEBUG", "1")
    fails(KeyError("label"), monkeypatch)
    with pytest.raises(KeyError, match="label"):
        main(["info"])


def test_its_place_is_printed_where_several_processes_must_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """An error that is raised would leave the others waiting."""
    monkeypatch.setenv("RNNNLP_DEBUG", "1")
    monkeypatch.setenv("PMI_SIZE", "2")
    fails(KeyError("label"), monkeypatch)
    assert main(["info"]) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("rnnnlp: internal error: KeyError: 'label'")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (MemoryError(), 2), (BrokenPipeError(), 141)])
def test_what_is_no_internal_error(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch):
    fails(error, monkeypatch)
    assert main(["info"]) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("it is wrong; mend it"), 2, "rnnnlp: error: it is wrong; mend it\n"),
        (FileNotFoundError(2, "not there", "a.txt"), 2, "rnnnlp: error: a.txt: not there; make room or allow access"),
        (KeyError("label"), 70, "rnnnlp: internal error: KeyError: 'label'; please report it"),
        (KeyboardInterrupt(), 130, "rnnnlp: stopped\n"),
        (Interrupted(15), 143, "rnnnlp: stopped\n"),
        (BrokenPipeError(), 141, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_script_ends_as_a_command_does(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def act() -> None:
        raise error

    monkeypatch.delenv("RNNNLP_DEBUG", raising=False)
    assert reported(act) == code
    assert capsys.readouterr().err.startswith(said)
    assert reported(lambda: None) == 0


@pytest.mark.parametrize("words", [["--help"], ["info", "--help"], ["--version"]])
def test_help_and_version_exit(words: list[str]):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"rnnnlp {__version__}\n"


def test_a_log_message_with_wrong_values_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(info, "run", lambda options: logging.getLogger("rnnnlp.test").info("%d", "x"))
    assert main(["info"]) == 70
    assert capsys.readouterr().err.startswith("rnnnlp: internal error: TypeError: ")


def test_an_error_in_a_command_that_does_not_load_is_one_line(tmp_path: Path):
    """A module that is damaged, as after half an installation."""
    program = (
        "import sys, types; sys.modules['rnnnlp.cli.info'] = types.ModuleType('rnnnlp.cli.info'); "
        "from rnnnlp.cli.main import main; sys.exit(main(['info']))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "RNNNLP_DEBUG"}
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert ended.returncode == 70
    assert ended.stderr.startswith("rnnnlp: internal error: AttributeError: ")
    assert ended.stderr.count("\n") == 1


def test_a_command_leaves_logging_and_streams_as_they_were(capsys: pytest.CaptureFixture):
    logger = logging.getLogger("rnnnlp")
    before = [*logger.handlers], logger.level, logger.propagate, sys.stdout.errors, sys.stderr.errors
    assert main(["info"]) == 0
    assert main(["nonsense"]) == 2
    assert ([*logger.handlers], logger.level, logger.propagate, sys.stdout.errors, sys.stderr.errors) == before


def test_ctrl_c_is_an_exception_when_all_is_imported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.cli.main.main", lambda: signal.getsignal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert start.main() is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
