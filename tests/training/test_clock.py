"""How much of a run is over."""

from pathlib import Path

import pytest

from rnnnlp import CharLM
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.training.clock import Clock
from tests.conftest import TickingClock


def test_steps_and_time_end_a_run_whichever_is_first():
    clock = Clock(total_steps=10, budget=1000.0)
    clock.resume(4, 100.0, 0.0)
    assert clock.progress == pytest.approx(0.4)
    clock.resume(4, 900.0, 0.0)
    assert clock.progress == pytest.approx(0.9, abs=1e-3)
    assert not clock.over
    clock.resume(10, 0.0, 0.0)
    assert clock.over
    clock.resume(0, 1000.0, 0.0)
    assert clock.over


def test_a_run_that_is_over_stays_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: TickingClock):
    """Also if its last evaluation took less time than the one before, for which time was kept."""
    evaluate, seconds = CharLMObjective.evaluate, [1.5, 0.0]

    def timed(objective: CharLMObjective) -> dict[str, float]:
        ticking.seconds += seconds.pop(0)
        return evaluate(objective)

    monkeypatch.setattr(CharLMObjective, "evaluate", timed)
    options = {"hidden_size": 4, "embedding_size": 4, "batch_size": 2, "bptt": 8, "evaluations": 2, "budget": 10.0}
    ticking.tick = 0.05
    text = ["To be, or not to be, that is the question.\n" * 40]
    trained = CharLM(**options).fit(text, out=tmp_path / "run")
    assert not seconds
    resumed = CharLM.resume(tmp_path / "run", text)
    assert resumed.history_[-1]["step"] == trained.history_[-1]["step"] > 2
