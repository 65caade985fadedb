"""A loss that goes up and stays there is noticed; what happens in ordinary runs is not."""

import pickle

import numpy as np
import pytest

from rnnnlp.layers.parameter import Parameter
from rnnnlp.training.divergence import KNOWN_STEPS, SPIKE_STEPS, Diverged, DivergenceDetector, UpdateRatio


def noticed(losses: np.ndarray) -> int | None:
    """The step at which divergence is noticed."""
    detector = DivergenceDetector()
    return next((step for step, loss in enumerate(losses) if detector.update(float(loss))), None)


def falling(rng: np.random.Generator, *, first: float, last: float, noise: float, steps: int = 2000) -> np.ndarray:
    curve = last + (first - last) * np.exp(-np.arange(steps) / 200)
    return curve * np.exp(noise * rng.standard_normal(steps))


def test_its_error_can_be_pickled():
    """As it is sent to other processes."""
    error = Diverged("step 3: the loss is nan").with_remedy("wait")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is Diverged
    assert (again.problem, str(again)) == (error.problem, "step 3: the loss is nan; wait")


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1, 0.5])
@pytest.mark.parametrize(("first", "last"), [(4.2, 1.5), (0.69, 0.01), (9.0, 4.5), (0.7, 0.7)])
def test_an_ordinary_run_is_left_alone(first: float, last: float, noise: float):
    assert noticed(falling(np.random.default_rng(0), first=first, last=last, noise=noise)) is None


def test_hard_batches_and_a_hard_part_of_the_text_are_left_alone():
    losses = falling(np.random.default_rng(0), first=4.2, last=1.5, noise=0.02)
    losses[300::10] *= 4
    losses[1000 : 1000 + SPIKE_STEPS - 1] = 4.0
    assert noticed(losses) is None


@pytest.mark.parametrize("high", [3.2, 10.0, 1e30])
def test_a_loss_that_stays_high_is_noticed(high: float):
    losses = falling(np.random.default_rng(0), first=4.2, last=1.5, noise=0.02)
    losses[1000:] = high
    assert noticed(losses) == 1000 + SPIKE_STEPS - 1


def test_what_was_seen_can_be_saved_and_given_back():
    losses = falling(np.random.default_rng(0), first=4.2, last=1.5, noise=0.1).tolist()
    whole, begun, resumed = DivergenceDetector(), DivergenceDetector(), DivergenceDetector()
    for loss in losses:
        whole.update(loss)
    for loss in losses[: KNOWN_STEPS + 7]:
        begun.update(loss)
    resumed.restore(begun.to_mapping())
    for loss in losses[KNOWN_STEPS + 7 :]:
        resumed.update(loss)
    assert resumed.to_mapping() == whole.to_mapping()


@pytest.mark.parametrize("wrong", [{}, {"steps": 1}, {"steps": -1}, {"variance": float("nan")}, {"mean": "1"}])
def test_a_senseless_state_is_refused(wrong: dict):
    state = DivergenceDetector().to_mapping() | wrong if wrong and wrong != {"steps": 1} else wrong
    with pytest.raises(ValueError, match="divergence"):
        DivergenceDetector().restore(state)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_update_ratio_is_that_of_the_whole_weights(dtype: type):
    rng = np.random.default_rng(0)
    dense, sparse = (Parameter(rng.standard_normal((20, 3)).astype(dtype)) for _ in range(2))
    dense.add(np.ones_like(dense.value))
    sparse.add_rows(np.array([3, 5, 3]), np.ones((3, 3), dtype))
    before = [p.value.copy() for p in (dense, sparse)]
    ratio = UpdateRatio({"dense": dense, "sparse": sparse})
    dense.value += dtype(0.25)
    sparse.value[[3, 5]] *= dtype(1.5)
    changes = [p.value - old for p, old in zip((dense, sparse), before, strict=True)]
    wanted = np.sqrt(sum(np.sum(c**2) for c in changes)) / np.sqrt(sum(np.sum(p.value**2) for p in (dense, sparse)))
    assert ratio.measure() == pytest.approx(wanted, rel=1e-5)
