"""Lines of `metrics.jsonl` that no run writes hide neither each other nor the lines that are right."""

import json
import os
import shutil
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.training.records import LONGEST_LINE
from rnnnlp.training.run_folder import RunFolder

RIGHT = {"step": 7, "seconds": 1.5, "progress": 0.5, "loss": 1.25}
HUGE = "1" + "0" * 400
KINDS = ('"x"', "null", "[]", "{}", "true", "NaN", "1e999", HUGE)
WRONG = [
    *(f'{{"step": 1, "{name}": {value}}}' for name in ("seconds", "progress", "loss") for value in KINDS),
    *(f'{{"step": {value}, "seconds": 1}}' for value in (*KINDS, "-1", "1.5", str(2**63))),
    f'{{"step": 1, "seconds": 1, "validation": {{"loss": {HUGE}}}}}',
    '{"step": 1, "seconds": 1, "validation": [1]}',
    "[1]",
    "null",
    "{",
    "[" * 100_000,
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "x" * LONGEST_LINE,
    "x" * (3 * LONGEST_LINE + 5),
    "x" * (LONGEST_LINE - 1),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text("To be, or not to be, that is the question.\n" * 20)
    words = "--hidden-size 4 --steps 2 --batch-size 2 --bptt 8 --evaluations 1 --backend numpy".split()
    assert main(["train", "charlm", "--data", str(home / "text.txt"), "--out", str(home / "run"), *words]) == 0
    return home / "run"


@pytest.mark.parametrize("wrong", WRONG, ids=lambda line: f"{line[:40]} ({len(line)})")
def test_a_wrong_line_hides_no_other(wrong: str, tmp_path: Path):
    lines = (json.dumps(RIGHT | {"step": 6}), wrong, json.dumps(RIGHT))
    (tmp_path / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    assert [record["step"] for record in RunFolder(tmp_path).metrics()] == [6, 7]


def test_commands_go_on_with_wrong_lines(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    shutil.copytree(run, copy := tmp_path / "run")
    with open(copy / "metrics.jsonl", "a") as file:
        file.writelines(f"{line}\n" for line in (*WRONG, json.dumps(RIGHT)))
    capsys.readouterr()
    assert main(["status", str(copy)]) == 0
    assert "step         7, 50% of the run" in capsys.readouterr().out
    assert main(["plot", str(copy), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)[str(copy)]["loss"][-1] == 1.25
    assert main(["train", "charlm", "--resume", str(copy), "--steps", "3"]) == 0


def test_the_last_line_may_be_cut_off(tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps(RIGHT) + "\n" + json.dumps(RIGHT)[:-1])
    assert [record["step"] for record in RunFolder(tmp_path).metrics()] == [7]
    (tmp_path / "metrics.jsonl").write_text(json.dumps(RIGHT))
    assert [record["step"] for record in RunFolder(tmp_path).metrics()] == [7]


@pytest.mark.parametrize("evaluated", [False, True])
def test_what_a_resumed_run_does_again_is_forgotten(evaluated: bool, tmp_path: Path):
    start = {"step": 0, "seconds": 0.5, "progress": 0.0, "validation": {"loss": 2.0}}
    again = RIGHT | {"validation": {"loss": 1.0}}
    lines = [start, RIGHT, again, RIGHT | {"step": 8}]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    RunFolder(tmp_path).forget_metrics_after(7, evaluated=evaluated)
    assert list(RunFolder(tmp_path).metrics()) == (lines[:3] if evaluated else lines[:2])


def test_an_enormous_file_ends_soon(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(RIGHT) + "\n")
    os.truncate(path, 1 << 40)  # a hole takes no room
    assert [record["step"] for record in RunFolder(tmp_path).metrics()] == [7]
