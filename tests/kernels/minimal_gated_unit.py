"""A cell that the project does not have: all that adding one takes.

The minimal gated unit (Zhou et al. 2016) is a GRU in which one gate both resets and updates:

    f = sigmoid(pre_f + h_before @ W_f.T)
    n = tanh(pre_n + (f * h_before) @ W_n.T)
    h = (1 - f) * h_before + f * n
"""

# B sequences, H hidden

from collections.abc import Iterator

import numpy as np
import pytest

from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.cells import CELLS, Cell
from rnnnlp.kernels.definition import Saved, Step, StepBackward, join, sigmoid, split

NAME = "minimal_gated_unit"


def step(pre: Array, state: State, W_h: Array, extra: State) -> Step:
    (h_before,) = state  # (B, H)
    W_f, W_n = split(W_h, 2, axis=0)  # (H, H) each
    pre_f, pre_n = split(pre, 2)  # (B, H) each
    f = sigmoid(pre_f + h_before @ W_f.T)
    gated_h = f * h_before
    n = np.tanh(pre_n + gated_h @ W_n.T)
    h = (1 - f) * h_before + f * n
    return (h,), (h_before, f, n, gated_h)


def step_backward(dstate: State, saved: Saved, W_h: Array, extra: State) -> StepBackward:
    (dh,), (h_before, f, n, gated_h) = dstate, saved
    W_f, W_n = split(W_h, 2, axis=0)
    # h = (1 - f) * h_before + f * n
    da_n = dh * f * (1 - n * n)
    df = dh * (n - h_before)
    # n = tanh(pre_n + gated_h @ W_n.T), gated_h = f * h_before
    dgated_h = da_n @ W_n
    da_f = (df + dgated_h * h_before) * f * (1 - f)
    # h_before is used in f, in gated_h and in h
    dh_before = da_f @ W_f + dgated_h * f + dh * (1 - f)
    dW_h = join([da_f.T @ h_before, da_n.T @ gated_h], axis=0)
    return join([da_f, da_n]), (dh_before,), dW_h, ()


@pytest.fixture
def minimal_gated_unit() -> Iterator[str]:
    """The name of the cell, which is there during one test."""
    CELLS[NAME] = Cell(NAME, gates=("f", "n"), step=step, step_backward=step_backward, paper="Zhou et al. 2016")
    yield NAME
    del CELLS[NAME]
