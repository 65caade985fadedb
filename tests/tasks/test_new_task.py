"""A task is a folder and a line in TASKS: the task of `tests/toy_task` trains, resumes and is evaluated."""

import json
import math
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnnlp.batches.shards import Shard
from rnnnlp.cli.main import main
from rnnnlp.tasks import TASKS
from rnnnlp.training.run_folder import RunFolder, read_state
from tests.gradients import check_gradients, pairs
from tests.toy_task.config import ToyConfig
from tests.toy_task.network import ToyNetwork
from tests.toy_task.objective import ToyObjective

STEPS = 60
TEXT = "abracadabra, said the toy; cabs and crabs had a bad day. " * 30


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "toy", "tests.toy_task")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "text.txt").write_text(TEXT)
    data = ["--data", str(tmp_path / "text.txt")]
    return ["train", "toy", *data, "--steps", str(STEPS), "--checkpoint-every", "20", "--sharpness", "3"]


def test_gradients_of_the_loss():
    network = ToyNetwork(ToyConfig(5), rng=np.random.default_rng(0), dtype=np.float64)
    ids, targets = np.random.default_rng(1).integers(5, size=(3, 4)), np.array([0, 1, 4, 1])
    network.gradients(ids, targets)
    check_gradients(lambda: network.loss(ids, targets)[0] / 4, pairs(network.parameters()))


def test_it_trains_into_a_whole_run_folder(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "a run"
    assert main([*words, "--out", str(run)]) == 0
    assert f"{run}: done; use it with: rnnnlp evaluate '{run}'" in capsys.readouterr().err
    files = {"config.json", "tokenizer.json", "model.safetensors", "README.md", "metrics.jsonl", "checkpoints", ".lock"}
    assert {path.name for path in run.iterdir()} == files
    config = json.loads((run / "config.json").read_text())
    assert (config["model_type"], config["model"]["sharpness"], config["training"]["steps"]) == ("toy", 3, STEPS)
    card = (run / "README.md").read_text()
    assert card.startswith("# Toy model\n")
    assert "    rnnnlp train toy --data " in card
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sum("validation" in line for line in lines) == 3
    assert [path.name for path in RunFolder(run).checkpoints()] == ["step-00000040", "step-00000060"]


def test_an_interrupted_run_resumes_to_the_same_bits(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([*words, "--out", str(whole)]) == 0
    gradients, steps = ToyObjective.gradients, iter(range(1, 1000))

    def interrupted(objective: ToyObjective, shard: Shard, *, rng: np.random.Generator):
        if next(steps) == 33:
            signal.raise_signal(signal.SIGINT)
        return gradients(objective, shard, rng=rng)

    monkeypatch.setattr(ToyObjective, "gradients", interrupted)
    assert main([*words, "--out", str(run)]) == 128 + signal.SIGINT
    assert read_state(RunFolder(run).latest_checkpoint()).step == 33
    assert main(["train", "toy", "--resume", str(run)]) == 0
    assert next(steps) == STEPS + 1  # no step was made twice
    last = f"checkpoints/step-{STEPS:08d}"
    for file in ("model.safetensors", f"{last}/model.safetensors", f"{last}/training_state.safetensors"):
        expected = load_file(whole / file)
        found = load_file(run / file)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_it_is_evaluated_and_has_learned(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    run = str(tmp_path / "run")
    assert main([*words, "--steps", "600", "--out", run]) == 0
    capsys.readouterr()
    assert main(["evaluate", run, "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert capsys.readouterr().out == f"{tmp_path / 'text.txt'}: {figures['loss']:.4f} nats per letter\n"
    counts = Counter(TEXT)
    entropy = -sum(n / len(TEXT) * math.log(n / len(TEXT)) for n in counts.values())
    assert figures["loss"] < 0.9 * entropy  # the bag tells more than the frequencies of letters
    assert main(["export", run, "--quantize", "int8", "--out", str(tmp_path / "small"), "--json", "-"]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert exported["before"]["loss"] == figures["loss"]
    assert exported["after"]["loss"] == pytest.approx(figures["loss"], rel=0.01)
    assert main(["evaluate", run, "--dynamic"]) == 2
    assert "--dynamic means nothing for models of type toy" in capsys.readouterr().err


def test_the_command_line_knows_it(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    for command, texts in {
        "train": ["charlm|sentiment|", "|toy ", "a model that guesses letters from bags of letters"],
        "train toy": ["Train a model that guesses letters", "--sharpness X", "number of letters in a bag (default: 4)"],
    }.items():
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert all(text in said for text in texts)
    assert main([*words, "--sharpness", "0", "--out", str(tmp_path / "run")]) == 2
    assert "--sharpness is 0.0; it must be above 0" in capsys.readouterr().err
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert main(["train", "charlm", "--resume", str(tmp_path / "run")]) == 2
    assert "holds a model of type toy" in capsys.readouterr().err
    assert main(["status", str(tmp_path / "run")]) == 0
    status = capsys.readouterr().out
    assert "model        toy\n" in status
    assert "60, 100% of the run" in status
