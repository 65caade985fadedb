"""The ONNX graph of a classifier: one network or an ensemble."""

# B texts, T tokens, H hidden, R directions, P pooled features, K classes

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnnlp.exchange.onnx_graph import Graph, Value
from rnnnlp.exchange.onnx_ngrams import alive_tokens, hashed_features, linear_model, needs_characters
from rnnnlp.exchange.onnx_recurrent import recurrent
from rnnnlp.layers.pooling import AttentionPool, LastPool, MeanMaxPool
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Tokenizer

LEAST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class TokenInput:
    """One way in which a classifier reads a text; the members of an ensemble may read it differently.

    Attributes:
        ids: The name of the input of ids, int64 `(batch, time)`.
        lengths: That of the number of ids of each text, int64 `(batch,)`.
        tokenizer: How the text becomes ids.
        max_length: The number of ids that are read of a text: of a longer one the beginning and the end.
        blank: The id that an empty text has.
    """

    ids: str
    lengths: str
    tokenizer: Tokenizer
    max_length: int
    blank: int


@dataclass(frozen=True)
class ClassifierGraph:
    """A classifier as a graph, whose outputs are `logits` and `probabilities`, `(batch, classes)` each.

    Attributes:
        graph: The graph.
        inputs: How it reads texts.
        characters: Whether it also has the inputs `characters` and `character_lengths`.
    """

    graph: Graph
    inputs: tuple[TokenInput, ...]
    characters: bool


def classifier_graph(model: SentimentNetwork | Ensemble) -> ClassifierGraph:
    """The graph of a classifier.

    Raises:
        UserError: If its cell has no counterpart in ONNX.
    """
    graph = Graph()
    members, shares = ([model], [1.0]) if isinstance(model, SentimentNetwork) else (model.members, model.shares)
    inputs: list[TokenInput] = []
    tokens: list[tuple[Value, Value]] = []  # of each of `inputs`
    reads: list[int] = []  # for each member the place of its input
    for member in members:
        alike = [k for k, one in enumerate(inputs) if _reads_alike(one, member)]
        reads += alike or [len(inputs)]
        if not alike:
            inputs.append(_input_of(member, f"_{len(inputs)}" if inputs else ""))
            tokens.append(_inputs(graph, inputs[-1].ids, inputs[-1].lengths, inputs[-1].ids.replace("ids", "time")))
    characters = None
    if any(needs_characters(member.linear) for member in members):
        characters = _inputs(graph, "characters", "character_lengths", "characters")
    total: Value | None = None
    for k, (member, share) in enumerate(zip(members, shares, strict=True)):
        logits = _member(graph, member, tokens[reads[k]], characters, f"members.{k}." if len(members) > 1 else "")
        if share != 1:
            logits = logits * share
        total = logits if total is None else total + logits
    assert total is not None
    shape: list[int | str] = ["batch", len(model.labels)]
    graph.returns(total, "logits", np.float32, shape)
    graph.returns(graph.node("Softmax", total / model.temperature, axis=-1), "probabilities", np.float32, shape)
    return ClassifierGraph(graph, tuple(inputs), characters is not None)


def _inputs(graph: Graph, ids: str, lengths: str, time: str) -> tuple[Value, Value]:
    return graph.takes(ids, np.int64, ["batch", time]), graph.takes(lengths, np.int64, ["batch"])


def _input_of(member: SentimentNetwork, end: str) -> TokenInput:
    tokenizer = member.tokenizer
    return TokenInput(f"ids{end}", f"lengths{end}", tokenizer, member.config.max_length, tokenizer.unknown_id or 0)


def _reads_alike(one: TokenInput, member: SentimentNetwork) -> bool:
    return one.max_length == member.config.max_length and one.tokenizer.to_json() == member.tokenizer.to_json()


def _member(
    graph: Graph,
    network: SentimentNetwork,
    tokens: tuple[Value, Value],
    characters: tuple[Value, Value] | None,
    name: str,
) -> Value:
    """The logits `(B, K)` of one network, with its linear models."""
    own, of_linear = network.stacking.tolist() if network.linear is not None else (1.0, 0.0)
    parts = []
    if own:
        logits = _network(graph, network, *tokens, name)
        parts.append(logits if network.linear is None else logits * own)
    if of_linear and network.linear is not None:
        parts.append(linear_model(graph, network.linear, tokens, characters, name) * of_linear)
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _network(graph: Graph, network: SentimentNetwork, ids: Value, lengths: Value, name: str) -> Value:
    weight = graph.constant(network.embedding.weight.value.astype(np.float32), f"{name}embedding.weight")
    x = graph.node("Gather", weight, graph.node("Transpose", ids))  # (T, B, D)
    y, state = recurrent(graph, network.recurrent, x, lengths, name=name)
    pooled = _pooled(
        graph, network, y, state[0], graph.node("Transpose", alive_tokens(graph, ids, lengths)), lengths, name
    )
    head = network.head
    logits = graph.node(
        "Gemm",
        pooled,
        graph.constant(head.weight.value.astype(np.float32), f"{name}head.weight"),
        graph.constant(head.bias.value.astype(np.float32), f"{name}head.bias"),
        transB=1,
    )
    if network.ngrams is not None:
        logits = logits + hashed_features(graph, network.ngrams, ids, lengths, name)
    return logits


def _pooled(
    graph: Graph, network: SentimentNetwork, y: Value, state: Value, alive: Value, lengths: Value, name: str
) -> Value:
    """The pooled outputs `(B, P)`.

    Args:
        graph: The graph.
        network: The network.
        y: The outputs `(T, B, R*H)`.
        state: The last output of each layer and direction, `(L*R, B, H)`.
        alive: Which steps there are, `(T, B)`.
        lengths: `(B,)`.
        name: What the names of the weights begin with.
    """
    pool: Any = network.pool
    alive = graph.node("Unsqueeze", alive, graph.ints(2))  # (T, B, 1)
    if isinstance(pool, LastPool):
        R = len(network.recurrent.layers[0])
        last = graph.node("Transpose", graph.cut(state, -R, axis=0), perm=[1, 0, 2])  # (B, R, H)
        return graph.node("Reshape", last, graph.ints(0, pool.output_size))
    if isinstance(pool, MeanMaxPool):
        parts = []
        for part in pool.parts:
            if part == "max":
                there = graph.node("Where", alive, y, LEAST)
                parts.append(graph.node("ReduceMax", there, graph.ints(0), keepdims=0))
            else:
                total = graph.sum(graph.node("Where", alive, y, 0.0), 0)
                parts.append(total / graph.node("Unsqueeze", graph.cast(lengths, np.float32), graph.ints(1)))
        return graph.concatenate(parts, 1)
    assert isinstance(pool, AttentionPool)
    query = graph.constant(pool.query.value.astype(np.float32)[:, None], f"{name}pool.query")
    score = graph.node("Where", alive, y @ query, LEAST)  # (T, B, 1)
    weighted = graph.node("Softmax", score, axis=0) * graph.node("Where", alive, y, 0.0)
    return graph.sum(weighted, 0)
