"""When the loop saves checkpoints, how often it rolls back, and what it leaves of a budget without a single step."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import CharLM
from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.config import CharLMConfig, CharLMTraining
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.training import loop
from rnnnlp.training.averaging import AveragedWeights
from rnnnlp.training.divergence import Diverged, DivergenceDetector
from rnnnlp.training.loop import SMALLEST_LR_SCALE, Trainer, new_optimizer, train_step
from rnnnlp.training.model_folder import CARD
from rnnnlp.training.optimizers import OPTIMIZERS
from rnnnlp.training.run_folder import RunFolder, read_state
from tests.conftest import TickingClock

TEXT = "It was the best of times, it was the worst of times.\n" * 30
SMALL: dict[str, Any] = {"hidden_size": 8, "embedding_size": 4, "batch_size": 4, "bptt": 8, "backend": "numpy"}


def training(**options: Any) -> CharLMTraining:
    return CharLMTraining(data="", **{"batch_size": 2, "bptt": 4, "lr": 1.0, "evaluations": 1} | options)


@pytest.mark.parametrize("max_norm", [0.01, 0.0])
def test_a_step_is_as_long_as_the_clipped_gradient(max_norm: float):
    config = training(optimizer="sgd", momentum=0.0, max_norm=max_norm, averaging=0.0)
    network = CharLMNetwork(
        CharLMConfig(5, embedding_size=2, hidden_size=3), rng=np.random.default_rng(0), dtype=np.float64
    )
    ids = np.random.default_rng(1).integers(5, size=60)
    objective = CharLMObjective(network, ids, ids, len(ids), config, {})
    parameters = network.parameters()
    before = {name: p.value.copy() for name, p in parameters.items()}
    parts = objective, new_optimizer(config, parameters), AveragedWeights(parameters, 0.0), DivergenceDetector()
    step = train_step(*parts, config, lr=1.0, rng=np.random.default_rng(2))
    length = np.sqrt(sum(np.sum((p.value - before[name]) ** 2) for name, p in parameters.items()))
    assert step.gradient_norm > 0.1
    assert length == pytest.approx(max_norm or step.gradient_norm, rel=1e-9)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_optimizer_of_a_run_is_the_one_of_its_options(kind: str):
    optimizer = new_optimizer(training(optimizer=kind, momentum=0.3, weight_decay=0.2), {})
    assert type(optimizer) is OPTIMIZERS[kind]
    assert (optimizer.momentum, optimizer.weight_decay) == (0.3, 0.2)


def test_a_budget_without_a_step_leaves_a_model_of_step_0(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ticking: TickingClock
):
    model = CharLM(**SMALL, budget=ticking.tick / 2).fit(TEXT.splitlines(), out=tmp_path / "run")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "budget was used up before the first step of the network; give more"
    ]
    run = RunFolder(tmp_path / "run")
    (line,) = (json.loads(line) for line in run.metrics_path.read_text().splitlines())
    assert line["step"] == 0
    state = read_state(run.latest_checkpoint())
    assert (state.step, state.evaluated_at, state.best_score) == (0, 0, -line["validation"]["nats_per_char"])
    assert (run.path / CARD).is_file()
    again = CharLM.from_pretrained(run.path)
    assert again.generate("It", length=5, seed=1) == model.generate("It", length=5, seed=1)


@pytest.mark.parametrize(
    ("evaluations", "expected"),
    [(1, [0, 5, 10, 15, 18]), (6, [0, 3, 6, 9, 12, 15, 18]), (2, [0, 5, 9, 14, 18])],
    ids=["by the clock", "at each evaluation", "counted from the last one"],
)
def test_a_checkpoint_is_saved_when_none_was_for_a_while(
    evaluations: int,
    expected: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ticking: TickingClock,
):
    advance_of, save_of, saved = Trainer.advance, Trainer.save_checkpoint, []

    def advance(trainer: Trainer, progress: Any) -> None:
        ticking.seconds += 1  # a step takes a second
        advance_of(trainer, progress)

    def save_checkpoint(trainer: Trainer, folder: RunFolder | None = None) -> None:
        saved.append(trainer.clock.step)
        save_of(trainer, folder)

    ticking.tick = 0
    monkeypatch.setattr(Trainer, "advance", advance)
    monkeypatch.setattr(Trainer, "save_checkpoint", save_checkpoint)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 4.5)
    CharLM(**SMALL, steps=18, evaluations=evaluations).fit(TEXT.splitlines(), out=tmp_path / "run")
    assert saved == expected
    assert "used up" not in caplog.text


def test_a_run_that_always_diverges_rolls_back_ten_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    rates = []

    def train_step(*_: object, lr: float, **options: object) -> None:
        rates.append(lr)
        raise Diverged("step 1: the loss is nan")

    monkeypatch.setattr(loop, "train_step", train_step)
    (tmp_path / "text.txt").write_text(TEXT)
    small = "--hidden-size 8 --embedding-size 4 --batch-size 4 --bptt 8 --steps 20 --warmup 0 --lr 0.5".split()
    words = ["train", "charlm", "--data", str(tmp_path / "text.txt"), "--out", str(tmp_path / "run"), *small]
    assert main([*words, "--on-divergence", "rollback"]) == 2
    assert rates == [0.5 * 2.0**-k for k in range(11)]
    assert rates[-1] == 0.5 * SMALLEST_LR_SCALE
    said = capsys.readouterr().err
    assert said.count("step 1: the loss is nan: back to step-00000000, with the learning rate times ") == 10
    assert said.rstrip().endswith("the loss is nan; train again with a smaller --lr or --max-norm")
    assert RunFolder(tmp_path / "run").latest_checkpoint().name == "step-00000000"
