"""docs/reference/json.md names each key that commands write as JSON, and no other."""

import io
import json
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rnnnlp.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
OF_PROCESSES = {"share_of_messages"}  # several processes are needed for it
TINY = "--hidden-size 4 --embedding-size 3 --steps 10 --batch-size 2 --evaluations 1".split()


def sections() -> dict[str, str]:
    """The text below each heading of the page."""
    parts = re.split(r"^## (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(section: str) -> set[str]:
    """The keys in the first column of the tables of a section."""
    cells = re.findall(r"^\| (`[^|]*) \|", sections()[section], re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def in_row(section: str, key: str) -> set[str]:
    """The keys in all columns of the row of a key, without itself."""
    (row,) = re.findall(rf"^\| `{key}` \|.*", sections()[section], re.MULTILINE)
    return set(re.findall(r"`(\w+)`", row)) - {key}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text("to be, or not to be\n" * 40)
    (home / "texts.csv").write_text("text,label\n" + "a good film,good\na bad film,bad\n" * 20)
    (home / "rows.jsonl").write_text('{"text": "a good film"}\n{"text": null}\n')
    (home / "one.toml").write_text("hidden-size = 4\nembedding-size = 3\nsteps = 2\nbptt = 8\nbatch-size = 2\n")
    text = ["--data", str(home / "text.txt"), "--bptt", "8", *TINY]
    reviews = ["--data", str(home / "texts.csv"), "--from", "none", *TINY]
    for words in (
        ["train", "charlm", *text, "--shards", "2", "--out", str(home / "lm")],
        ["pretrain", *text, "--samples", "9", "--out", str(home / "words")],
        ["train", "sentiment", *reviews, "--out", str(home / "reviews")],
        ["train", "sentiment", *reviews, "--class-weights", "balanced", "--out", str(home / "balanced")],
    ):
        assert main(words) == 0
    return home


COMMANDS = {
    "evaluate": [
        "evaluate {home}/reviews --data {home}/texts.csv --split all --threshold good --json -",
        "evaluate {home}/reviews --data {home}/texts.csv --split all --threshold good=0.3 --json -",
        "evaluate {home}/reviews --split validation --baseline --json -",
        "evaluate {home}/lm --dynamic --json -",
        "evaluate {home}/words --json -",
    ],
    "predict": ["predict {home}/reviews --file {home}/rows.jsonl --explain --json -"],
    "curve": ["curve --data {home}/texts.csv --sizes 9 --seeds 1 --steps 2 --no-baseline --json -"],
    "sweep": ["sweep charlm {home}/one.toml --data {home}/text.txt --out {home}/sweep --json -"],
    "plot": ["plot {home}/lm {home}/reviews --json -", "plot --gradients {home}/lm --steps 2 --streams 2 --json -"],
    "export": ["export {home}/reviews --quantize int8 --out {home}/int8 --json -"],
    "models": ["models --json -"],
}


def records(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    capsys.readouterr()
    assert main([word.format(home=home) for word in command.split()]) == 0
    for line in capsys.readouterr().out.splitlines():
        value = json.loads(line)
        for record in value if isinstance(value, list) else [value]:
            yield from record.values() if command.startswith("plot") else [record]


@pytest.mark.parametrize("section", COMMANDS)
def test_the_keys_of_a_command(section: str, home: Path, capsys: pytest.CaptureFixture[str]):
    if section == "evaluate" and find_spec("sklearn") is None:
        pytest.skip("needs scikit-learn")
    commands = list(COMMANDS[section])
    if section == "export" and find_spec("onnx") and find_spec("onnxruntime"):
        commands.append("export {home}/reviews --to onnx --out {home}/onnx --json -")
    found = {key for command in commands for record in records(command, home, capsys) for key in record}
    if section == "models" and not found:
        pytest.skip("no model is bundled")
    expected = documented(section)
    if section == "export" and len(commands) == 1:
        expected -= {"to", "largest_difference", "largest_logit", "compared", "bytes"}
    assert found == expected


def test_the_keys_of_a_run(home: Path):
    text = sections()["metrics.jsonl"]
    lines = {
        run: [json.loads(line) for line in (home / run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        for run in ("lm", "words", "reviews", "balanced")
    }
    assert {key for run in lines.values() for line in run for key in line} == documented("metrics.jsonl") - OF_PROCESSES
    figures = {key for run in lines.values() for line in run for key in line.get("validation", {})}
    assert figures == set(re.findall(r"`(\w+)`", text.split("`validation` of a character model", 1)[1])) - {
        *("validation", "evaluate", "pretrain", "balanced"),
        "share_of_network",  # few texts have linear models beside the network
    }


def test_nested_keys(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Those of objects in a cell of the table are in its last column."""
    command = "evaluate {home}/reviews --data {home}/texts.csv --split all --threshold good --mistakes 40 --json -"
    (figures,) = records(command, home, capsys)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a good film\n")))
    (prediction,) = records("predict {home}/reviews - --explain --json -", home, capsys)
    for section, name, found in (
        ("evaluate", "per_class", figures["per_class"]["good"]),
        ("evaluate", "mistakes", figures["mistakes"][0]),
        ("evaluate", "thresholds", figures["thresholds"][0]),
        ("predict", "words", prediction["words"][0]),
    ):
        assert set(found) <= in_row(section, name)


def test_the_keys_of_a_baseline(home: Path, capsys: pytest.CaptureFixture[str]):
    if find_spec("sklearn") is None:
        pytest.skip("needs scikit-learn")
    (figures,) = records("evaluate {home}/reviews --split validation --baseline --json -", home, capsys)
    assert set(figures["baseline"]) == in_row("evaluate", "baseline")


def test_each_line_of_predict_has_all_keys(home: Path, capsys: pytest.CaptureFixture[str]):
    (command,) = COMMANDS["predict"]
    assert [set(record) for record in records(command, home, capsys)] == [documented("predict")] * 2


def test_the_keys_of_many_files(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Those of one data set, but what its last sentence leaves out and adds."""
    how = "--threshold good=0.3 --json -"
    (alone,) = records(f"evaluate {{home}}/reviews --data {{home}}/texts.csv --split all {how}", home, capsys)
    (total,) = records(f"evaluate {{home}}/reviews --files {{home}}/texts.csv --out {tmp_path} {how}", home, capsys)
    of_file = json.loads((tmp_path / "texts.csv.json").read_text(encoding="utf-8"))
    assert set(total) == set(alone) - {"weights", "model_sha256", "seconds"}
    assert set(of_file) == {*total, "sums"}
    assert alone["threshold"] == total["threshold"] == of_file["threshold"] == "good=0.3"


@pytest.mark.parametrize("run", ["reviews", "lm", "words"])
def test_the_figures_before_and_after_an_export(
    run: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Those of `evaluate` that are one number."""
    (exported,) = records(f"export {{home}}/{run} --quantize int8 --out {tmp_path}/int8 --json -", home, capsys)
    (figures,) = records(f"evaluate {{home}}/{run} --split validation --json -", home, capsys)
    numbers = {name for name, value in figures.items() if isinstance(value, int | float)} - {"seconds"}
    assert exported["before"].keys() == exported["after"].keys() == numbers | {"data", "split"}
