"""Recurrent layers of any cell as a module of PyTorch: the cell's definition, once for each step."""

# B sequences, T steps, D input, H hidden, G gates, L layers, R directions

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.lib.mixins import NDArrayOperatorsMixin
from torch import Tensor, nn

from rnnnlp.errors import UserError
from rnnnlp.exchange.torch_names import array_name
from rnnnlp.kernels.cells import Cell


class CellLayers(nn.Module):
    """Recurrent layers of a cell that `torch.nn` lacks; parameters are named as in `nn.GRU`.

    Args:
        cell: The cell.
        input_size: D.
        hidden_size: H.
        num_layers: L.
        bidirectional: Whether each layer also reads from the last step to the first.
        dropout: Between layers.
        dtype: Of the parameters.

    Raises:
        UserError: If the cell computes something that this file has no function of PyTorch for.
    """

    outside: Tensor

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.directions = (False, True) if bidirectional else (False,)
        self.dropout = nn.Dropout(dropout)
        outside = torch.ones(len(cell.gates) * hidden_size, dtype=dtype)  # 0 where b_h stays inside the step
        for extra in cell.extra:
            if extra.hidden_bias_of is not None:
                outside[cell.columns(extra.hidden_bias_of, hidden_size)] = 0
        self.register_buffer("outside", outside, persistent=False)
        self.register_buffer(cell.name, torch.zeros(0))  # so that a state dict tells the cell
        for k in range(num_layers):
            shapes = cell.parameter_shapes(hidden_size * len(self.directions) if k else input_size, hidden_size)
            for reverse in self.directions:
                for name, shape in shapes.items():
                    values = torch.empty(shape, dtype=dtype).uniform_(-1, 1) * hidden_size**-0.5
                    self.register_parameter(array_name(name, k, reverse=reverse), nn.Parameter(values))
        try:
            with torch.no_grad():
                self(torch.zeros(1, 1, input_size, dtype=dtype))
        except (NotImplementedError, TypeError, AttributeError) as error:
            raise UserError(
                f"the step of the cell {cell.name} has no counterpart in PyTorch ({error}); write it with the NumPy "
                "functions of kernels/definition.py, or take a model with another cell"
            ) from error

    def forward(self, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Runs all layers.

        Args:
            x: `(B, T, D)`.
            state: `(L*R, B, H)`, for a cell with several states a tuple of these; zeros by default.
            lengths: `(B,)`; by default all are T.

        Returns:
            The outputs `(B, T, R*H)`, 0 after the end of a sequence, and the final state, in the form of `state`.
        """
        B, T = x.shape[:2]
        if state is None:
            zeros = x.new_zeros(self.num_layers * len(self.directions), B, self.hidden_size)
            states = tuple(zeros for _ in self.cell.states)
        else:
            states = state if isinstance(state, tuple) else (state,)
        if lengths is None:
            lengths = torch.full((B,), T)
        alive = torch.arange(T, device=x.device) < lengths.to(x.device)[:, None]  # (B, T)
        ends: list[tuple[Tensor, ...]] = []
        for k in range(self.num_layers):
            if k:
                x = self.dropout(x)
            outputs = []
            for reverse in self.directions:
                y, end = self._direction(x, tuple(s[len(ends)] for s in states), alive, k, reverse)
                outputs.append(y)
                ends.append(end)
            x = torch.cat(outputs, dim=2)
        end_states = tuple(torch.stack(s) for s in zip(*ends, strict=True))
        return x, end_states if len(end_states) > 1 else end_states[0]

    def _direction(
        self, x: Tensor, states: tuple[Tensor, ...], alive: Tensor, layer: int, reverse: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        def of(name: str) -> Tensor:
            found: Tensor = getattr(self, array_name(name, layer, reverse=reverse))
            return found

        pre = x @ of("W_x").T + of("b_x") + of("b_h") * self.outside  # (B, T, G*H)
        W_h, extra = _Values(of("W_h")), []
        for e in self.cell.extra:
            inside = e.hidden_bias_of
            extra.append(
                _Values(of(e.name) if inside is None else of("b_h")[self.cell.columns(inside, self.hidden_size)])
            )
        steps = range(x.shape[1])
        y = {}
        for t in reversed(steps) if reverse else steps:
            before: Any = tuple(map(_Values, states))
            after, _ = self.cell.step(_Values(pre[:, t]), before, W_h, tuple(extra))  # type: ignore[arg-type] # not arrays
            here = alive[:, t, None]  # (B, 1)
            new: list[Tensor] = [value.tensor for value in after]  # type: ignore[attr-defined]
            states = tuple(torch.where(here, s, old) for s, old in zip(new, states, strict=True))
            y[t] = torch.where(here, new[0], torch.zeros_like(new[0]))
        return torch.stack([y[t] for t in steps], dim=1), states


class _Values(NDArrayOperatorsMixin):
    """A tensor to which operators and NumPy functions do what those of PyTorch do."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    @property
    def T(self) -> "_Values":
        return _Values(self.tensor.T)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            raise NotImplementedError(f"{ufunc.__name__}.{method} with {', '.join(options)}")
        return _call(ufunc, inputs, {})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _call(function, args, kwargs)


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    if function not in FUNCTIONS:
        raise NotImplementedError(f"numpy.{getattr(function, '__name__', function)}")
    return _wrapped(FUNCTIONS[function](*map(_unwrapped, args), **kwargs))


def _unwrapped(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_unwrapped(part) for part in x]
    return x.tensor if isinstance(x, _Values) else x


def _wrapped(x: Any) -> Any:
    return [_Values(part) for part in x] if isinstance(x, list | tuple) else _Values(x)


def _clamped(side: str) -> Callable[[Any, Any], Tensor]:
    """`torch.clamp` with a limit on one side; either of both may be a number."""
    return lambda a, b: torch.clamp(a, **{side: b}) if isinstance(a, Tensor) else torch.clamp(b, **{side: a})


# What the definition of a cell may use of NumPy: the same as in `onnx_graph.py`.
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.matmul: operator.matmul,
    np.maximum: _clamped("min"),
    np.minimum: _clamped("max"),
    np.negative: operator.neg,
    np.power: operator.pow,
    np.abs: torch.abs,
    np.exp: torch.exp,
    np.log: torch.log,
    np.sqrt: torch.sqrt,
    np.tanh: torch.tanh,
    np.sin: torch.sin,
    np.cos: torch.cos,
    np.split: lambda x, parts, axis=0: x.chunk(parts, dim=axis),
    np.concatenate: lambda parts, axis=0: torch.cat(parts, dim=axis),
    np.clip: torch.clamp,
    np.mean: lambda x, axis, keepdims=False: x.mean(dim=axis, keepdim=keepdims),
    np.sum: lambda x, axis, keepdims=False: x.sum(dim=axis, keepdim=keepdims),
    np.transpose: lambda x: x.T,
}
