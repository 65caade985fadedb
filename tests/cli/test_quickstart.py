"""rnnnlp quickstart with little time: two runs that anyone can open, and the commands that made them."""

import argparse
from pathlib import Path

import pytest

from rnnnlp.cli import quickstart
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import write_config


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


def test_a_run_of_another_command_is_not_replaced(tmp_path, capsys):
    """Its own runs it replaces, unless they were changed."""
    words = ["quickstart", "--budget", "1s", "--out", str(tmp_path)]
    (tmp_path / "text.txt").write_text("To be, or not to be.\n" * 20)
    mine = [
        "train",
        "charlm",
        "--data",
        str(tmp_path / "text.txt"),
        "--steps",
        "2",
        "--hidden-size",
        "4",
        "--bptt",
        "8",
    ]
    assert main([*mine, "--out", str(tmp_path / "python-docs")]) == 0
    before = (tmp_path / "python-docs" / "config.json").read_bytes()
    assert main(words) == 2
    assert "python-docs has something that this command did not make, so it is not" in capsys.readouterr().err
    assert (tmp_path / "python-docs" / "config.json").read_bytes() == before
    assert not (tmp_path / "sample-reviews").exists()


def test_it_replaces_only_what_it_has_made(tmp_path, monkeypatch):
    trained = []

    def train(words):
        if words[0] == "train":
            out = Path(words[words.index("--out") + 1])
            trained.append(out.name)
            write_config(out, "char_lm", {}, {"budget": len(trained)})
        return 130 if len(trained) == 4 else 0

    monkeypatch.setattr("rnnnlp.cli.main.main", train)
    words = ["--out", str(tmp_path)]
    parser = argparse.ArgumentParser()
    quickstart.add_options(parser)
    options = parser.parse_args(words)
    assert quickstart.run(options) == 0
    assert quickstart.run(options) == 130  # also what was interrupted
    assert quickstart.run(options) == 0
    assert trained == ["python-docs", "sample-reviews"] * 3
    write_config(tmp_path / "sample-reviews", "char_lm", {}, {"budget": 1e9})  # resumed by the user
    with pytest.raises(UserError, match="sample-reviews has something that this command did not make"):
        quickstart.run(options)
    assert len(trained) == 6


def test_a_run_in_the_home_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("rnnnlp.cli.main.main", lambda words: pytest.fail(f"began {words}"))
    write_config(tmp_path / "mine" / "python-docs", "char_lm", {}, {"budget": 1e9})
    parser = argparse.ArgumentParser()
    quickstart.add_options(parser)
    with pytest.raises(UserError, match="python-docs has something that this command did not make"):
        quickstart.run(parser.parse_args(["--out=~/mine"]))


def test_wrong_budget_is_one_line(tmp_path, capsys):
    assert main(["quickstart", "--budget", "soon", "--out", str(tmp_path)]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "--budget" in error
    assert "'soon' is not a duration" in error
