import pytest

from rnnnlp.training.schedules import SCHEDULES, factor


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_rises_in_a_line(schedule):
    assert factor(schedule, 0.05, warmup=0.2) == pytest.approx(0.25)
    assert factor(schedule, 0.1, warmup=0.2) == pytest.approx(0.5)
    assert factor(schedule, 0.2, warmup=0.2) == pytest.approx(1)
    assert 0 < factor(schedule, 0.0, warmup=0.2) < 0.01  # the very first step counts too


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_warm_up_it_begins_at_one(schedule):
    assert factor(schedule, 0.0, warmup=0.0) == 1


def test_cosine():
    values = [factor("cosine", progress, warmup=0.2) for progress in (0.2, 0.4, 0.6, 1.0)]
    assert values == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, 0], abs=1e-15)


def test_step():
    values = [factor("step", progress, warmup=0.0) for progress in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)]
    assert values == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_constant():
    assert {factor("constant", progress, warmup=0.1) for progress in (0.1, 0.5, 1.0)} == {1.0}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_progress_beyond_the_ends(schedule):
    assert factor(schedule, 1.7, warmup=0.1) == factor(schedule, 1.0, warmup=0.1)
    assert factor(schedule, -1.0, warmup=0.1) == factor(schedule, 0.0, warmup=0.1)
