"""The reference kernels: every value against the plain recurrence, every gradient against central differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnnlp.batches.packed import batch_sizes_of
from rnnnlp.kernels import CELLS, reference
from tests.recurrences import EVEN, RAGGED, check_kernel, draw_states, plain_recurrence

pytestmark = pytest.mark.parametrize("cell", CELLS)
directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@directions
@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize("lengths", [RAGGED, EVEN], ids=["ragged", "even"])
def test_values_and_gradients(cell, lengths, T, reverse):
    check_kernel(reference, cell, lengths[T], reverse=reverse)


@directions
def test_one_unit_and_one_sequence(cell, reverse):
    check_kernel(reference, cell, [4], reverse=reverse, H=1, seed=6)


@directions
@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), H=st.integers(1, 5), seed=st.integers(0, 99))
def test_values_on_any_ragged_batch(cell, reverse, lengths, H, seed):
    rng = np.random.default_rng(seed)
    batch_sizes = batch_sizes_of(np.array(lengths))
    pre, W_h = rng.normal(size=(sum(lengths), CELLS[cell] * H)), rng.normal(size=(CELLS[cell] * H, H))
    state, b_hn = draw_states(cell, (len(lengths), H), rng), rng.normal(size=H) if cell == "gru" else None
    h, state_T, _ = reference.forward(cell, pre, batch_sizes, state, W_h, b_hn, reverse=reverse)
    expected_h, expected_state_T = plain_recurrence(cell, pre, batch_sizes, state, W_h, b_hn, reverse=reverse)
    for array, expected in zip((h, *state_T), (expected_h, *expected_state_T), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-10, atol=1e-10)


@directions
def test_float32_stays_float32(cell, reverse):
    rng = np.random.default_rng(0)
    G, H, batch_sizes = CELLS[cell], 3, np.array([2, 1])
    pre, W_h, h0, b_hn = (rng.normal(size=s).astype(np.float32) for s in [(3, G * H), (G * H, H), (2, H), (H,)])
    state = (h0, h0) if cell == "lstm" else (h0,)
    h, state_T, tape = reference.forward(
        cell, pre, batch_sizes, state, W_h, b_hn if cell == "gru" else None, reverse=reverse
    )
    dpre, dstate, dW_h, db_hn = reference.backward(h, state_T, tape)
    arrays = [h, *state_T, dpre, *dstate, dW_h] + ([db_hn] if cell == "gru" else [])
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_gates_never_overflow(cell, size):
    if cell == "elman_relu":
        pytest.skip("relu has no bound")
    G, H, batch_sizes = CELLS[cell], 2, np.array([2, 2])
    pre = size * np.random.default_rng(0).choice([-1.0, 1.0], (4, G * H)).astype(np.float32)
    state = tuple(np.zeros((2, H), np.float32) for _ in range(2 if cell == "lstm" else 1))
    W_h, b_hn = np.ones((G * H, H), np.float32), np.ones(H, np.float32) if cell == "gru" else None
    h, state_T, tape = reference.forward(cell, pre, batch_sizes, state, W_h, b_hn, reverse=False)
    dpre, _, dW_h, _ = reference.backward(np.ones_like(h), state_T, tape)
    assert all(np.isfinite(array).all() for array in (h, *state_T, dpre, dW_h))
