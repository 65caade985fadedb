"""Explanations for a person and for a program, with colours only where they are wanted."""

import io
import json
from pathlib import Path

import pytest

from rnnnlp.cli.highlight import colours_wanted, highlighted, strongest
from rnnnlp.cli.main import main
from rnnnlp.tasks.sentiment.explain import Contribution
from tests.runs import trained_on

TEXT = "a good\nfilm, but long"
WORDS = [Contribution(0, 1, 0.01), Contribution(2, 6, 2.0), Contribution(7, 11, 0.5), Contribution(17, 21, -1.5)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("runs") / "run")
    texts, labels = ["a good film", "a bad film"] * 20, ["up", "down"] * 20
    options = {"epochs": 12, "hidden_size": 8, "embedding_size": 8, "batch_size": 8, "lr": 0.01, "evaluations": 1}
    trained_on(texts, labels, folder, **options)
    return folder


def test_colours_say_for_and_against_and_how_much():
    green, red = "\x1b[1;32mgood\x1b[0m", "\x1b[1;31mlong\x1b[0m"
    assert highlighted(TEXT, WORDS) == f"a {green} \x1b[32mfilm\x1b[0m, but {red}"
    assert highlighted("nothing known", []) == "nothing known"


def test_bytes_of_one_character_are_coloured_together():
    assert highlighted("好x", [Contribution(0, 1, 0.4), Contribution(0, 1, 0.5)]) == "\x1b[1;32m好\x1b[0mx"


def test_the_strongest_words_are_named():
    assert strongest(TEXT, WORDS) == "for: good +2.00  film +0.50  a +0.01   against: long -1.50"
    assert strongest(TEXT, WORDS[:1]) == "for: a +0.01"
    assert strongest("", []) == ""


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert not colours_wanted(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert colours_wanted(Terminal())
    assert not colours_wanted(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours_wanted(Terminal())
    monkeypatch.setenv("NO_COLOR", "")  # as if it were not set
    assert colours_wanted(Terminal())


def test_predict_explains_to_a_person(run: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    words = ["predict", run, "a bad one", "", "--explain"]
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    assert "down\t" in plain
    assert "\tfor: bad +" in plain
    assert main(["predict", run, "--explain", "a bad one", ""]) == 0  # texts may stand after an option
    assert capsys.readouterr().out == plain
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(words) == 0
    assert "\x1b[1;32mbad\x1b[0m" in terminal.getvalue()


def test_predict_explains_to_a_program(run: str, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    text = "Good & 好 — a BAD bad one"
    assert main(["predict", run, text, "", "--explain", "--json", str(out)]) == 0
    found, empty = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert empty["words"] == []
    assert [word["text"] for word in found["words"]] == ["Good", "&", "好", "—", "a", "BAD", "bad", "one"]
    for word in found["words"]:
        assert text[word["start"] : word["end"]] == word["text"]
    weights = {word["text"]: word["weight"] for word in found["words"]}
    sign = 1 if found["label"] == "up" else -1
    assert sign * weights["Good"] > 0 > sign * weights["BAD"]
