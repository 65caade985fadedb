"""The ONNX graph of a character language model, with its state as inputs and outputs."""

# B streams, T steps, L layers, H hidden, V vocabulary

from __future__ import annotations

import numpy as np

from rnnnlp.exchange.onnx_graph import Graph
from rnnnlp.exchange.onnx_recurrent import recurrent
from rnnnlp.tasks.char_lm.network import CharLMNetwork

BEFORE, AFTER = "state_{}", "next_state_{}"  # the names of an input and an output for each state of the cell


def language_model_graph(network: CharLMNetwork) -> Graph:
    """The graph of a language model.

    Its inputs are `ids`, int64 `(batch, time)`, and a state of zeros or what an earlier call returned, `(layers, batch,
    hidden)`. Its outputs are the logits of the ids that follow, `(batch, time, vocabulary)`, and the state behind them.

    Raises:
        UserError: If its cell has no counterpart in ONNX.
    """
    graph, layers, head = Graph(), network.recurrent, network.head
    ids = graph.takes("ids", np.int64, ["batch", "time"])
    shape: list[int | str] = [len(layers.layers), "batch", layers.hidden_size]
    state = [graph.takes(BEFORE.format(name), np.float32, shape) for name in layers.cell.states]
    weight = graph.constant(network.embedding.weight.value.astype(np.float32), "embedding.weight")
    x = graph.node("Gather", weight, graph.node("Transpose", ids))  # (T, B, D)
    y, after = recurrent(graph, layers, x, None, state)  # (T, B, H)
    of_head = weight if head.tied else graph.constant(head.weight.value.astype(np.float32), "head.weight")
    logits = graph.node("Transpose", y, perm=[1, 0, 2]) @ of_head.T
    logits = logits + graph.constant(head.bias.value.astype(np.float32), "head.bias")
    graph.returns(logits, "logits", np.float32, ["batch", "time", network.config.vocab_size])
    for name, value in zip(layers.cell.states, after, strict=True):
        graph.returns(value, AFTER.format(name), np.float32, shape)
    return graph
