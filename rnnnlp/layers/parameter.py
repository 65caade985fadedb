"""An array that is learned, and its gradient."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.kernels.backend import Array


class Parameter:
    """An array that is learned, its gradient, and which rows have a gradient.

    Attributes:
        value: The array.
        grad: Its gradient, in the same shape and dtype.
        rows: None if any entry of `grad` may be non-zero. Otherwise sorted row numbers, and all other rows are zero.
            An optimizer updates just those rows, so a step costs what the batch used, not what the vocabulary holds.
        lr_scale: Multiplies the learning rate of this parameter.
    """

    def __init__(self, value: Array):
        self.value = value
        self.grad = np.zeros(value.shape, value.dtype)  # `zeros_like` would write all of it
        self.rows: Array | None = np.empty(0, np.int64)
        self.lr_scale = 1.0

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: no gradient where all of it is zero."""
        state = dict(vars(self))
        if self.rows is not None and not len(self.rows):
            del state["grad"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "grad" not in state:
            self.grad = np.zeros(self.value.shape, self.value.dtype)

    @property
    def touched(self) -> slice | Array:
        """An index for the rows that have a gradient."""
        return slice(None) if self.rows is None else self.rows

    def zero_grad(self) -> None:
        self.grad[self.touched] = 0
        self.rows = np.empty(0, np.int64)

    def add(self, gradient: Array) -> None:
        """Adds to the gradient.

        Args:
            gradient: In the shape of `value`.
        """
        self.grad += gradient
        self.rows = None

    def add_rows(self, ids: Array, gradient: Array) -> None:
        """Adds to rows of the gradient.

        Args:
            ids: Row numbers `(N,)`, which may repeat.
            gradient: `(N, ...)`.
        """
        kernels.of(self.grad).add_rows(gradient, ids, self.grad)
        if self.rows is not None:
            self.rows = np.union1d(self.rows, ids).astype(np.int64)


class Undrawn(np.random.Generator):
    """Gives zeros in place of random numbers, at once: for a network whose parameters are then set."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def normal(self, loc: float, scale: float, size: Any) -> Array:  # type: ignore[override]
        return np.broadcast_to(np.float32(0), size)

    def uniform(self, low: float, high: float, size: Any) -> Array:  # type: ignore[override]
        return np.broadcast_to(np.float32(0), size)


def parameters_of(layers: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters of layers by name, such as `recurrent.0.forward.W_h`."""
    return {
        f"{layer_name}.{name}": parameter
        for layer_name, layer in layers.items()
        for name, parameter in layer.parameters().items()
    }


def uniform(*shape: int, bound: float, dtype: np.dtype, rng: np.random.Generator) -> Parameter:
    """A parameter of this shape, drawn uniformly from -bound to bound."""
    return Parameter(rng.uniform(-bound, bound, shape).astype(dtype))
