"""The recurrent cells: `CELLS` is the only list of them in Python, and `Cell` has all that is to know about one.

Adding a cell takes the two functions of one step (see `definition.py`) and one entry:

    CELLS["name"] = Cell("name", gates=("f", "n"), step=step, step_backward=step_backward)

It then trains with NumPy. A fast version in `numpy/` or `native/` is optional.
"""

# H hidden, D input, G gates

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from rnnnlp.kernels import definition
from rnnnlp.kernels.backend import Array, State
from rnnnlp.kernels.definition import Saved, Step, StepBackward


@dataclass(frozen=True)
class Extra:
    """A parameter that the steps of a cell use besides `W_h`.

    Attributes:
        name: The parameter's name, also in saved models.
        shape: Its shape, from the hidden size.
        initial: The value of all its entries at first. None draws them uniformly from -H^-0.5 to H^-0.5, as `W_h`.
        hidden_bias_of: A gate whose hidden bias must stay inside the step. This parameter is then that gate's part of
            `b_h`, and none of its own.
    """

    name: str
    shape: Callable[[int], tuple[int, ...]] = lambda H: (H,)
    initial: float | None = None
    hidden_bias_of: str | None = None


@dataclass(frozen=True)
class Cell:
    """The facts of a cell.

    Attributes:
        name: Its name in options and configurations.
        gates: Names of the gates, in the order of their H columns in `pre`, and of their H rows in `W_h`.
        step: One step, forward: see `definition.py`.
        step_backward: One step, backward.
        states: Names of the states, the output `h` first.
        saved: Names of what `step` saves, in its order. A gate that is saved after its activation has its own name
            here; of the gates, the analysis of hidden units shows only those.
        extra: Further parameters of the steps.
        forget_gate: The gate that begins with a bias, so that the cell remembers at first.
        forget_bias: That bias (Jozefowicz et al. 2015).
        paper: Where the cell comes from.
    """

    name: str
    gates: tuple[str, ...]
    step: Callable[[Array, State, Array, State], Step]
    step_backward: Callable[[State, Saved, Array, State], StepBackward]
    states: tuple[str, ...] = ("h",)
    saved: tuple[str, ...] = ()
    extra: tuple[Extra, ...] = ()
    forget_gate: str | None = None
    forget_bias: float = 1.0
    paper: str = ""

    def __reduce__(self) -> tuple[Callable[[str], "Cell"], tuple[str]]:
        """A pickle has the name of the cell, as its functions are code of the package."""
        return cell_named, (self.name,)

    def columns(self, gate: str, hidden_size: int) -> slice:
        """The gate's part of `G*H` columns or rows."""
        k = self.gates.index(gate)
        return slice(k * hidden_size, (k + 1) * hidden_size)

    def extra_shapes(self, hidden_size: int) -> list[tuple[int, ...]]:
        """The shapes of the extra parameters, as a kernel takes them; for calls without a layer, as in tests."""
        return [extra.shape(hidden_size) for extra in self.extra]

    def parameter_shapes(self, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
        """The shapes of all parameters of one layer and direction, by name, in the order of their random draws."""
        D, H, G = input_size, hidden_size, len(self.gates)
        own = {extra.name: extra.shape(H) for extra in self.extra if extra.hidden_bias_of is None}
        return {"W_x": (G * H, D), "W_h": (G * H, H), "b_x": (G * H,), "b_h": (G * H,), **own}

    def num_parameters(self, input_size: int, hidden_size: int) -> int:
        """The number of parameters of one layer and direction."""
        return sum(prod(shape) for shape in self.parameter_shapes(input_size, hidden_size).values())

    def zero_state(self, shape: tuple[int, ...], dtype: np.dtype) -> State:
        """Zeros of this shape for each state."""
        return tuple(np.zeros(shape, dtype) for _ in self.states)


CELLS: dict[str, Cell] = {}


def cell_named(name: str) -> Cell:
    """The cell of a pickle."""
    return CELLS[name]


CELLS["lstm"] = Cell(
    "lstm",
    gates=("i", "f", "g", "o"),
    states=("h", "c"),
    forget_gate="f",
    saved=("h_before", "c_before", "i", "f", "g", "o", "c"),
    step=definition.lstm_step,
    step_backward=definition.lstm_step_backward,
    paper="Hochreiter and Schmidhuber 1997; Gers et al. 2000",
)
CELLS["lstm_rms_norm"] = Cell(
    "lstm_rms_norm",
    gates=("i", "f", "g", "o"),
    states=("h", "c"),
    forget_gate="f",
    saved=("h_before", "c_before", "i", "f", "g", "o", "c", "scale", "n"),
    step=definition.lstm_rms_norm_step,
    step_backward=definition.lstm_rms_norm_step_backward,
    paper="the LSTM, with c normalised in the output as by Ba et al. 2016, by RMSNorm of Zhang and Sennrich 2019",
)
CELLS["gru"] = Cell(
    "gru",
    gates=("r", "z", "n"),
    extra=(Extra("b_hn", hidden_bias_of="n"),),  # the reset gate multiplies it, so it cannot be part of `pre`
    saved=("h_before", "r", "z", "n", "a_hn"),
    step=definition.gru_step,
    step_backward=definition.gru_step_backward,
    paper="Cho et al. 2014, with the reset after the matrix product",
)
CELLS["gru_reset_first"] = Cell(
    "gru_reset_first",
    gates=("r", "z", "n"),
    saved=("h_before", "r", "z", "n", "gated_h"),
    step=definition.gru_reset_first_step,
    step_backward=definition.gru_reset_first_step_backward,
    paper="Cho et al. 2014, with the reset before the matrix product",
)
CELLS["elman_tanh"] = Cell(
    "elman_tanh",
    gates=("h",),
    saved=("h_before", "h"),
    step=definition.elman_tanh_step,
    step_backward=definition.elman_tanh_step_backward,
    paper="Elman 1990",
)
CELLS["elman_relu"] = Cell(
    "elman_relu",
    gates=("h",),
    saved=("h_before", "h"),
    step=definition.elman_relu_step,
    step_backward=definition.elman_relu_step_backward,
    paper="Le et al. 2015",
)
