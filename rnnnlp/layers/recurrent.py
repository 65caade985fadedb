"""A stack of recurrent layers over packed batches, in one direction or both."""

# N tokens, T steps, B sequences, D input, H hidden, G gates, L layers, R directions (1 or 2), V rows of a table

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches.packed import offsets_of
from rnnnlp.kernels.backend import Array, LayerWeights, State, Tape
from rnnnlp.kernels.cells import CELLS, Extra
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.parameter import Parameter, uniform


class Window(NamedTuple):
    """Some consecutive steps of a packed batch."""

    rows: slice
    batch_sizes: Array


class DirectionTape(NamedTuple):
    """What `Direction.backward` needs."""

    x: Array  # (N, D), or a table (V, D)
    row_index: Array | None  # (N,)
    mask: Array | None  # (G*H, H) of dropped weights
    windows: list[Window]
    tapes: list[Tape]  # of each window


class RecurrentTape(NamedTuple):
    """What `Recurrent.backward` needs."""

    batch_size: int
    layers: list[tuple[Array | None, list[DirectionTape]]]  # mask of the dropout below, tape of each direction


class Recurrent:
    """Recurrent layers on top of each other, with dropout between them.

    For each layer and direction the parameters are `W_x` `(G*H, D)`, `W_h` `(G*H, H)`, `b_x` `(G*H,)`, `b_h` `(G*H,)`,
    and the extra parameters of the cell. Shapes and gate order are those of `torch.nn.LSTM`, `GRU` and `RNN`.

    Args:
        cell: One of `kernels.CELLS`.
        input_size: D.
        hidden_size: H.
        num_layers: L.
        bidirectional: Each layer also reads from the last step to the first, and returns both outputs side by side.
        dropout: Share of the features that are dropped between layers.
        variational: Drop the same features at every step of a sequence (Gal and Ghahramani 2016).
        weight_drop: Share of the recurrent weights that are dropped in training (Merity et al. 2018).
        dtype: float32 or float64.
        rng: Draws the initial parameters.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        weight_drop: float = 0.0,
        dtype: np.dtype,
        rng: np.random.Generator,
    ):
        self.cell = CELLS[cell]
        self.hidden_size = hidden_size
        self.dropout = Dropout(dropout, variational=variational)
        directions = (False, True) if bidirectional else (False,)
        self.output_size = hidden_size * len(directions)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.layers = [
            [
                Direction(cell, size, hidden_size, reverse=reverse, weight_drop=weight_drop, dtype=dtype, rng=rng)
                for reverse in directions
            ]
            for size in sizes
        ]

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, such as `0.forward.W_h`."""
        return {
            f"{k}.{'reverse' if direction.reverse else 'forward'}.{name}": parameter
            for k, layer in enumerate(self.layers)
            for direction in layer
            for name, parameter in direction.parameters().items()
        }

    def zero_state(self, batch_size: int, dtype: np.dtype) -> State:
        """The initial state: zeros `(L*R, B, H)` for each state of the cell."""
        return self.cell.zero_state((len(self.layers) * len(self.layers[0]), batch_size, self.hidden_size), dtype)

    def forward(
        self,
        x: Array,
        batch_sizes: Array,
        state: State,
        *,
        rng: np.random.Generator | None,
        row_index: Array | None = None,
        projected: Sequence[Array] | None = None,
        bptt: int | None = None,
        keep_tape: bool = True,
    ) -> tuple[Array, State, RecurrentTape]:
        """Runs all layers over a packed batch.

        Args:
            x: Inputs `(N, D)`.
            batch_sizes: `(T,)`.
            state: Initial states `(L*R, B, H)`, one for each state of the cell.
            rng: Draws dropout masks; None drops nothing.
            row_index: `(N,)`. If given, `x` is a table `(V, D)`, and the input of row n is `x[row_index[n]]`. With
                fewer rows than tokens the input's matrix product is smaller.
            projected: What `project(x)` returned, if it was called before. Without `row_index`, its memory may be
                overwritten.
            bptt: Cuts the gradient of the backward to come every `bptt` steps. The state is never cut.
            keep_tape: False for inference: no backward follows.

        Returns:
            y: Outputs `(N, R*H)`. They must not change before the backward.
            state_T: Final states, in the shapes of `state`.
            tape: What `backward` needs.
        """
        tapes: list[tuple[Array | None, list[DirectionTape]]] = []
        ends: list[State] = []
        y = x
        for k, layer in enumerate(self.layers):
            mask = None
            if k > 0:
                x, mask = self.dropout.forward(y, batch_sizes, rng=rng)
            y = kernels.of(x).empty((int(batch_sizes.sum()), self.output_size), x.dtype)  # (N, R*H)
            layer_tapes = []
            for r, direction in enumerate(layer):
                _, state_T, tape = direction.forward(
                    x,
                    batch_sizes,
                    tuple(s[len(ends)] for s in state),
                    rng=rng,
                    row_index=row_index if k == 0 else None,
                    pre=projected[r] if projected and k == 0 else None,
                    bptt=bptt,
                    keep_tape=keep_tape,
                    out=self._columns(y, r),
                )
                ends.append(state_T)
                layer_tapes.append(tape)
            tapes.append((mask, layer_tapes))
        return y, tuple(np.stack(s) for s in zip(*ends, strict=True)), RecurrentTape(int(batch_sizes[0]), tapes)

    def backward(self, dy: Array, dstate_T: State | None, tape: RecurrentTape) -> tuple[Array, State]:
        """Backpropagates through all layers, and adds to the gradients of the parameters.

        Args:
            dy: Gradient of the outputs `(N, R*H)`.
            dstate_T: Gradients of the final states `(L*R, B, H)`; None for zeros.
            tape: The tape of the forward pass, whose memory is overwritten: it serves one backward pass.

        Returns:
            dx: Gradient of `x`, in its shape.
            dstate_0: Gradients of the initial states `(L*R, B, H)`.
        """
        dstate_T = dstate_T or self.zero_state(tape.batch_size, dy.dtype)
        starts: list[State] = []
        for layer, (mask, layer_tapes) in zip(reversed(self.layers), reversed(tape.layers), strict=True):
            # y = [h of each direction]
            dx = None
            for r in reversed(range(len(layer))):
                index = -1 - len(starts)
                dh = self._columns(dy, r)  # (N, H)
                dx_r, dstate_0 = layer[r].backward(dh, tuple(s[index] for s in dstate_T), layer_tapes[r])
                dx = dx_r if dx is None else np.add(dx, dx_r, out=dx)
                starts.append(dstate_0)
            assert dx is not None
            dy = self.dropout.backward(dx, mask)
        return dy, tuple(np.stack(s) for s in zip(*reversed(starts), strict=True))

    def project(self, x: Array) -> list[Array]:
        """For each direction of the first layer, the gates' pre-activations from a table: `(V, D)` -> `(V, G*H)`."""
        return [direction.project(x) for direction in self.layers[0]]

    def _columns(self, y: Array, r: int) -> Array:
        """Those of direction r in `y (N, R*H)`: a view `(N, H)`."""
        return y[:, r * self.hidden_size : (r + 1) * self.hidden_size]


class Direction:
    """One recurrent layer in one direction; the arguments are those of `Recurrent`."""

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        reverse: bool,
        weight_drop: float,
        dtype: np.dtype,
        rng: np.random.Generator,
    ):
        self.cell, self.hidden_size, self.reverse = CELLS[cell], hidden_size, reverse
        self.weight_drop = Dropout(weight_drop)
        columns, bound = len(self.cell.gates) * hidden_size, hidden_size**-0.5
        self.W_x = uniform(columns, input_size, bound=input_size**-0.5, dtype=dtype, rng=rng)  # (G*H, D)
        self.W_h = uniform(columns, hidden_size, bound=bound, dtype=dtype, rng=rng)  # (G*H, H)
        self.b_x = uniform(columns, bound=bound, dtype=dtype, rng=rng)  # (G*H,)
        self.b_h = uniform(columns, bound=bound, dtype=dtype, rng=rng)  # (G*H,)
        self.extra: dict[str, Parameter] = {}
        for extra in self.cell.extra:
            if extra.hidden_bias_of is None:
                shape = extra.shape(hidden_size)
                self.extra[extra.name] = (
                    uniform(*shape, bound=bound, dtype=dtype, rng=rng)
                    if extra.initial is None
                    else Parameter(np.full(shape, extra.initial, dtype))
                )
        if self.cell.forget_gate is not None:  # remember at first
            self.b_x.value[self.cell.columns(self.cell.forget_gate, hidden_size)] += self.cell.forget_bias

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, in the order of `Cell.parameter_shapes`."""
        return {"W_x": self.W_x, "W_h": self.W_h, "b_x": self.b_x, "b_h": self.b_h, **self.extra}

    def weights(self) -> LayerWeights:
        """The parameters as the kernels take them: the biases added up as far as they can be."""
        bias = self.b_x.value + self.b_h.value  # (G*H,)
        extra = []
        for e in self.cell.extra:
            if e.hidden_bias_of is None:
                extra.append(self.extra[e.name].value)
            else:  # that part of b_h goes to the recurrence, not to the input
                bias[self._inside(e)] = self.b_x.value[self._inside(e)]
                extra.append(self.b_h.value[self._inside(e)])  # (H,)
        return LayerWeights(self.W_x.value, self.W_h.value, bias, tuple(extra))

    def project(self, x: Array) -> Array:
        """The input's share of the gates' pre-activations: `x (N, D)` -> `(N, G*H)`."""
        weights = self.weights()
        return kernels.of(x).matmul_nt(x, weights.W_x, weights.bias)

    def forward(
        self,
        x: Array,
        batch_sizes: Array,
        state: State,
        *,
        rng: np.random.Generator | None,
        row_index: Array | None = None,
        pre: Array | None = None,
        bptt: int | None = None,
        keep_tape: bool = True,
        out: Array | None = None,
    ) -> tuple[Array, State, DirectionTape]:
        """Runs the layer over a packed batch; what is not told here is as in `Recurrent.forward`.

        Args:
            x: Inputs `(N, D)`, or a table `(V, D)`.
            batch_sizes: `(T,)`.
            state: Initial states `(B, H)`.
            rng: Draws the mask of dropped weights.
            row_index: `(N,)`, the row of the table for each token.
            pre: What `project(x)` returned, if it was called before.
            bptt: Cuts the gradient of the backward to come.
            keep_tape: False for inference.
            out: Receives h.

        Returns:
            h: Outputs `(N, H)`.
            state_T: Final states `(B, H)`.
            tape: What `backward` needs.
        """
        k, weights = kernels.of(x, self.cell.name), self.weights()
        W_h, mask = self.weight_drop.forward(weights.W_h, np.array([len(weights.W_h)]), rng=rng)  # (G*H, H)
        if pre is None:
            pre = self.project(x)  # (N, G*H), or (V, G*H)
        if out is None:
            out = k.empty((int(batch_sizes.sum()), self.hidden_size), x.dtype)
        running = tuple(s.copy() for s in state)  # (B, H)
        tapes = []
        windows = self._windows(batch_sizes, bptt)
        for window in windows:
            B_w = int(window.batch_sizes[0])
            _, ends, tape = k.forward(
                self.cell.name,
                pre[window.rows] if row_index is None else pre,
                window.batch_sizes,
                tuple(s[:B_w].copy() for s in running),  # the tape keeps them
                W_h,
                weights.extra,
                reverse=self.reverse,
                row_index=None if row_index is None else row_index[window.rows],
                keep_tape=keep_tape,
                overwrite=row_index is None,
                out=out[window.rows],
            )
            for s, end in zip(running, ends, strict=True):
                s[:B_w] = end
            tapes.append(tape)
        return out, running, DirectionTape(x, row_index, mask, windows, tapes)

    def backward(self, dh: Array, dstate_T: State, tape: DirectionTape) -> tuple[Array, State]:
        """Backpropagates through the layer, and adds to the gradients of the parameters.

        Args:
            dh: Gradient of the outputs `(N, H)`.
            dstate_T: Gradients of the final states `(B, H)`.
            tape: The tape of the forward pass, whose memory is overwritten: it serves one backward pass.

        Returns:
            dx: Gradient of `x`, in its shape.
            dstate_0: Gradients of the initial states `(B, H)`.
        """
        x, row_index, mask, windows, tapes = tape
        parts = []
        running = tuple(s.copy() for s in dstate_T)  # (B, H)
        for w in reversed(range(len(windows))):
            window = windows[w]
            B_w = int(window.batch_sizes[0])
            part, starts, dW_h, dextra = kernels.of(x, self.cell.name).backward(
                dh[window.rows], tuple(s[:B_w] for s in running), tapes[w], overwrite=True
            )
            parts.append(part)
            # Rows that came from the window before: here the gradient is cut.
            carried = min(B_w, int(windows[w - 1].batch_sizes[0])) if w > 0 else 0
            for s, start in zip(running, starts, strict=True):
                s[:B_w] = start
                s[:carried] = 0
            self.W_h.add(self.weight_drop.backward(dW_h, mask))
            for e, gradient in zip(self.cell.extra, dextra, strict=True):
                if e.hidden_bias_of is None:
                    self.extra[e.name].add(gradient)
                else:
                    self.b_h.grad[self._inside(e)] += gradient
        dpre = parts[0] if len(parts) == 1 else np.concatenate(parts if self.reverse else parts[::-1])  # (N, G*H)
        k = kernels.of(x)
        if row_index is not None:
            # row n of pre is row row_index[n] of the table
            dtable = np.zeros((len(x), dpre.shape[1]), dpre.dtype)  # (V, G*H)
            k.add_rows(dpre, row_index, dtable)
            dpre = dtable
        # pre = x @ W_x.T + b_x + b_h
        db = np.empty_like(self.b_x.value)  # (G*H,)
        self.W_x.add(k.matmul_tn(dpre, x, sums=db))
        self.b_x.add(db)
        for e in self.cell.extra:
            if e.hidden_bias_of is not None:
                db[self._inside(e)] = 0  # its gradient came with dextra
        self.b_h.add(db)
        return k.matmul(dpre, self.W_x.value), running

    def _inside(self, extra: Extra) -> slice:
        """The part of `b_h` that is this extra parameter."""
        assert extra.hidden_bias_of is not None
        return self.cell.columns(extra.hidden_bias_of, self.hidden_size)

    def _windows(self, batch_sizes: Array, bptt: int | None) -> list[Window]:
        """Windows of `bptt` steps, in the order of the time loop."""
        T = len(batch_sizes)
        length = bptt or T
        offsets = offsets_of(batch_sizes)
        windows = [
            Window(slice(offsets[t], offsets[min(t + length, T)]), batch_sizes[t : t + length])
            for t in range(0, T, length)
        ]
        return windows[::-1] if self.reverse else windows


def num_parameters(cell: str, input_size: int, hidden_size: int, num_layers: int, directions: int = 1) -> int:
    """The number of parameters of recurrent layers of `cell`, also of more layers than any memory holds."""
    first, other = (CELLS[cell].num_parameters(size, hidden_size) for size in (input_size, directions * hidden_size))
    return directions * (first + (num_layers - 1) * other)
