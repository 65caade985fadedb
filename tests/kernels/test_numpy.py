"""The NumPy backend: its fast cells against the time loop over their definitions, and what holds for every cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnnlp.kernels import CELLS
from rnnnlp.kernels import numpy as numpy_backend
from tests.recurrences import EVEN, RAGGED, Inputs, check_kernel, loop_kernel, numpy_kernel

pytestmark = pytest.mark.parametrize("cell", CELLS)
directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@directions
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("lengths", [RAGGED, EVEN], ids=["ragged", "even"])
def test_values_and_gradients(cell, lengths, T, reverse):
    check_kernel(numpy_kernel(cell), CELLS[cell], lengths[T], reverse=reverse)


@directions
def test_one_unit_and_one_sequence(cell, reverse):
    check_kernel(numpy_kernel(cell), CELLS[cell], [4], reverse=reverse, H=1, seed=6)


@directions
@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), H=st.integers(1, 5), seed=st.integers(0, 99))
def test_the_fast_version_does_what_the_definition_does(cell, reverse, lengths, H, seed):
    inputs = Inputs(CELLS[cell], lengths, H=H, rng=np.random.default_rng(seed))
    results = []
    for forward, backward in (numpy_kernel(cell), loop_kernel(CELLS[cell])):
        h, state_T, tape = forward(*inputs.arguments(), reverse=reverse)
        dpre, dstate_0, dW_h, dextra = backward(inputs.dh, inputs.dstate_T, tape)
        results.append([h, *state_T, dpre, *dstate_0, dW_h, *dextra])
    for fast, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=1e-9, atol=1e-9)


@directions
@pytest.mark.parametrize("kernel", [numpy_kernel, lambda name: loop_kernel(CELLS[name])], ids=["fast", "loop"])
def test_float32_stays_float32(cell, kernel, reverse):
    inputs, (forward, backward) = Inputs(CELLS[cell], [2, 1], H=3, rng=np.random.default_rng(0)), kernel(cell)
    pre, W_h = (a.astype(np.float32) for a in (inputs.pre, inputs.W_h))
    state, extra = (tuple(a.astype(np.float32) for a in arrays) for arrays in (inputs.state, inputs.extra))
    h, state_T, tape = forward(pre, inputs.batch_sizes, state, W_h, extra, reverse=reverse)
    dpre, dstate, dW_h, dextra = backward(h, state_T, tape)
    assert {array.dtype for array in (h, *state_T, dpre, *dstate, dW_h, *dextra)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("kernel", [numpy_kernel, lambda name: loop_kernel(CELLS[name])], ids=["fast", "loop"])
@pytest.mark.parametrize("size", [1e3, 1e30])
def test_gates_never_overflow(cell, kernel, size):
    if cell == "elman_relu":
        pytest.skip("relu has no bound")
    spec, H, (forward, backward) = CELLS[cell], 2, kernel(cell)
    G = len(spec.gates)
    pre = size * np.random.default_rng(0).choice([-1.0, 1.0], (4, G * H)).astype(np.float32)
    state, W_h = spec.zero_state((2, H), np.dtype(np.float32)), np.ones((G * H, H), np.float32)
    extra = tuple(np.ones(shape, np.float32) for shape in spec.extra_shapes(H))
    h, state_T, tape = forward(pre, np.array([2, 2]), state, W_h, extra, reverse=False)
    dpre, _, dW_h, _ = backward(np.ones_like(h), state_T, tape)
    assert all(np.isfinite(array).all() for array in (h, *state_T, dpre, dW_h))


def test_inference_keeps_no_tape_and_a_table_stands_for_pre(cell):
    inputs = Inputs(CELLS[cell], [4, 2], H=3, rng=np.random.default_rng(0))
    row_index = np.array([3, 0, 3, 2, 1, 1])
    table, *rest = inputs.arguments()
    h, _, _ = numpy_backend.forward(cell, table[row_index], *rest)
    out = np.zeros((6, 9))
    looked_up, _, tape = numpy_backend.forward(
        cell, table, *rest, row_index=row_index, keep_tape=False, out=out[:, 3:6]
    )
    assert tape is None
    assert np.shares_memory(looked_up, out)
    np.testing.assert_array_equal(out, np.pad(h, ((0, 0), (3, 3))))
