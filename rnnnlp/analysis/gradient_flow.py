"""Vanishing and exploding gradients: how much of the gradient of one step's loss reaches each earlier step.

See Bengio, Simard and Frasconi 1994 ("Learning long-term dependencies with gradient descent is difficult") and
Pascanu, Mikolov and Bengio 2013 ("On the difficulty of training recurrent neural networks").
"""

# T steps, B streams, L layers, H hidden

from collections.abc import Iterator

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.kernels.backend import State
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.tasks.char_lm.network import CharLMNetwork


def state_gradients(model: CharLMNetwork, ids: np.ndarray, state: State) -> Iterator[State]:
    """The gradient of the last step's loss with respect to the state before each step.

    The loss of a stream is that of its own last step, so its gradients do not depend on the other streams.

    Args:
        model: The language model. Its parameters' gradients are zero afterwards.
        ids: `(T + 1, B)`, T steps of input and the targets of the last step.
        state: The state before the first step, arrays `(L, B, H)`.

    Yields:
        T gradients, from the last step to the first, each of the shapes of `state`.
    """
    one_step = np.array([ids.shape[1]])  # batch_sizes (1,)
    tapes = []
    for inputs in ids[:-1]:  # windows of one step, because each yields the gradient of its initial state
        x, _ = model.embedding.forward(inputs)  # (B, D)
        h, state, tape = model.recurrent.forward(x, one_step, state, rng=None)  # (B, H)
        tapes.append(tape)
    logits, head_tape = model.head.forward(h)  # (B, V)
    _, _, dlogits = softmax_cross_entropy(logits, ids[-1])
    dh = model.head.backward(dlogits, head_tape)  # (B, H)
    dstate = None
    for tape in reversed(tapes):
        _, dstate = model.recurrent.backward(dh, dstate, tape)
        model.zero_grad()
        yield dstate
        dh = np.zeros_like(dh)  # only the last step has a loss


@np.errstate(over="ignore", invalid="ignore")  # values that are not finite are checked below
def gradient_norms(model: CharLMNetwork, ids: np.ndarray, *, steps: int, streams: int) -> np.ndarray:
    """The norm of the gradient of a step's loss with respect to the state 1, 2, ... steps earlier.

    The state is that of all layers; for an LSTM, h and c together. Each stream first reads `steps` tokens, so its state
    is that of the middle of a text.

    Args:
        model: The language model; float64 is advised.
        ids: A text, `(length,)`.
        steps: Number of steps back in time.
        streams: Number of positions in the text, evenly spread.

    Returns:
        `(steps, streams)`.

    Raises:
        UserError: If the text is too short, or a gradient is not finite.
    """
    needed = 2 * steps + 1
    if len(ids) < needed:
        raise UserError(
            f"the text has {len(ids)} tokens and {steps} steps need {needed}; give more text or fewer steps"
        )
    begin = np.linspace(0, len(ids) - needed, streams).astype(np.int64)  # (B,)
    window = ids[begin + np.arange(needed)[:, None]]  # (2*T + 1, B)
    before, window = window[:steps], window[steps:]
    batch_sizes = np.full(steps, streams)
    _, state, _ = model.forward(before.ravel(), batch_sizes, model.zero_state(streams), keep_tape=False)
    norms = np.stack([_norms(dstate) for dstate in state_gradients(model, window, state)])
    if not np.isfinite(norms).all():
        raise UserError(f"over {steps} steps the gradients grow beyond any number; give fewer steps or a smaller scale")
    return norms


def _norms(state: State) -> np.ndarray:
    """The norm of each stream's part of a state `(L, B, H)`: `(B,)`."""
    return np.sqrt(sum(np.square(s).sum(axis=(0, 2)) for s in state))
