import numpy as np
import pytest

from rnnnlp.layers.linear import Linear
from rnnnlp.layers.parameter import Parameter
from tests.gradients import check_gradients, pairs, randomize


@pytest.mark.parametrize("tied", [False, True])
def test_values_and_gradients(tied):
    rng = np.random.default_rng(0)
    weight = Parameter(np.zeros((4, 3)))
    layer = Linear(3, 4, tied=weight if tied else None, dtype=np.float64, rng=rng)
    parameters = layer.parameters() | {"weight": layer.weight}
    randomize(parameters, rng)
    x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    y, tape = layer.forward(x)
    for row, expected in zip(y, x, strict=True):
        np.testing.assert_allclose(row, layer.weight.value @ expected + layer.bias.value)
    dx = layer.backward(dy, tape)
    check_gradients(lambda: np.sum(layer.forward(x)[0] * dy), {"x": (x, dx)} | pairs(parameters))


def test_a_tied_weight_belongs_to_the_other_layer():
    weight = Parameter(np.zeros((4, 3)))
    layer = Linear(3, 4, tied=weight, dtype=np.float64, rng=np.random.default_rng(0))
    assert layer.weight is weight
    assert set(layer.parameters()) == {"bias"}
