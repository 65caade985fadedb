"""N-grams as nodes of an ONNX graph: the hashed features beside the network, and the linear models."""

# B texts, T tokens of the longest, n of an n-gram, M unique n-grams of all texts, F n-grams of a vocabulary, K classes,
# C columns of the weights

from __future__ import annotations

import numpy as np

from rnnnlp.batches import ngrams as hashing
from rnnnlp.exchange.onnx_graph import Graph, Value
from rnnnlp.layers.ngram_features import MAX_N, NGRAM_MULTIPLIER, SCALE, TOKEN_MULTIPLIER, NgramFeatures
from rnnnlp.tasks.sentiment.linear import SPACE, TINY, LinearModel, NgramModel


def hashed_features(graph: Graph, layer: NgramFeatures, ids: Value, lengths: Value, name: str) -> Value:
    """The logits `(B, K)` of `NgramFeatures`.

    Args:
        graph: The graph.
        layer: The trained features.
        ids: int64 `(B, T)`.
        lengths: int64 `(B,)`.
        name: What the names of the weights begin with.
    """
    buckets = len(layer.log_count_ratio)
    alive = alive_tokens(graph, ids, lengths)
    ngram = ids + np.int64(1)  # (B, T): the n-gram that ends at each token; the beginning counts as one more token, 0
    beginning = graph.cut(ids, 0, 1) * np.int64(0)
    last = ngram * np.int64(TOKEN_MULTIPLIER)
    found = [graph.node("Mod", last, np.array(buckets))]
    for _ in range(1, MAX_N):
        before = graph.concatenate([beginning, graph.cut(ngram, 0, -1)], 1)
        ngram = before * np.int64(NGRAM_MULTIPLIER) + last + np.int64(1)
        found.append(graph.node("Mod", ngram, np.array(buckets)))
    rows = unique_by_text(graph, [(of_n, alive) for of_n in found], buckets)
    product = layer.log_count_ratio * layer.weight.value  # (buckets, K)
    values = graph.node("Gather", graph.constant(product.astype(np.float32), f"{name}ngrams"), rows.places)  # (M, K)
    sums = rows.sums(values)  # (B, K)
    number = rows.sums(graph.node("Unsqueeze", graph.cast(rows.places, np.float32) * 0.0 + 1.0, graph.ints(1)))
    return sums * (SCALE / graph.node("Sqrt", number))


def linear_model(
    graph: Graph, model: LinearModel, tokens: tuple[Value, Value], characters: tuple[Value, Value] | None, name: str
) -> Value:
    """The logits `(B, K)` of the linear models of all views.

    Args:
        graph: The graph.
        model: The trained models.
        tokens: Their ids, int64 `(B, T)`, and their number in each text, int64 `(B,)`.
        characters: The same of code points, if there is a view of these.
        name: What the names of the weights begin with.
    """
    total: Value | None = None
    for weight, (view, of_view) in zip(model.weights.tolist(), model.views.items(), strict=True):
        if not weight:
            continue
        seen = characters if of_view.view.characters else tokens
        assert seen is not None
        logits = _of_view(graph, of_view, *seen, f"{name}linear.{view}") * weight
        total = logits if total is None else total + logits
    if total is None:  # none of the views has a weight
        zeros = np.zeros((1, next(iter(model.views.values())).classes), np.float32)
        total = graph.node("Unsqueeze", graph.cast(tokens[1], np.float32), graph.ints(1)) * zeros
    return total


def needs_characters(model: LinearModel | None) -> bool:
    """Whether a linear model reads the characters of a text, besides its tokens."""
    views = [] if model is None else zip(model.weights.tolist(), model.views.values(), strict=True)
    return any(weight and of_view.view.characters for weight, of_view in views)


def _of_view(graph: Graph, model: NgramModel, ids: Value, lengths: Value, name: str) -> Value:
    view, F = model.view, len(model.ngrams)
    bias = graph.constant(model.bias.astype(np.float32), f"{name}.bias")
    vocabulary = graph.constant(model.ngrams, f"{name}.ngrams")
    found = [
        (places_in(graph, vocabulary, F, ngrams), whole)
        for ngrams, whole in ngrams_in(
            graph, ids, lengths, view.shortest, view.longest, space=SPACE if view.characters else None
        )
    ]
    known = [(place, graph.node("And", whole, is_there)) for (place, is_there), whole in found]
    rows = unique_by_text(graph, known, F)
    scale = graph.node("Gather", graph.constant(model.scale, f"{name}.scale"), rows.places)  # (M,)
    values = graph.node("Unsqueeze", (np.log(rows.counts) + 1.0) * scale, graph.ints(1))  # (M, 1)
    norms = np.sqrt(graph.node("Max", rows.sums(values * values), TINY))  # (B, 1)
    weight = graph.node("Gather", graph.constant(model.weight, f"{name}.weight"), rows.places)  # (M, C)
    z = rows.sums(values * weight) / norms + bias  # (B, C)
    return graph.concatenate([z * -0.5, z * 0.5], 1) if model.classes == 2 else z  # as `linear.spread`


def alive_tokens(graph: Graph, ids: Value, lengths: Value) -> Value:
    """Whether each place `(B, T)` has a token, and no padding."""
    steps = graph.node("Unsqueeze", graph.count_up(graph.length(ids, 1)), graph.ints(0))  # (1, T)
    return graph.node("Less", steps, graph.node("Unsqueeze", lengths, graph.ints(1)))


def ngrams_in(
    graph: Graph, ids: Value, lengths: Value, shortest: int, longest: int, *, space: int | None
) -> list[tuple[Value, Value]]:
    """As `batches.ngrams.ngrams_in`: for each n the hashes of the n-grams that begin at each place, `(B, T - n + 1)`,

    and which of these places there are.
    """

    def unsigned(x: Value) -> Value:
        return graph.cast(x, np.uint64)

    def signed(x: Value) -> Value:  # int64 multiplies modulo 2**64 as uint64 does, for which there is no Mul everywhere
        return graph.cast(x, np.int64)

    def shifted_right(x: Value, bits: int) -> Value:
        return graph.node("BitShift", x, np.array(bits, np.uint64), direction="RIGHT")

    alive = alive_tokens(graph, ids, lengths)
    shifted, ngram, found = ids + np.int64(1), ids * np.int64(0), []
    spaces = None
    if space is not None:
        is_space = graph.cast(graph.node("Equal", ids, np.array(space)), np.int64)
        spaces = graph.node("CumSum", is_space, np.array(1))
    following, mixing = (np.array(int(k)).astype(np.uint64).astype(np.int64) for k in (hashing._NEXT, hashing._MIXED))
    for n in range(1, longest + 1):
        ngram = (ngram if n == 1 else graph.cut(ngram, 0, -1)) * following + graph.cut(shifted, n - 1)
        if n < shortest:
            continue
        whole = graph.cut(alive, n - 1)
        if n > 2 and spaces is not None:
            same = graph.node("Equal", graph.cut(spaces, 0, 1 - n), graph.cut(spaces, n - 2, -1))
            whole = graph.node("And", whole, same)
        bits = unsigned(ngram)
        folded = signed(graph.node("BitwiseXor", bits, shifted_right(bits, 29)))
        found.append((signed(shifted_right(unsigned(folded * mixing), 64 - hashing._BITS)), whole))
    return found


def places_in(graph: Graph, vocabulary: Value, size: int, wanted: Value) -> tuple[Value, Value]:
    """A binary search in ascending numbers: the place of each wanted one, and whether it is there."""
    place = wanted * np.int64(0)
    step = 1 << max(0, (size - 1).bit_length() - 1)
    while step and size > 1:
        further = graph.node("Min", place + np.int64(step), np.array(size - 1))
        fits = graph.node("LessOrEqual", graph.node("Gather", vocabulary, further), wanted)
        place = graph.node("Where", fits, further, place)
        step //= 2
    return place, graph.node("Equal", graph.node("Gather", vocabulary, place), wanted)


class Rows:
    """The unique n-grams of each text: a sparse matrix.

    Attributes:
        places: int64 `(M,)`, the place of each in the table of all n-grams.
        counts: float32 `(M,)`, how often it occurs in its text.
    """

    def __init__(self, graph: Graph, text: Value, places: Value, counts: Value, number: Value):
        self.graph, self.places, self.counts, self._text, self._number = graph, places, counts, text, number

    def sums(self, values: Value) -> Value:
        """The sums of `values (M, C)` of each text, `(B, C)`."""
        beyond = self._number + np.array([1])  # the last row has what is not an n-gram
        return self.graph.cut(self.graph.sums_by_row(self._text, values, beyond), 0, -1, axis=0)


def unique_by_text(graph: Graph, found: list[tuple[Value, Value]], size: int) -> Rows:
    """The unique n-grams of each text.

    Args:
        graph: The graph.
        found: For each n, int64 places in the table of all n-grams, `(B, any)`, and which of them count.
        size: The number of places of that table.
    """
    number = graph.length(found[0][0], 0)  # (1,)
    text = graph.node("Unsqueeze", graph.count_up(number), graph.ints(1)) * np.int64(size)  # (B, 1)
    none = number * np.int64(size)  # the first key beyond all texts
    keys = [
        graph.node("Reshape", graph.node("Where", counts, place + text, none), graph.ints(-1))
        for place, counts in found
    ]
    # The first key beyond all texts is always there: an empty list of keys would be none for Unique.
    unique, _, _, counted = graph.nodes_of("Unique", 4, graph.concatenate([*keys, none], 0), sorted=1)
    return Rows(
        graph,
        unique / np.int64(size),
        graph.node("Mod", unique, np.array(size)),
        graph.cast(counted, np.float32),
        number,
    )
