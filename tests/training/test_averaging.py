import numpy as np
import pytest

from rnnnlp.layers.parameter import Parameter
from rnnnlp.training.averaging import AveragedWeights


def test_the_average_of_some_steps():
    p = Parameter(np.array([5.0]))
    averaged = AveragedWeights({"p": p}, 0.5)
    expected = 5.0
    for steps in range(1, 30):
        p.value -= 0.3
        averaged.update(steps)
        decay = min(0.5, steps / (steps + 10))
        expected = decay * expected + (1 - decay) * p.value[0]
        assert averaged.values["p"][0] == pytest.approx(expected, rel=1e-12)
    assert p.value[0] == pytest.approx(5 - 29 * 0.3)
    averaged.update(100, taken=3)
    assert averaged.values["p"][0] == pytest.approx(0.5**3 * expected + (1 - 0.5**3) * p.value[0], rel=1e-12)


def test_the_first_weights_are_soon_forgotten():
    p = Parameter(np.array([1000.0]))
    averaged = AveragedWeights({"p": p}, 0.999)
    p.value[:] = 1.0
    for steps in range(1, 31):
        averaged.update(steps)
    assert averaged.values["p"][0] == pytest.approx(1.0, abs=1e-3)


def test_applied_only_inside_and_after_an_error_too():
    p = Parameter(np.array([1.0]))
    averaged = AveragedWeights({"p": p}, 0.9)
    p.value[:] = 2.0
    averaged.update(1000)
    raw = p.value
    with averaged.applied():
        assert p.value[0] == pytest.approx(1.1)
    assert p.value is raw
    with pytest.raises(KeyError), averaged.applied():
        raise KeyError
    assert p.value is raw
    assert raw[0] == 2.0


def test_decay_zero_is_the_weights_themselves():
    p = Parameter(np.array([1.0]))
    averaged = AveragedWeights({"p": p}, 0.0)
    p.value += 1
    averaged.update(1)
    with averaged.applied():
        assert p.value[0] == 2.0
