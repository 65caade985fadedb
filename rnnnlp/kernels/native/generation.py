"""A language model one token at a time: the recurrent steps, the logits and the choice in one call for many tokens."""

# L layers, H hidden, G gates, V vocabulary, D embedding

from collections.abc import Sequence

import numpy as np

from rnnnlp.kernels.backend import LayerWeights
from rnnnlp.kernels.cells import CELLS
from rnnnlp.kernels.native import _native
from rnnnlp.kernels.native.products import matmul_nt
from rnnnlp.kernels.native.recurrence import NUMBERS, b_hn_of

Array = np.ndarray


class Decoder:
    """Copies the weights, packed for batch size 1; later changes of them are not seen.

    It has a state, zeros at first, and the logits of what follows.
    """

    def __init__(self, cell: str, embedding: Array, layers: Sequence[LayerWeights], W_out: Array, b_out: Array):
        first = layers[0]
        table = matmul_nt(embedding, first.W_x, first.bias)  # (V, G*H)
        weights = [(None if k == 0 else w.W_x, w.W_h, w.bias, b_hn_of(w.extra)) for k, w in enumerate(layers)]
        self._model = _native.LanguageModel(NUMBERS[cell], table, weights, W_out, b_out)
        self._states = len(CELLS[cell].states)

    def read(self, tokens: Array) -> Array:
        """Goes on with `tokens (n,)`, n >= 1; returns the logits `(V,)` of what follows them."""
        self._model.read(tokens.astype(np.int32, copy=False))
        return self._model.logits()

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
        """Goes on with as many tokens as `uniforms` (float64, from [0, 1)), chosen by the rule of `kernels.sampling`.

        `recent` are the tokens made before this call, for the repetition penalty.
        """
        before = np.array(recent, np.int32)
        excluded = -1 if unknown_id is None else unknown_id
        return self._model.sample(
            uniforms, temperature, top_k, top_p, repetition_penalty, repetition_window, excluded, before
        )

    @property
    def logits(self) -> Array:
        """The logits `(V,)` of what follows."""
        return self._model.logits()

    @property
    def state(self) -> tuple[Array, ...]:
        """For each of h (and c) `(L, H)`."""
        return self._model.state()[: self._states]

    def set(self, state: tuple[Array, ...], logits: Array) -> None:
        """Goes on from another place: `state` as above, and the logits `(V,)` there."""
        c = np.ascontiguousarray(state[1]) if self._states == 2 else None
        self._model.set(np.ascontiguousarray(state[0]), c, logits)
