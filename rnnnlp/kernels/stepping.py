"""A language model one token at a time, in NumPy."""

# L layers, H hidden, G gates, V vocabulary, D embedding

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.kernels.choice import choose
from rnnnlp.kernels.reference import State, forward

Array = np.ndarray


class LayerWeights(NamedTuple):
    """A layer as the steps need it."""

    W_x: Array  # (G*H, D or H)
    W_h: Array  # (G*H, H)
    bias: Array  # (G*H,) that of `pre`: for the GRU's candidate only the input's
    b_hn: Array | None  # (H,) of the GRU


class LanguageModel:
    """Copies weights, carries a state, zeros at first, and has the `logits (V,)` of what follows."""

    def __init__(self, cell: str, embedding: Array, layers: Sequence[LayerWeights], W_out: Array, b_out: Array):
        self.cell, self.W_out, self.b_out = cell, W_out.copy(), b_out.copy()
        # In this order `forward` can use W_h as it is; in the other it would transpose it at each step.
        self.layers = [w._replace(W_x=w.W_x.copy(), W_h=w.W_h.copy(order="F")) for w in layers]
        self.table = embedding @ layers[0].W_x.T + layers[0].bias  # (V, G*H)
        shape = (len(layers), layers[0].W_h.shape[1])
        self.state: State = tuple(np.zeros(shape, embedding.dtype) for _ in range(2 if cell == "lstm" else 1))  # (L, H)
        self.logits = self.b_out

    def set(self, state: State, logits: Array) -> None:
        """Goes on from another place: the `state` and the `logits` that were there."""
        self.state, self.logits = state, logits

    def read(self, tokens: Array) -> Array:
        """Goes on with `tokens (n,)`, n >= 1; returns the logits `(V,)` of what follows them."""
        ones = np.ones(len(tokens), np.int64)
        ends: list[State] = []
        h = np.empty(0)
        for k, w in enumerate(self.layers):
            pre = h @ w.W_x.T + w.bias if k > 0 else self.table[tokens]  # (n, G*H)
            h, end, _ = forward(self.cell, pre, ones, tuple(s[k : k + 1] for s in self.state), w.W_h, w.b_hn)  # (n, H)
            ends.append(end)
        self.state = tuple(np.concatenate(s) for s in zip(*ends, strict=True))
        self.logits = h[-1] @ self.W_out.T + self.b_out
        return self.logits

    def sample(
        self,
        uniforms: Array,
        *,
        repetition_window: int = 64,
        recent: Sequence[int] = (),
        **options: Any,
    ) -> list[int]:
        """Goes on with as many tokens as there are `uniforms`, numbers from [0, 1), each chosen as `choose` says.

        `recent` are the tokens made before this call; the last `repetition_window` are penalised.
        """
        tokens: list[int] = []
        for uniform in uniforms:
            lately = [*recent, *tokens][-repetition_window:]
            tokens.append(choose(self.logits, lately, uniform, **options))
            self.read(np.array(tokens[-1:]))
        return tokens
