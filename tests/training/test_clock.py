"""How much of a run is over."""

import pytest

from rnnnlp.training.clock import Clock


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
