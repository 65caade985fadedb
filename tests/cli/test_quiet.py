"""--quiet: results, warnings and errors only, also on a terminal."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest

from rnnnlp.cli.main import COMMANDS, main, run_command
from tests.runs import trained, trained_on

TINY = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --evaluations 1".split()


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text("to be, or not to be\n" * 20)
    (home / "texts.csv").write_text("text,label\n" + "".join(f"good {i},1\nbad {i},0\n" for i in range(20)))
    small = {"hidden_size": 4, "embedding_size": 3, "steps": 2, "evaluations": 1}
    trained_on(["good", "bad"] * 9, ["1", "0"] * 9, home / "classifier", **small)
    trained("char_lm", home / "language_model", data=str(home / "text.txt"), bptt=8, batch_size=2, **small)
    return home


def ran(command: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code, and what a terminal shows beside the results."""
    error = Terminal(io.BytesIO(), encoding="utf-8", newline="")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", error)
        code = main([word.format(home=home) for word in command.split()])
    error.flush()
    return code, error.buffer.getvalue().decode()


@pytest.mark.parametrize(
    "command",
    [
        "predict {home}/classifier good",
        "evaluate {home}/classifier --data {home}/texts.csv",
        "evaluate {home}/language_model",
        "train charlm --data {home}/text.txt --out {home}/new --overwrite --bptt 8 " + " ".join(TINY),
        "train sentiment --data {home}/texts.csv --out {home}/new --overwrite " + " ".join(TINY),
    ],
)
def test_only_results(command: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    code, said = ran(command, home, monkeypatch)
    assert (code, said != "") == (0, True)
    results = capsys.readouterr().out
    first, rest = command.split(" ", 1)
    for quiet in (f"{command} --quiet", f"{first} --quiet {rest}", f"--quiet {command}"):
        assert ran(quiet, home, monkeypatch) == (0, "")
        assert capsys.readouterr().out == results


def test_warnings_and_errors_are_said(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text('{"text": "good"}\n{"text": null}\n')
    code, said = ran(f"predict {home}/classifier --file {tmp_path}/rows.jsonl --quiet", home, monkeypatch)
    assert code == 0
    assert "1 of the 2 rows have no text, and so no prediction\n" in said
    assert "kernels" not in said
    code, said = ran(f"predict {home}/nothing --model {home}/nothing --quiet", home, monkeypatch)
    assert code == 2
    assert said.startswith("rnnnlp: error: ")


def test_a_quickstart_is_quiet_in_each_of_its_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    commands: list[list[str]] = []
    monkeypatch.setattr("rnnnlp.cli.main.main", commands.append)
    for words in (["--quiet"], []):
        run_command(["quickstart", "--out", str(tmp_path), *words])
    assert [words.count("--quiet") for words in commands] == [1] * 5 + [0] * 5


def test_what_a_command_leaves_is_as_it_was(home: Path, capsys: pytest.CaptureFixture[str]):
    logger = logging.getLogger("rnnnlp")
    before = logger.level
    assert main(["evaluate", str(home / "language_model"), "--quiet", "--json", "-"]) == 0
    assert logger.level == before
    output = capsys.readouterr()
    assert "nats_per_char" in json.loads(output.out)
    assert output.err == ""


@pytest.mark.parametrize("command", [*COMMANDS, "train charlm", "train sentiment"])
def test_every_command_has_the_option(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    assert "--quiet" in capsys.readouterr().out


def test_an_abbreviation_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, shown = ran("--q info", home, monkeypatch)
    assert code == 2
    assert "--q: there is no such option" in shown
