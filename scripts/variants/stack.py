"""A stack of any recurrent layers, with the interface of `rnnnlp.layers.recurrent.Recurrent`."""

# N tokens, B streams, D input, H hidden, L layers

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.parameter import Parameter
from rnnnlp.layers.recurrent import Direction
from rnnnlp.tasks.char_lm.config import CharLMConfig
from variants.building_blocks import Array, Norm

State = tuple[Array, ...]


class LSTMLayer(Direction):
    """The library's own LSTM as a layer of a `Stack`."""

    states = 2

    def __init__(self, *sizes: int, weight_drop: float, dtype: Any, rng: np.random.Generator):
        super().__init__("lstm", *sizes, reverse=False, weight_drop=weight_drop, dtype=dtype, rng=rng)


class Stack:
    """Recurrent layers on top of each other, with dropout between them.

    Args:
        layer: Makes one layer: `layer(D, H, dtype=, rng=)`.
        config: Of the network: sizes and dropout.
        residual: Add the input of each layer but the first to its output (He et al. 2016).
        norm: Normalise the input of each layer but the first, and the output of the last.
        dtype: float32 or float64.
        rng: Draws the initial parameters.
    """

    def __init__(
        self,
        layer: Callable[..., Any],
        config: CharLMConfig,
        *,
        residual: bool = False,
        norm: bool = False,
        dtype: Any = np.float32,
        rng: np.random.Generator,
    ):
        D, self.hidden_size, L = config.embedding_size, config.hidden_size, config.num_layers
        sizes = [D] + [self.hidden_size] * (L - 1)
        self.layers = [layer(size, self.hidden_size, dtype=dtype, rng=rng) for size in sizes]
        self.residual = residual
        self.norms = [Norm(self.hidden_size, dtype=dtype) for _ in range(L)] if norm else []
        self.dropout = Dropout(config.dropout, variational=config.variational)

    def parameters(self) -> dict[str, Parameter]:
        named = {f"{k}.{name}": p for k, layer in enumerate(self.layers) for name, p in layer.parameters().items()}
        return named | {f"{k}.gain": norm.gain for k, norm in enumerate(self.norms, 1)}

    def zero_state(self, batch_size: int, dtype: Any) -> State:
        """The initial state: zeros `(L, B, H)` for each state of the layers."""
        shape = (len(self.layers), batch_size, self.hidden_size)
        return tuple(np.zeros(shape, dtype) for _ in range(self.layers[0].states))

    def forward(
        self,
        x: Array,
        batch_sizes: Array,
        state: State,
        *,
        rng: np.random.Generator | None,
        row_index: Array | None = None,
        keep_tape: bool = True,
    ) -> tuple[Array, State, Any]:
        """`x (N, D)`, `state` of `(L, B, H)` -> `y (N, H)`, the final states, tape. With `row_index`, x is a table."""
        y, ends, tapes = x, [], []
        for k, layer in enumerate(self.layers):
            inputs, norm_tape, mask = y, None, None
            if k > 0:
                if self.norms:
                    y, norm_tape = self.norms[k - 1].forward(y)
                y, mask = self.dropout.forward(y, batch_sizes, rng=rng)
            y, state_T, layer_tape = layer.forward(
                y,
                batch_sizes,
                tuple(s[k] for s in state),
                rng=rng,
                row_index=row_index if k == 0 else None,
                keep_tape=keep_tape,
            )
            if k > 0 and self.residual:
                y = y + inputs
            ends.append(state_T)
            tapes.append((norm_tape, mask, layer_tape))
        last = None
        if self.norms:
            y, last = self.norms[-1].forward(y)
        return y, tuple(np.stack(s) for s in zip(*ends, strict=True)), (int(batch_sizes[0]), tapes, last)

    def backward(self, dy: Array, dstate_T: State | None, tape: Any) -> tuple[Array, State]:
        """`dy (N, H)` and the gradient of the final states (None: 0) -> `dx`, shaped as x, that of the initial."""
        batch_size, tapes, last = tape
        if self.norms:
            dy = self.norms[-1].backward(dy, last)
        dstate_T = dstate_T or self.zero_state(batch_size, dy.dtype)
        starts: list[State] = []
        for k, layer in reversed(list(enumerate(self.layers))):
            norm_tape, mask, layer_tape = tapes[k]
            # y = layer(dropout(norm(inputs))) + inputs
            dx, start = layer.backward(dy, tuple(s[k] for s in dstate_T), layer_tape)
            if k > 0:
                dx = self.dropout.backward(dx, mask)
                if self.norms:
                    dx = self.norms[k - 1].backward(dx, norm_tape)
                if self.residual:
                    dx = dx + dy
            starts.append(start)
            dy = dx
        return dy, tuple(np.stack(s) for s in zip(*reversed(starts), strict=True))
