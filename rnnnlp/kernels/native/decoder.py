"""Decoding: a language model that reads and samples many tokens in one call."""

# L layers, H hidden, G gates, V vocabulary, D embedding

from collections.abc import Sequence

import numpy as np

from rnnnlp.kernels.backend import Array, LayerWeights, State
from rnnnlp.kernels.native import _native
from rnnnlp.kernels.native.matmul import matmul_nt
from rnnnlp.kernels.native.rows import as_ids

TOKENS_OF_CALL = 1024  # between them Python notices Ctrl-C, and other threads get the kernels


class Decoder:
    """A language model that goes on token by token; `kernels.backend` documents its methods.

    It copies the weights, packed for batch size 1, so later changes of them are not seen. It begins with a state of
    zeros.

    Args:
        cell: One of `cells()`.
        embedding: `(V, D)`.
        layers: The weights of each recurrent layer.
        W_out: Output weights `(V, H)`.
        b_out: Output bias `(V,)`.

    Raises:
        ValueError: The cell is unknown, a shape is wrong, or an extra parameter is missing.
    """

    def __init__(self, cell: str, embedding: Array, layers: Sequence[LayerWeights], W_out: Array, b_out: Array):
        table = matmul_nt(embedding, layers[0].W_x, layers[0].bias)  # (V, G*H)
        weights = [(w.W_x if k > 0 else None, w.W_h, w.bias, list(w.extra)) for k, w in enumerate(layers)]
        self._decoder, self._vocabulary = _native.Decoder(cell, table, weights, W_out, b_out), len(b_out)

    @property
    def logits(self) -> Array:
        """The logits `(V,)` of the next token."""
        return self._decoder.logits()

    @property
    def state(self) -> State:
        """The state after the tokens read so far, arrays `(L, H)`."""
        return tuple(self._decoder.state())

    def set(self, state: State, logits: Array) -> None:
        """Continues from another place, with its `state` and `logits`."""
        self._decoder.set([np.ascontiguousarray(s) for s in state], logits)

    def read(self, tokens: Array) -> Array:
        """Reads `tokens (n,)`, n >= 1, and returns the logits `(V,)` of the token after them."""
        tokens = as_ids(tokens)
        if ((tokens < 0) | (tokens >= self._vocabulary)).any():  # before any of them is read
            raise ValueError(f"tokens must be from 0 to {self._vocabulary - 1}")
        for first in range(0, len(tokens), TOKENS_OF_CALL):
            self._decoder.read(tokens[first : first + TOKENS_OF_CALL])
        return self._decoder.logits()

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
        """Samples one token for each of `uniforms` and reads it, by the rule of `kernels.sampling`."""
        excluded = -1 if unknown_id is None else unknown_id
        before = np.array(recent, np.int32)
        if not ((uniforms >= 0) & (uniforms < 1)).all():  # before any token is sampled
            raise ValueError("uniforms must be from [0, 1)")
        tokens: list[int] = []
        for first in range(0, len(uniforms), TOKENS_OF_CALL):
            part = uniforms[first : first + TOKENS_OF_CALL]
            tokens += self._decoder.sample(
                part, temperature, top_k, top_p, repetition_penalty, repetition_window, excluded, before
            )
            if repetition_window > 0:
                before = np.concatenate([before, np.array(tokens[first:], np.int32)])[-repetition_window:]
        return tokens
