"""rnnnlp quickstart with little time: two runs that anyone can open, and the commands that made them."""

import argparse

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


def commands_of(words, monkeypatch):
    """The commands that a quickstart runs, which do nothing here."""
    commands = []
    monkeypatch.setattr("rnnnlp.cli.main.main", commands.append)
    parser = argparse.ArgumentParser()
    quickstart.add_options(parser)
    assert quickstart.run(parser.parse_args(words)) == 0
    return commands


@pytest.mark.parametrize("name", ["python-docs", "sample-reviews"])
def test_what_is_there_is_replaced_only_if_asked_for(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_config(tmp_path / "mine" / name, "char_lm", {}, {"budget": 1e9})
    for out in (f"{tmp_path}/mine", "~/mine"):
        with pytest.raises(UserError, match=f"{name} is already there; give .* to replace it, or another"):
            commands_of(["--out", out], monkeypatch)
    commands = commands_of(["--out", "~/mine", "--overwrite"], monkeypatch)
    assert [command.count("--overwrite") for command in commands] == [1, 0, 1, 0, 0]
    assert str(tmp_path / "mine" / "python-docs") in commands[0]


def test_all_commands_run_on_the_chosen_kernels(tmp_path, monkeypatch):
    commands = commands_of(["--out", str(tmp_path), "--backend", "numpy"], monkeypatch)
    assert [command[command.index("--backend") + 1] for command in commands] == 5 * ["numpy"]


@pytest.mark.parametrize(
    ("budget", "said"), [("soon", "'soon' is not a duration"), ("+10m", "--budget +10m adds to a run")]
)
def test_wrong_budget_is_one_line(tmp_path, capsys, budget, said):
    assert main(["quickstart", "--budget", budget, "--out", str(tmp_path)]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "--budget" in error
    assert said in error


def test_the_usual_limits(tmp_path, monkeypatch):
    model, _, classifier, measured, _ = map(" ".join, commands_of(["--out", str(tmp_path)], monkeypatch))
    assert "--budget 100s" in model
    assert "--epochs 15" in classifier
    assert "--budget" not in classifier
    assert "--split test" in measured
