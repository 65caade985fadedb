"""rnnnlp quickstart with little time: two runs that anyone can open, and the commands that made them."""

import pytest

from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.network import SentimentNetwork


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNNLP_CACHE", str(tmp_path / "cache"))


def test_two_runs_and_the_commands_that_made_them(tmp_path, capsys):
    assert main(["quickstart", "--budget", "1s", "--out", str(tmp_path / "runs")]) == 0
    printed = capsys.readouterr().out
    commands = [line.split()[2] for line in printed.splitlines() if line.startswith("$ rnnnlp")]
    assert commands == ["train", "generate", "train", "evaluate", "predict"]
    assert "accuracy" in printed
    assert CharLMNetwork.from_pretrained(tmp_path / "runs/python-docs").config.hidden_size == 256
    assert SentimentNetwork.from_pretrained(tmp_path / "runs/sample-reviews").labels == ("negative", "positive")


def test_wrong_budget_is_one_line(tmp_path, capsys):
    assert main(["quickstart", "--budget", "soon", "--out", str(tmp_path)]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "--budget" in error
    assert "'soon' is not a duration" in error
