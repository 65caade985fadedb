"""Dynamic evaluation: the model keeps learning from the text that it has just predicted.

Krause, Kahembwe, Murray and Renals 2018, "Dynamic Evaluation of Neural Sequence Models": their rule with gradients
divided by their usual size, and with a decay back to the trained weights. The learning rate is chosen for each model.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.language_modelling import require_two

SEGMENTS, SEGMENT_WINDOWS = 10, 30  # of the training text, to measure how large gradients usually are
GAIN = 0.27  # nats per token that a model gains on a window by learning from it, if nothing else is said

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]  # one for each parameter, of its shape


@dataclass(frozen=True)
class Learning:
    """How fast a model learns from a window, how fast it forgets that again, and how many tokens a window has.

    Without a learning rate it is that of `usual_lr`.
    """

    lr: float | None = None
    decay: float = 1e-3
    window: int = 32

    def __post_init__(self) -> None:
        if self.lr is not None and not 0 <= self.lr < np.inf:
            raise UserError(f"{option('dynamic_lr')} is {self.lr}; it must be at least 0 and finite")


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is found, and said
def dynamic_loss(
    model: CharLMNetwork,
    ids: np.ndarray,
    train_ids: np.ndarray,
    learning: Learning,
    *,
    on_progress: Callable[[int], Any] = lambda tokens: None,
) -> tuple[float, int]:
    """As `language_model_loss` in one stream, with a model that learns from each window when it has been predicted."""
    require_two(ids)
    require_two(train_ids)
    loss_sum, count = 0.0, 0
    for window_loss, tokens in dynamic_losses(model, ids, gradient_sizes(model, train_ids, learning.window), learning):
        loss_sum += window_loss
        count += tokens
        on_progress(tokens)
    return loss_sum, count


def gradient_sizes(model: CharLMNetwork, ids: np.ndarray, window: int) -> Arrays:
    """The root mean square of each weight's gradient over windows of a training text, `ids (length,)`."""
    learner, squares, windows = model.copy(), _zeros(model), 0
    length = min(SEGMENT_WINDOWS * window, len(ids) - 1)
    for start in np.linspace(0, len(ids) - 1 - length, SEGMENTS).astype(int):
        for _ in _losses_and_gradients(learner, ids[start : start + length + 1], window):
            windows += 1
            for name, p in learner.parameters().items():
                squares[name] += p.grad * p.grad
    return {name: np.sqrt(square / windows) for name, square in squares.items()}


def dynamic_losses(
    model: CharLMNetwork, ids: np.ndarray, sizes: Arrays, learning: Learning
) -> Iterator[tuple[float, int]]:
    """Nats summed over each window of `ids (length,)`, and how many tokens were predicted; the first is only given.

    Each window is predicted with weights that have learned from the windows before it, and from nothing else. `sizes`
    are those of `gradient_sizes`. The model itself stays as it is.
    """
    learner, moved = model.copy(), _zeros(model)
    trained = {name: p.value for name, p in model.parameters().items()}
    mean = mean_of(sizes)
    lr = usual_lr(sizes) if learning.lr is None else learning.lr
    log.info("learning rate of dynamic evaluation: %.3g", lr)
    rate = {name: lr / (s + mean) for name, s in sizes.items()}
    keep = {name: 1 - np.minimum(learning.decay / mean * s, 1) for name, s in sizes.items()}
    for loss_sum, tokens in _losses_and_gradients(learner, ids, learning.window):
        yield loss_sum, tokens
        for name, p in learner.parameters().items():
            # weight = trained + moved, where moved = keep*moved - rate*gradient
            moved[name] *= keep[name]
            moved[name] -= rate[name] * p.grad
            np.add(trained[name], moved[name], out=p.value)


def usual_lr(sizes: Arrays) -> float:
    """The rate with which learning from a window of training text lowers the loss of that window by `GAIN`.

    That is to first order: a step of `-rate * g` lowers the loss by the sum of `rate * g * g`, where `rate` is
    `lr / (size + mean size)`, and `g * g` is `size * size` on average. Small models get larger rates.
    """
    mean = mean_of(sizes)
    fall = sum((s * (s / (s + mean))).sum(dtype=np.float64) for s in sizes.values())  # of the loss, with a rate of 1
    return GAIN / float(fall) if fall else 0.0


def mean_of(sizes: Arrays) -> float:
    """The mean of all sizes, or 1 if there is no gradient at all: nothing moves then."""
    mean = sum(s.sum(dtype=np.float64) for s in sizes.values()) / sum(s.size for s in sizes.values())
    return float(mean) or 1.0


def _losses_and_gradients(model: CharLMNetwork, ids: np.ndarray, window: int) -> Iterator[tuple[float, int]]:
    """Window after window: nats summed, number of tokens, and in the parameters the gradient of the mean."""
    state = model.zero_state(1)
    for start in range(0, len(ids) - 1, window):
        tokens = ids[start : start + window + 1]
        model.zero_grad()
        loss_sum, count, state = model.gradients(tokens[:-1], tokens[1:], np.ones(len(tokens) - 1, np.int64), state)
        if not np.isfinite(loss_sum):
            raise UserError(f"the loss is {loss_sum:g}; it must be finite: give a smaller {option('dynamic_lr')}")
        yield loss_sum, int(count)


def _zeros(model: CharLMNetwork) -> Arrays:
    return {name: np.zeros_like(p.value) for name, p in model.parameters().items()}
