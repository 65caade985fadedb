"""A recurrent stack that is given a table and a row index does what it does with the rows looked up."""

import numpy as np
import pytest

from rnnnlp.kernels import CELLS
from rnnnlp.layers.recurrent import Recurrent

BATCH_SIZES = np.array([4, 4, 3, 1, 1])
N, V, D, H = 13, 6, 3, 5


@pytest.mark.parametrize("bptt", [None, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_table_with_a_row_index_is_as_good_as_its_rows(cell: str, bidirectional: bool, bptt: int | None):
    rng = np.random.default_rng(0)
    stack = Recurrent(cell, D, H, num_layers=2, bidirectional=bidirectional, dtype=np.dtype(float), rng=rng)
    table, row_index = rng.normal(size=(V, D)), rng.integers(V, size=N)
    state = tuple(rng.normal(size=s.shape) for s in stack.zero_state(4, np.dtype(float)))
    dy = rng.normal(size=(N, stack.output_size))
    results = []
    for x, given in ((table[row_index], None), (table, row_index)):
        for parameter in stack.parameters().values():
            parameter.zero_grad()
        y, state_T, tape = stack.forward(x, BATCH_SIZES, state, rng=None, row_index=given, bptt=bptt)
        dx, dstate = stack.backward(dy, None, tape)
        if given is None:
            dtable = np.zeros_like(table)
            np.add.at(dtable, row_index, dx)
            dx = dtable
        gradients = [parameter.grad.copy() for parameter in stack.parameters().values()]
        results.append([y, *state_T, dx, *dstate, *gradients])
    for rows, looked_up in zip(*results, strict=True):
        np.testing.assert_allclose(looked_up, rows, rtol=1e-12, atol=1e-12)
