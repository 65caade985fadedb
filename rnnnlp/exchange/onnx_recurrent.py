"""Recurrent layers as nodes of an ONNX graph: its own RNN, GRU and LSTM, and a Scan for any other cell."""

# T steps, B sequences, D input, H hidden, G gates, L layers, R directions

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.exchange.onnx_graph import Graph, Value
from rnnnlp.kernels.backend import LayerWeights
from rnnnlp.kernels.cells import Cell
from rnnnlp.layers.recurrent import Direction, Recurrent


class Known(NamedTuple):
    """A cell that ONNX has: its node, the order of its gates, and further attributes."""

    kind: str
    gates: tuple[str, ...]
    attributes: dict[str, Any] = {}  # noqa: RUF012 - it is never changed
    activation: str | None = None


KNOWN = {
    "lstm": Known("LSTM", ("i", "o", "f", "g")),
    "gru": Known("GRU", ("z", "r", "n"), {"linear_before_reset": 1}),
    "gru_reset_first": Known("GRU", ("z", "r", "n"), {"linear_before_reset": 0}),
    "elman_tanh": Known("RNN", ("h",), activation="Tanh"),
    "elman_relu": Known("RNN", ("h",), activation="Relu"),
}


class Outputs(NamedTuple):
    """What recurrent layers compute."""

    y: Value  # (T, B, R*H)
    state: list[Value]  # (L*R, B, H) for each state of the cell: after each sequence's last step


def recurrent(
    graph: Graph,
    layers: Recurrent,
    x: Value,
    lengths: Value | None,
    state: Sequence[Value] | None = None,
    name: str = "",
) -> Outputs:
    """Adds recurrent layers to a graph.

    Args:
        graph: The graph.
        layers: The trained layers.
        x: Inputs `(T, B, D)`.
        lengths: The number of steps of each sequence, int64 `(B,)`, at least 1; None: all have T.
        state: Initial states `(L*R, B, H)`, one for each state of the cell; None: zeros.
        name: What the names of the weights begin with.

    Raises:
        UserError: If a cell that ONNX lacks computes something that cannot be written as nodes.
    """
    R = len(layers.layers[0])
    add = _known if layers.cell.name in KNOWN else _scan
    ends = []
    for k, layer in enumerate(layers.layers):
        initial = [graph.cut(s, k * R, (k + 1) * R, axis=0) for s in state] if state is not None else None
        x, end = add(graph, layers.cell, layer, x, lengths, initial, f"{name}recurrent.{k}")
        ends.append(end)
    return Outputs(x, [graph.concatenate(list(of_layers), 0) for of_layers in zip(*ends, strict=True)])


def _known(
    graph: Graph,
    cell: Cell,
    layer: Sequence[Direction],
    x: Value,
    lengths: Value | None,
    initial: list[Value] | None,
    name: str,
) -> tuple[Value, list[Value]]:
    """A layer as a node of its own; what comes in and goes out is as for `_scan`."""
    known, H = KNOWN[cell.name], layer[0].hidden_size
    order = np.concatenate([np.arange(H) + cell.gates.index(gate) * H for gate in known.gates])
    W, R, b = [], [], []
    for direction in layer:
        W.append(direction.W_x.value[order])
        R.append(direction.W_h.value[order])
        b.append(np.concatenate([direction.b_x.value[order], direction.b_h.value[order]]))
    attributes: dict[str, Any] = {
        "hidden_size": H,
        "direction": "bidirectional" if len(layer) == 2 else "forward",
        **known.attributes,
    }
    if known.activation is not None:
        attributes["activations"] = [known.activation] * len(layer)
    y, *end = graph.nodes_of(
        known.kind,
        1 + len(cell.states),
        x,
        *(
            graph.constant(np.stack(arrays).astype(np.float32), f"{name}.{kind}")
            for kind, arrays in (("W", W), ("R", R), ("B", b))
        ),
        None if lengths is None else graph.cast(lengths, np.int32),
        *(initial or ()),
        **attributes,
    )  # (T, R, B, H)
    y = graph.node("Transpose", y, perm=[0, 2, 1, 3])
    return graph.node("Reshape", y, graph.ints(0, 0, len(layer) * H)), end


def _scan(
    graph: Graph,
    cell: Cell,
    layer: Sequence[Direction],
    x: Value,
    lengths: Value | None,
    initial: list[Value] | None,
    name: str,
) -> tuple[Value, list[Value]]:
    """A layer of a cell that ONNX lacks: its definition, once for each step.

    Args:
        graph: The graph.
        cell: The cell.
        layer: Its directions.
        x: Inputs `(T, B, D)`.
        lengths: `(B,)`, or None.
        initial: The initial states, `(R, B, H)` each; None: zeros.
        name: What the names of the weights begin with.

    Returns:
        The outputs `(T, B, R*H)`, and the final states `(R, B, H)`.
    """
    H, ys, ends = layer[0].hidden_size, [], []
    T, B = graph.length(x, 0), graph.length(x, 1)
    steps = graph.node("Unsqueeze", graph.count_up(T), graph.ints(1))  # (T, 1)
    until = graph.node("Expand", T, B) if lengths is None else lengths
    alive = graph.node("Less", steps, graph.node("Unsqueeze", until, graph.ints(0)))  # (T, B)
    alive = graph.node("Unsqueeze", alive, graph.ints(2))  # (T, B, 1)
    for r, direction in enumerate(layer):
        weights, of = direction.weights(), f"{name}.{r}"
        pre = x @ graph.constant(weights.W_x.T.astype(np.float32), f"{of}.W_x") + weights.bias.astype(np.float32)
        if initial is None:
            shape = graph.concatenate([B, graph.ints(H)], 0)
            before = [graph.node("Expand", graph.constant(np.float32(0)), shape) for _ in cell.states]
        else:
            before = [graph.node("Squeeze", graph.cut(s, r, r + 1, axis=0), graph.ints(0)) for s in initial]
        *end, y = graph.nodes_of(
            "Scan",
            1 + len(cell.states),
            *before,
            pre,
            alive,
            body=_step(graph, cell, weights, of),
            num_scan_inputs=2,
            scan_input_directions=[int(direction.reverse)] * 2,
            scan_output_directions=[int(direction.reverse)],
        )
        ys.append(y)
        ends.append([graph.node("Unsqueeze", s, graph.ints(0)) for s in end])
    return graph.concatenate(ys, 2), [graph.concatenate(list(s), 0) for s in zip(*ends, strict=True)]


def _step(graph: Graph, cell: Cell, weights: LayerWeights, name: str) -> Any:
    """One step of a cell as the body of a Scan: from states, `pre` and what is alive to states and an output.

    Args:
        graph: The graph that has the Scan.
        cell: The cell.
        weights: Those of the layer and direction.
        name: What the names of the weights begin with.
    """
    body = graph.body()
    states = tuple(body.takes(body.name(state), np.float32, None) for state in cell.states)
    pre, alive = body.takes(body.name("pre"), np.float32, None), body.takes(body.name("alive"), np.bool_, None)
    W_h = body.constant(weights.W_h.astype(np.float32), f"{name}.W_h")
    extra = tuple(
        body.constant(array.astype(np.float32), f"{name}.{e.name}")
        for e, array in zip(cell.extra, weights.extra, strict=True)
    )
    try:
        after, _ = cell.step(pre, states, W_h, extra)  # type: ignore[arg-type] # values in place of arrays
    except (NotImplementedError, TypeError, AttributeError) as error:
        raise UserError(
            f"the step of the cell {cell.name} has no counterpart in ONNX ({error}); write it with the NumPy "
            "functions of kernels/definition.py, or export a model with another cell"
        ) from error
    for value, earlier in zip(after, states, strict=True):
        body.returns(body.node("Where", alive, value, earlier), body.name("state"), np.float32, None)  # type: ignore[arg-type]
    body.returns(body.node("Where", alive, after[0], 0.0), body.name("y"), np.float32, None)  # type: ignore[arg-type]
    return body.proto(body.name("step"), constants=False)
