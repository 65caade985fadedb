"""A model on a whole split: figures that do not depend on batch or window sizes."""

# N tokens, T steps, B streams, K classes

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.kernels.backend import State
from rnnnlp.models.bidirectional_lm import BidirectionalLM, both_ways
from rnnnlp.models.classifier import Classifier

WINDOW_TOKENS = 8192  # predicted at a time
WARMUP = 200  # tokens that a stream reads before its first counted one


class LanguageModel(Protocol):
    """A `CharLM`, or one direction of a `BidirectionalLM`."""

    def zero_state(self, batch_size: int) -> State: ...

    def forward(self, ids: np.ndarray, batch_sizes: np.ndarray, state: State) -> tuple[np.ndarray, State, Any]: ...

    def loss(
        self, inputs: np.ndarray, targets: np.ndarray, batch_sizes: np.ndarray, state: State
    ) -> tuple[float, float, State]: ...


def require_two(ids: np.ndarray) -> None:
    """UserError unless there is a token to predict from another."""
    if len(ids) < 2:
        raise UserError(f"the split has {len(ids)} tokens; to predict one from another it must have 2: give more text")


def language_model_loss(
    model: LanguageModel, ids: np.ndarray, *, streams: int = 1, on_progress: Callable[[int], Any] = lambda tokens: None
) -> tuple[float, int]:
    """Nats summed over all tokens of `ids (length,)` but the first, and their number.

    With one stream the state is carried through the whole text: that is the exact figure. More streams cut the text
    and read the pieces side by side, many times faster; each first reads the WARMUP tokens before its piece, so the
    figure is nearly the same. `on_progress` is called with the number of tokens done since the last call.
    """
    require_two(ids)
    streams = max(1, min(streams, (len(ids) - 1) // (2 * WARMUP)))
    length, longer = divmod(len(ids) - 1, streams)  # the first `longer` streams have one token more
    begin = np.arange(streams) * length + np.minimum(np.arange(streams), longer)  # (B,)
    state = _warm_state(model, ids, begin)
    loss_sum, count = 0.0, 0
    steps = max(1, WINDOW_TOKENS // streams)
    for start, stop, B in [(t, min(t + steps, length), streams) for t in range(0, length, steps)] + [
        (length, length + 1, longer)
    ]:
        if B == 0:
            continue
        places = (begin[:B] + np.arange(start, stop)[:, None]).ravel()  # (N,)
        carried = tuple(s[:, :B] for s in state)
        window_loss, window_count, state = model.loss(ids[places], ids[places + 1], np.full(stop - start, B), carried)
        loss_sum += window_loss
        count += int(window_count)
        on_progress(int(window_count))
    return loss_sum, count


def bidirectional_metrics(
    model: BidirectionalLM,
    ids: np.ndarray,
    *,
    streams: int = 1,
    on_progress: Callable[[int], Any] = lambda tokens: None,
) -> dict[str, Any]:
    """Perplexity of each direction on `ids (length,)`; "loss", in nats a token, and "perplexity" are of the mean."""
    losses = {}
    for name, text in zip(model.directions, both_ways(ids), strict=True):
        loss_sum, tokens = language_model_loss(model.directions[name], text, streams=streams, on_progress=on_progress)
        losses[f"perplexity_{name}"] = loss_sum / tokens
    loss = sum(losses.values()) / len(losses)
    perplexities = {name: float(np.exp(x)) for name, x in {"perplexity": loss, **losses}.items()}
    return {"loss": loss, **perplexities, "tokens": tokens}


def _warm_state(model: LanguageModel, ids: np.ndarray, begin: np.ndarray) -> State:
    """The state of each stream after the tokens before its place in `begin (B,)`; the first has none before it."""
    state = model.zero_state(len(begin))
    others = len(begin) - 1
    if others:
        places = (begin[1:] + np.arange(-WARMUP, 0)[:, None]).ravel()
        _, warm, _ = model.forward(ids[places], np.full(WARMUP, others), model.zero_state(others))
        for s, w in zip(state, warm, strict=True):
            s[:, 1:] = w
    return state


def document_logits(
    model: Classifier,
    texts: Sequence[str],
    *,
    chunk: int = 2000,
    on_progress: Callable[[int], Any] = lambda documents: None,
) -> np.ndarray:
    """`(len(texts), K)`, in their order; `on_progress` is called with the number of texts done since the last call."""
    parts = []
    for start in range(0, max(1, len(texts)), chunk):  # of no text there is one part, without a row
        parts.append(model.logits_of(texts[start : start + chunk]))
        on_progress(len(parts[-1]))
    return np.concatenate(parts)
