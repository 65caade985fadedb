"""The measurement of the speed, by a clock that the steps set."""

import pytest

from rnnnlp.training import throughput


def measured(times: list[float], budget: float | None, monkeypatch: pytest.MonkeyPatch) -> tuple[float, int]:
    """What steps of these seconds are measured as, and how many were made."""
    now, made = [0.0], []

    def step() -> None:
        now[0] += times[min(len(made), len(times) - 1)]
        made.append(now[0])

    monkeypatch.setattr(throughput.time, "monotonic", lambda: now[0])
    return throughput.usual_seconds(step, budget), len(made)


def test_one_fast_step_and_a_slow_first_one_do_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = measured([0.4, 0.1, 0.02, 0.1, 0.11, 0.09, 0.1], None, monkeypatch)
    assert found == pytest.approx(0.1)


@pytest.mark.parametrize(("budget", "steps"), [(None, 5), (30.0, 5), (200.0, 10), (36_000.0, 30)])
def test_a_long_run_is_measured_for_longer(budget: float | None, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = measured([0.1], budget, monkeypatch)
    assert made == pytest.approx(1 + steps, abs=1)


def test_a_long_step_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured([20.0, 10.0], 60.0, monkeypatch) == (20.0, 1)
    assert measured([0.4, 10.0], 60.0, monkeypatch) == (10.0, 2)
