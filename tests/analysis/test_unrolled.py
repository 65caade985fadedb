"""The gradients of the unrolled example are those of central differences."""

import numpy as np
import pytest

from rnnnlp.analysis.unrolled import small_network, unroll
from rnnnlp.kernels import CELLS

TEXT, EPS = "abcabbca", 1e-5


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_central_differences(cell: str):
    found = unroll(cell, TEXT, hidden_size=4, spectral_radius=1.3, seed=2)
    model, ids = small_network(cell, TEXT, hidden_size=4, spectral_radius=1.3, seed=2)
    T = len(ids) - 1

    def loss(t: int, which: int, k: int, step: float) -> float:
        """-log p of the last character, after a change of the state behind step t."""
        state = model.zero_state(1)
        y = np.empty(0)
        for s in range(T):
            y, state, _ = model.forward(ids[s : s + 1], np.ones(1, np.int64), state, keep_tape=False)
            if s == t:
                state[which][0, 0, k] += step
        if t == T - 1:  # only h is read by the head
            y, _ = model.head.forward(state[0][0])
        return float(np.logaddexp.reduce(y[0]) - y[0, ids[-1]])

    assert found.loss == pytest.approx(loss(0, 0, 0, 0.0))
    for t in range(T):
        numeric = np.array(
            [
                [(loss(t, which, k, EPS) - loss(t, which, k, -EPS)) / (2 * EPS) for k in range(4)]
                for which in range(len(model.zero_state(1)))
            ]
        )
        np.testing.assert_allclose(found.gradients[t], numeric[0], rtol=1e-6, atol=1e-9)
        assert found.norms[t] == pytest.approx(np.sqrt((numeric**2).sum()), rel=1e-6)


def test_truncation_cuts_what_comes_before_its_window():
    whole, cut = unroll("gru", TEXT), unroll("gru", TEXT, bptt=3)
    assert (whole.first, cut.first) == (0, 6)
    assert not cut.norms[:6].any()
    np.testing.assert_array_equal(cut.gradients[6:], whole.gradients[6:])
    assert unroll("lstm", TEXT, bptt=7).first == 0


def test_the_spectral_radius_makes_gradients_vanish_or_explode():
    small, large = (
        unroll("elman_relu", "ab" * 20, spectral_radius=radius, seed=4, hidden_size=16).norms for radius in (0.3, 2.5)
    )
    assert small[0] < 1e-6 * small[-1]
    assert large.max() > 1e6 * large[-1]
    assert not unroll("elman_tanh", "aaaa", spectral_radius=0.0).norms[:-1].any()
