"""A run that diverges says so. It stops, or rolls back to its last checkpoint with a smaller learning rate."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.training.run_folder import RunFolder, read_state

WILD = "--optimizer sgd --max-norm 0 --warmup 0 --schedule constant --averaging 0 --momentum 0 --dropout 0"
TOO_FAST = "--lr 1e30 --weight-decay 1e30".split()  # the first update overflows, with any kernels
SMALL = "--hidden-size 8 --embedding-size 4 --batch-size 4 --bptt 8 --evaluations 2 --checkpoint-every 4 --steps 40"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    text = tmp_path / "text.txt"
    text.write_text("It was the best of times, it was the worst of times.\n" * 30)
    return ["train", "charlm", "--data", str(text), "--out", str(tmp_path / "run"), *WILD.split(), *SMALL.split()]


def test_it_stops_and_keeps_the_checkpoints_that_are_finite(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main([*words, *TOO_FAST]) == 2
    assert "try a smaller --lr or --max-norm, or --on-divergence rollback" in capsys.readouterr().err
    for checkpoint in RunFolder(tmp_path / "run").checkpoints():
        CharLMNetwork.from_pretrained(checkpoint)


def test_it_rolls_back_with_half_the_learning_rate(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main([*words, *TOO_FAST, "--on-divergence", "rollback"]) == 2
    said = capsys.readouterr().err
    assert "back to step-00000000, with the learning rate times 0.5" in said
    assert "back to step-00000000, with the learning rate times 0.25" in said


def test_a_run_that_rolled_back_ends_and_remembers_its_learning_rate(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from rnnnlp.training import loop

    norm_of, bad = loop.global_norm, iter([False] * 9 + [True])

    def global_norm(parameters):
        norm, norms = norm_of(parameters)
        return (float("nan") if next(bad, False) else norm), norms

    monkeypatch.setattr(loop, "global_norm", global_norm)
    assert main([*words, "--lr", "0.5", "--on-divergence", "rollback"]) == 0
    run = RunFolder(tmp_path / "run")
    state = read_state(run.latest_checkpoint())
    assert (state.step, state.lr_scale) == (40, 0.5)
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line["step"] for line in lines if "lr" in line] == [10, 20, 30, 40]
    assert {line["lr"] for line in lines if "lr" in line} == {0.25}


def test_a_loss_that_stays_high_rolls_back_to_before_it_went_up(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    gradients_of, steps = CharLMObjective.gradients, iter(range(10_000))

    def gradients(objective, shard, *, rng):
        found = gradients_of(objective, shard, rng=rng)
        return replace(found, loss_sum=50.0 * found.count) if 151 <= next(steps) <= 201 else found

    monkeypatch.setattr(CharLMObjective, "gradients", gradients)
    more = ["--lr", "0.1", "--on-divergence", "rollback", "--steps", "220"]
    assert main([*words, *more]) == 0
    said = capsys.readouterr().err
    assert "was above" in said
    assert "back to step-00000148, with the learning rate times 0.5" in said  # none was written while it was high
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    measured = [line for line in lines if "lr" in line]
    assert [line["step"] for line in measured] == list(range(10, 221, 10))
    assert all(0 < line["update_ratio"] < 1 and line["gradient_norm"] > 0 for line in measured)
    assert max(line["loss"] for line in measured) < 50
