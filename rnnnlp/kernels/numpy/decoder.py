"""A language model one token at a time."""

# L layers, H hidden, G gates, V vocabulary, D embedding

from collections.abc import Sequence

import numpy as np

from rnnnlp.kernels.backend import Array, LayerWeights, State
from rnnnlp.kernels.cells import CELLS
from rnnnlp.kernels.numpy.recurrent import forward
from rnnnlp.kernels.sampling import sample_token
from rnnnlp.threads import holds_blas


class Decoder:
    """Reads and samples token by token: see `DecoderProtocol`."""

    @holds_blas
    def __init__(self, cell: str, embedding: Array, layers: Sequence[LayerWeights], W_out: Array, b_out: Array):
        self.cell, self.W_out, self.b_out = cell, W_out.copy(), b_out.copy()
        # In this order `forward` can use W_h as it is; in the other it would transpose it at each step.
        self.layers = [
            LayerWeights(w.W_x.copy(), w.W_h.copy(order="F"), w.bias.copy(), tuple(e.copy() for e in w.extra))
            for w in layers
        ]
        self.table = embedding @ layers[0].W_x.T + layers[0].bias  # (V, G*H)
        self.state = CELLS[cell].zero_state((len(layers), layers[0].W_h.shape[1]), embedding.dtype)  # (L, H) each
        self.logits = self.b_out.copy()  # of a state of zeros

    def set(self, state: State, logits: Array) -> None:
        """Continues from another place: see `DecoderProtocol.set`."""
        self.state, self.logits = state, logits

    @holds_blas
    def read(self, tokens: Array) -> Array:
        """Reads `tokens (n,)`, n >= 1; returns the logits `(V,)` of the token after them."""
        ones = np.ones(len(tokens), np.int64)
        ends: list[State] = []
        h = np.empty(0)
        for k, w in enumerate(self.layers):
            pre = h @ w.W_x.T + w.bias if k > 0 else self.table[tokens]  # (n, G*H)
            state = tuple(s[k : k + 1] for s in self.state)  # (1, H) each
            h, end, _ = forward(self.cell, pre, ones, state, w.W_h, w.extra)  # (n, H)
            ends.append(end)
        self.state = tuple(np.concatenate(s) for s in zip(*ends, strict=True))
        self.logits = h[-1] @ self.W_out.T + self.b_out
        return self.logits

    def sample(
        self,
        uniforms: Array,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        repetition_window: int = 64,
        unknown_id: int | None = None,
        recent: Sequence[int] = (),
    ) -> list[int]:
        """Samples one token for each of `uniforms (n,)` and reads it: see `DecoderProtocol.sample`."""
        uniforms = np.asarray(uniforms)
        if not ((uniforms >= 0) & (uniforms < 1)).all():
            raise ValueError("uniforms must be from [0, 1)")
        if not (temperature >= 0 and top_p > 0 and repetition_penalty > 0):
            raise ValueError("temperature must be at least 0; top_p and repetition_penalty must be above 0")
        tokens: list[int] = []
        for uniform in uniforms:
            before = [*recent, *tokens]
            token = sample_token(
                self.logits,
                before[max(0, len(before) - max(0, repetition_window)) :],
                uniform,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                repetition_penalty=repetition_penalty,
                unknown_id=unknown_id,
            )
            tokens.append(token)
            self.read(np.array([token]))
        return tokens
