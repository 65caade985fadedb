"""A small network over a short text, with every number of backpropagation through time: to look at, and to play with.

See Bengio, Simard and Frasconi 1994 and Pascanu, Mikolov and Bengio 2013 for what becomes of the gradients.
"""

# T steps, H hidden, V vocabulary

from dataclasses import dataclass

import numpy as np

from rnnnlp.analysis.gradient_flow import state_gradients
from rnnnlp.analysis.hidden_units import steps_of
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.text.characters import CharTokenizer

EMBEDDING_SIZE = 8


@dataclass(frozen=True)
class Unrolled:
    """One cell over a text of T + 1 characters: the last one is predicted, and its loss goes back.

    Attributes:
        values: Gates and states after each step, by name, `(T, H)` each.
        loss: -log p of the last character, in nats.
        gradients: The gradient of the loss with respect to h after each step, `(T, H)`.
        norms: The norm of the gradient with respect to the whole state after each step, `(T,)`: for an LSTM h and c.
        first: The first step that the gradient reaches: earlier ones are beyond the cut.
    """

    values: dict[str, np.ndarray]
    loss: float
    gradients: np.ndarray
    norms: np.ndarray
    first: int


@np.errstate(over="ignore", invalid="ignore")  # of a large radius; what is not finite stays so, and the caller sees it
def unroll(
    cell: str,
    text: str,
    *,
    hidden_size: int = 8,
    spectral_radius: float = 1.0,
    bptt: int | None = None,
    seed: int = 1,
) -> Unrolled:
    """Runs an untrained network over a text, and the gradient of its last loss back.

    Args:
        cell: One of `CELLS`.
        text: Two characters or more.
        hidden_size: H.
        spectral_radius: That of the recurrent weights of each gate.
        bptt: The gradient is cut every `bptt` steps, counted from the first; None cuts nowhere.
        seed: Draws the weights.
    """
    model, ids = small_network(cell, text, hidden_size=hidden_size, spectral_radius=spectral_radius, seed=seed)
    x, _ = model.embedding.forward(ids[:-1])  # (T, D)
    values = steps_of(model.recurrent.layers[0][0], x)
    state = model.zero_state(1)
    T = len(ids) - 1
    first = 0 if bptt is None else (T - 1) // bptt * bptt
    last, loss = _at_the_end(model, values["h"][-1:], ids[-1:])  # gradient of h after the last step, (H,)
    before = list(state_gradients(model, ids[:, None], state))[::-1]  # of the state before each step: T of them
    gradients = np.stack([*(dstate[0][0, 0] for dstate in before[1:]), last])  # (T, H)
    norms = np.array(
        [*(np.sqrt(sum(np.square(s).sum() for s in dstate)) for dstate in before[1:]), np.linalg.norm(last)]
    )
    gradients[:first], norms[:first] = 0, 0
    return Unrolled(values, loss, gradients, norms, first)


def small_network(
    cell: str, text: str, *, hidden_size: int, spectral_radius: float, seed: int
) -> tuple[CharLMNetwork, np.ndarray]:
    """An untrained network in float64, and the ids of the text `(T + 1,)`; the arguments are those of `unroll`."""
    tokenizer = CharTokenizer.train([text])
    config = CharLMConfig(
        vocab_size=tokenizer.vocab_size,
        cell=cell,
        hidden_size=hidden_size,
        embedding_size=EMBEDDING_SIZE,
        num_layers=1,
        dropout=0.0,
        tied_weights=False,
    )
    model = CharLMNetwork(config, tokenizer, rng=np.random.default_rng(seed), dtype=np.float64)
    direction = model.recurrent.layers[0][0]
    for gate in np.split(direction.W_h.value, len(direction.cell.gates)):  # (H, H) each
        gate *= spectral_radius / np.abs(np.linalg.eigvals(gate)).max()
    return model, tokenizer.encode(text).astype(np.int64)


def _at_the_end(model: CharLMNetwork, h: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """The gradient `(H,)` of -log p with respect to the last output `(1, H)`, and -log p in nats."""
    logits, tape = model.head.forward(h)  # (1, V)
    loss, _, dlogits = softmax_cross_entropy(logits, target)
    dh: np.ndarray = model.head.backward(dlogits, tape)
    model.zero_grad()
    return dh[0], float(loss)
