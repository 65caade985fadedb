"""The definitions of cells, run by PyTorch: what `to_torch` makes of a cell that `torch.nn` lacks."""

import numpy as np
import pytest

from rnnnlp.exchange.onnx_graph import NUMPY
from rnnnlp.exchange.torch_names import array_name
from rnnnlp.kernels import CELLS
from tests.kernels.minimal_gated_unit import minimal_gated_unit
from tests.parity.test_exchange import H, assert_same_probabilities, classifier, language_model
from tests.parity.torch_or_skip import torch

__all__ = ["minimal_gated_unit"]


def assert_definition_runs_in_torch(cell):
    from rnnnlp.exchange.torch_cells import CellLayers

    network, (B, T, D), L = language_model(np.float64, cell=cell, num_layers=2), (2, 4, 5), 2
    module = CellLayers(CELLS[cell], D, H, L, dtype=torch.float64)
    values = module.state_dict()
    for k in range(L):
        for name, parameter in network.recurrent.layers[k][0].parameters().items():
            values[array_name(name, k, reverse=False)] = torch.from_numpy(parameter.value)
    module.load_state_dict(values)
    x = np.random.default_rng(0).normal(size=(T, B, D))
    state = network.recurrent.zero_state(B, x.dtype)
    y, _, _ = network.recurrent.forward(x.reshape(T * B, D), np.full(T, B), state, rng=None)
    with torch.no_grad():
        theirs, _ = module(torch.from_numpy(x.transpose(1, 0, 2)))
    np.testing.assert_allclose(theirs.numpy().transpose(1, 0, 2), y.reshape(T, B, H), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_the_definition_of_each_cell_runs_in_torch(cell):
    """Also that of a cell that `torch.nn` has."""
    assert_definition_runs_in_torch(cell)


def test_the_definition_of_a_new_cell_runs_in_torch(minimal_gated_unit):
    assert_definition_runs_in_torch(minimal_gated_unit)
    assert_same_probabilities(classifier(cell=minimal_gated_unit))


def test_a_definition_may_use_the_same_functions_in_every_export():
    from rnnnlp.exchange.torch_cells import FUNCTIONS

    assert FUNCTIONS.keys() == NUMPY.keys()


@pytest.mark.parametrize(
    "function",
    [
        lambda a: np.maximum(0, a),
        lambda a: np.maximum(a, 0),
        lambda a: np.minimum(0.5, a),
        lambda a: np.minimum(a, np.cos(a)),
        lambda a: np.clip(a, -1, 0.5),
        lambda a: np.sin(a) @ np.transpose(a),
    ],
)
def test_functions_give_what_those_of_numpy_give(function):
    from rnnnlp.exchange.torch_cells import _Values

    a = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(function(_Values(torch.from_numpy(a))).tensor.numpy(), function(a), rtol=1e-12)
