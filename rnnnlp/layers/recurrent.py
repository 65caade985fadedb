"""A stack of recurrent layers over packed batches, in one direction or both."""

# N tokens, T steps, B sequences, D input, H hidden, G gates, L layers, R directions (1 or 2)

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches.packed import offsets_of
from rnnnlp.kernels.reference import State
from rnnnlp.kernels.stepping import LayerWeights
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.parameter import Parameter, uniform


class Recurrent:
    """`num_layers` layers of `cell`, one of `kernels.CELLS`, with dropout between them.

    `weight_drop` is the share of the recurrent weights that are dropped in training, others for each batch (Merity et
    al. 2018).

    Parameters have the shapes and gate order of `torch.nn.LSTM`, `GRU` and `RNN`: for each layer and direction `W_x
    (G*H, D)`, `W_h (G*H, H)`, `b_x (G*H,)`, `b_h (G*H,)`.
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
        self.states = 2 if cell == "lstm" else 1
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
        return {
            f"{k}.{'reverse' if direction.reverse else 'forward'}.{name}": parameter
            for k, layer in enumerate(self.layers)
            for direction in layer
            for name, parameter in direction.parameters().items()
        }

    def zero_state(self, batch_size: int, dtype: np.dtype) -> State:
        """The initial state: for each of h (and c) zeros `(L*R, B, H)`."""
        shape = (len(self.layers) * len(self.layers[0]), batch_size, self.hidden_size)
        return tuple(np.zeros(shape, dtype) for _ in range(self.states))

    def forward(
        self,
        x: np.ndarray,
        batch_sizes: np.ndarray,
        state: State,
        *,
        rng: np.random.Generator | None,
        tokens: np.ndarray | None = None,
        projected: Sequence[np.ndarray] | None = None,
        bptt: int | None = None,
        keep_tape: bool = True,
    ) -> tuple[np.ndarray, State, Any]:
        """`x (N, D)`, `state` of `(L*R, B, H)` -> `y (N, R*H)`, the final states in the shape of `state`, tape.

        With `tokens (N,)`, x is a table `(V, D)` of which row `tokens[n]` is the input of row n: where the vocabulary
        is smaller than the batch, so are the products; `projected` is what `project` made of the table, if that was
        done before. `bptt` cuts the gradient of the backward to come, but never the state, every so many
        steps. Without `keep_tape` there can be no backward. The tape keeps y, which must not be changed before that.
        """
        tapes: list[Any] = []
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
                    tokens=tokens if k == 0 else None,
                    pre=projected[r] if projected and k == 0 else None,
                    bptt=bptt,
                    keep_tape=keep_tape,
                    out=self._columns(y, r),
                )
                ends.append(state_T)
                layer_tapes.append(tape)
            tapes.append((mask, layer_tapes))
        return y, tuple(np.stack(s) for s in zip(*ends, strict=True)), (int(batch_sizes[0]), tapes)

    def _columns(self, y: np.ndarray, r: int) -> np.ndarray:
        """Those of direction r in `y (N, R*H)`: a view `(N, H)`."""
        return y[:, r * self.hidden_size : (r + 1) * self.hidden_size]

    def project(self, x: np.ndarray) -> list[np.ndarray]:
        """`x (V, D)` -> its product with the input weights, biases added, of each direction of the first layer."""
        return [direction.project(x) for direction in self.layers[0]]  # (V, G*H)

    def backward(self, dy: np.ndarray, dstate_T: State | None, tape: Any) -> tuple[np.ndarray, State]:
        """`dy (N, R*H)` and the gradient of the final states (None: 0) -> `dx`, shaped as x, that of the initial."""
        batch_size, tapes = tape
        dstate_T = dstate_T or self.zero_state(batch_size, dy.dtype)
        starts: list[State] = []
        for layer, (mask, layer_tapes) in zip(reversed(self.layers), reversed(tapes), strict=True):
            # y = [h of each direction]
            dx = None
            for r in reversed(range(len(layer))):
                place = -1 - len(starts)
                dh = self._columns(dy, r)  # (N, H)
                dx_r, dstate_0 = layer[r].backward(dh, tuple(s[place] for s in dstate_T), layer_tapes[r])
                dx = dx_r if dx is None else np.add(dx, dx_r, out=dx)
                starts.append(dstate_0)
            assert dx is not None
            dy = self.dropout.backward(dx, mask)
        return dy, tuple(np.stack(s) for s in zip(*reversed(starts), strict=True))


class Window(NamedTuple):
    """Some consecutive steps of a packed batch: which rows they are, and their batch sizes."""

    rows: slice
    batch_sizes: np.ndarray


class Direction:
    """One layer walking one way."""

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
        self.cell, self.reverse = cell, reverse
        self.weight_drop = Dropout(weight_drop)
        gates, bound = kernels.CELLS[cell], hidden_size**-0.5
        self.W_x = uniform(gates * hidden_size, input_size, bound=input_size**-0.5, dtype=dtype, rng=rng)  # (G*H, D)
        self.W_h = uniform(gates * hidden_size, hidden_size, bound=bound, dtype=dtype, rng=rng)  # (G*H, H)
        self.b_x = uniform(gates * hidden_size, bound=bound, dtype=dtype, rng=rng)  # (G*H,)
        self.b_h = uniform(gates * hidden_size, bound=bound, dtype=dtype, rng=rng)  # (G*H,)
        if cell == "lstm":
            self.b_x.value[hidden_size : 2 * hidden_size] += 1  # remember at first (Jozefowicz et al. 2015)
        # The GRU resets its hidden product after the bias, so that part of b_h goes with the recurrence, not the input.
        self.candidate = slice(2 * hidden_size, None) if cell == "gru" else slice(0, 0)

    def parameters(self) -> dict[str, Parameter]:
        return {"W_x": self.W_x, "W_h": self.W_h, "b_x": self.b_x, "b_h": self.b_h}

    def weights(self) -> LayerWeights:
        """The parameters as the kernels take them: the biases added up as far as they can be."""
        bias = self.b_x.value + self.b_h.value  # (G*H,)
        bias[self.candidate] = self.b_x.value[self.candidate]
        b_hn = self.b_h.value[self.candidate] if self.cell == "gru" else None  # (H,)
        return LayerWeights(self.W_x.value, self.W_h.value, bias, b_hn)

    def project(self, x: np.ndarray) -> np.ndarray:
        """`x (N, D)` -> the input's share of the gates, `(N, G*H)`."""
        weights = self.weights()
        return kernels.of(x).product_nt(x, weights.W_x, weights.bias)

    def forward(
        self,
        x: np.ndarray,
        batch_sizes: np.ndarray,
        state: State,
        *,
        rng: np.random.Generator | None,
        tokens: np.ndarray | None,
        bptt: int | None,
        keep_tape: bool,
        pre: np.ndarray | None = None,
        out: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State, Any]:
        """`x (N, D)`, `state` of `(B, H)` -> `h (N, H)`, the final state, tape. With `tokens`, x is `(V, D)`.

        `pre` is what `project` makes of x, if that is there; `out` receives h, if given.
        """
        k, weights = kernels.of(x), self.weights()
        W_h, mask = self.weight_drop.forward(weights.W_h, np.array([len(weights.W_h)]), rng=rng)  # (G*H, H)
        if pre is None:
            pre = self.project(x)  # (N, G*H), or (V, G*H)
        if out is None:
            out = k.empty((int(batch_sizes.sum()), W_h.shape[1]), x.dtype)
        running = tuple(s.copy() for s in state)  # (B, H)
        tapes = []
        windows = self._windows(batch_sizes, bptt)
        for window in windows:
            B_w = int(window.batch_sizes[0])
            _, ends, tape = k.forward(
                self.cell,
                pre[window.rows] if tokens is None else pre,
                window.batch_sizes,
                tuple(s[:B_w].copy() for s in running),  # the tape keeps them
                W_h,
                weights.b_hn,
                reverse=self.reverse,
                tokens=None if tokens is None else tokens[window.rows],
                keep_tape=keep_tape,
                overwrite=tokens is None,
                out=out[window.rows],
            )
            for s, end in zip(running, ends, strict=True):
                s[:B_w] = end
            tapes.append(tape)
        return out, running, (x, tokens, mask, windows, tapes)

    def backward(self, dh: np.ndarray, dstate_T: State, tape: Any) -> tuple[np.ndarray, State]:
        """`dh (N, H)` and the gradient of the final state -> `dx`, of the shape of x, and that of the initial state."""
        x, tokens, mask, windows, tapes = tape
        k = kernels.of(x)
        parts = []
        running = tuple(s.copy() for s in dstate_T)  # (B, H)
        for w in reversed(range(len(windows))):
            window = windows[w]
            B_w = int(window.batch_sizes[0])
            part, starts, dW_h, db_hn = k.backward(
                dh[window.rows], tuple(s[:B_w] for s in running), tapes[w], overwrite=True
            )
            parts.append(part)
            # Rows that came from the window before: here the gradient is cut.
            carried = min(B_w, int(windows[w - 1].batch_sizes[0])) if w > 0 else 0
            for s, start in zip(running, starts, strict=True):
                s[:B_w] = start
                s[:carried] = 0
            self.W_h.add(self.weight_drop.backward(dW_h, mask))
            if db_hn is not None:
                self.b_h.grad[self.candidate] += db_hn
        dpre = parts[0] if len(parts) == 1 else np.concatenate(parts if self.reverse else parts[::-1])  # (N, G*H)
        if tokens is not None:
            # row n of pre is row tokens[n] of the table
            dtable = np.zeros((len(x), dpre.shape[1]), dpre.dtype)  # (V, G*H)
            k.add_rows(dpre, tokens, dtable)
            dpre = dtable
        # pre = x @ W_x.T + b_x + b_h
        db = np.empty_like(self.b_x.value)  # (G*H,)
        self.W_x.add(k.product_tn(dpre, x, sums=db))
        self.b_x.add(db)
        db[self.candidate] = 0
        self.b_h.add(db)
        return k.product(dpre, self.W_x.value), running

    def _windows(self, batch_sizes: np.ndarray, bptt: int | None) -> list[Window]:
        """The stretches of `bptt` steps, in the order of the walk."""
        T = len(batch_sizes)
        length = bptt or T
        offsets = offsets_of(batch_sizes)
        windows = [
            Window(slice(offsets[t], offsets[min(t + length, T)]), batch_sizes[t : t + length])
            for t in range(0, T, length)
        ]
        return windows[::-1] if self.reverse else windows


def num_parameters(cell: str, input_size: int, hidden_size: int, num_layers: int, directions: int = 1) -> int:
    """The number of parameters of recurrent layers of `cell`."""
    rows = directions * kernels.CELLS[cell] * hidden_size  # of W_x and W_h, and of two biases
    first, further = input_size + hidden_size + 2, directions * hidden_size + hidden_size + 2
    return rows * (first + (num_layers - 1) * further)
