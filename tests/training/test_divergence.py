"""A run that diverges says so. It stops, or rolls back to its last checkpoint with a smaller learning rate."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.training.divergence import Diverged
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder, read_state
from tests.conftest import TickingClock

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
    remedy = "; train again with a smaller --lr or a --max-norm above 0, or give --on-divergence rollback\n"
    assert capsys.readouterr().err.endswith(remedy)
    (checkpoint,) = RunFolder(tmp_path / "run").checkpoints()
    assert checkpoint.name == "step-00000000"
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


def test_a_rollback_gives_no_time_back(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: TickingClock
):
    advance_of, bad = Trainer.advance, iter([False] * 9 + [True])

    def advance(trainer, progress):
        if next(bad, False):
            ticking.seconds += 9  # all of the budget
            raise Diverged("step 10: the loss is nan")
        advance_of(trainer, progress)

    monkeypatch.setattr(Trainer, "advance", advance)
    without_steps = words[: words.index("--steps")]
    assert main([*without_steps, "--budget", "9s", "--lr", "0.1", "--on-divergence", "rollback"]) == 0
    state = read_state(RunFolder(tmp_path / "run").latest_checkpoint())
    assert (state.step, state.lr_scale) == (8, 0.5)
    assert state.seconds > 9


@pytest.fixture
def high_loss(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a run whose loss is high from step 152 on, until it rolls back."""
    gradients_of, steps = CharLMObjective.gradients, iter(range(10_000))

    def gradients(objective, shard, *, rng):
        found = gradients_of(objective, shard, rng=rng)
        return replace(found, loss_sum=50.0 * found.count) if 151 <= next(steps) <= 201 else found

    monkeypatch.setattr(CharLMObjective, "gradients", gradients)
    return ["--lr", "0.1", "--on-divergence", "rollback", "--steps", "220"]


def test_a_loss_that_stays_high_rolls_back_to_before_it_went_up(
    words: list[str], high_loss: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main([*words, *high_loss]) == 0
    said = capsys.readouterr().err
    assert "was above" in said
    assert "back to step-00000148, with the learning rate times 0.5" in said  # none was written while it was high
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    measured = [line for line in lines if "lr" in line]
    assert [line["step"] for line in measured] == list(range(10, 221, 10))
    assert all(0 < line["update_ratio"] < 1 and line["gradient_norm"] > 0 for line in measured)
    assert max(line["loss"] for line in measured) < 50


def test_a_rollback_remembers_better_weights_that_were_saved_while_the_loss_was_high(
    words: list[str], high_loss: list[str], monkeypatch: pytest.MonkeyPatch
):
    scores, roll_back_of = [], Trainer.roll_back

    def roll_back(trainer, error, progress):
        before = trainer.state.best_score
        roll_back_of(trainer, error, progress)
        scores.append((read_state(trainer.run.latest_checkpoint()).best_score, before, trainer.state.best_score))
        assert trainer.state.best_metrics["nats_per_char"] == -before

    monkeypatch.setattr(Trainer, "roll_back", roll_back)
    assert main([*words, *high_loss, "--evaluations", "22", "--patience", "0"]) == 0
    ((of_checkpoint, before, after),) = scores
    assert of_checkpoint < before == after


def interrupted_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    advance_of = Trainer.advance

    def advance(trainer, progress):
        advance_of(trainer, progress)
        if trainer.clock.step == step:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Trainer, "advance", advance)


def test_a_signal_saves_no_checkpoint_while_the_loss_is_high(
    words: list[str],
    high_loss: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    interrupted_after(160, monkeypatch)
    assert main([*words, *high_loss]) == 128 + signal.SIGTERM
    assert RunFolder(tmp_path / "run").latest_checkpoint().name == "step-00000148"
    assert "no checkpoint is saved; a resume goes on from step-00000148" in capsys.readouterr().err


@pytest.mark.parametrize("interrupted", [False, True])
def test_weights_that_cannot_be_saved_in_the_end_are_rolled_back(
    interrupted: bool, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save_of, bad = Trainer.save_checkpoint, iter([True])

    def save_checkpoint(trainer, folder=None):
        if trainer.clock.step == 40 and next(bad, False):
            raise Diverged("step 40: head.bias has weights that are not finite")
        save_of(trainer, folder)

    monkeypatch.setattr(Trainer, "save_checkpoint", save_checkpoint)
    monkeypatch.setattr(Trainer, "evaluation_is_due", False)  # but for the last one, after the last step
    if interrupted:
        interrupted_after(40, monkeypatch)
    more = ["--lr", "0.1", "--on-divergence", "rollback", "--checkpoint-every", "7"]
    assert main([*words, *more]) == (128 + signal.SIGTERM if interrupted else 0)
    assert read_state(RunFolder(tmp_path / "run").latest_checkpoint()).lr_scale == 0.5
