"""What a character model is made of where the user does not say: chosen from the text, the time, and a measurement.

Three facts decide: how many tokens there are, how many the model will see (from --steps or --epochs, or from --budget
and the measured speed), and so how often it will see each. The experiments behind the rules are in docs/results.md.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.draws import WEIGHTS, generator
from rnnnlp.models.char_lm import CharLM
from rnnnlp.models.config import CharLMConfig
from rnnnlp.training.config import CHOSEN, CharLMTraining

DROPOUT_PER_DOUBLING = 0.1  # of the times that each weight sees each token
MOST_DROPOUT = 0.5
WEIGHT_DECAY = 0.3  # where dropout alone would not hold back learning by heart
EVALUATION_SHARE = 0.04  # of the time may go into evaluations
EVALUATION_SPEED = 3.0  # tokens are evaluated so many times faster than trained on
PROBE_SECONDS = 0.5
SHORT_RUN = 5000  # updates for which a preset's rate is meant

log = logging.getLogger(__name__)


class Size(NamedTuple):
    """A preset; `tokens` is how many `base` would have to be able to read for this size to be worth while."""

    hidden_size: int
    embedding_size: int
    lr: float
    batch_size: int
    tokens: float


PRESETS = {
    "tiny": Size(128, 32, 2e-2, 32, 0),
    "small": Size(256, 64, 1.5e-2, 32, 1e5),
    "base": Size(512, 64, 1e-2, 32, 5e5),
    "large": Size(768, 64, 6e-3, 64, 1e7),
    "huge": Size(1024, 64, 5e-3, 64, 5e7),
}


def choose(
    training: CharLMTraining, given: Mapping[str, Any], *, vocab_size: int, tokens: int, validation_tokens: int
) -> tuple[CharLMTraining, CharLMConfig]:
    """Decides what `training` (where it has None) and the options `given` for the model leave open, and says so.

    `tokens` are those to train on. The model's size is that of `training.preset`, or with "auto" the largest that the
    time is enough for; dropout grows with the number of epochs and with the model, and where it can grow no more the
    weights decay; there are as many evaluations as take a small share of the time.
    """
    seen = tokens_seen(training, vocab_size, tokens)  # by a model of the size "base"
    size = PRESETS[largest_for(seen) if training.preset == "auto" else training.preset]
    options = {"hidden_size": size.hidden_size, "embedding_size": size.embedding_size, **given}
    if training.budget is not None:
        seen *= work(PRESETS["base"].hidden_size) / work(options["hidden_size"])
    weights = CharLMConfig(vocab_size, **options).weights
    usual_dropout = dropout(seen / tokens, weights / tokens)
    options.setdefault("dropout", usual_dropout)
    if training.weight_decay is None:
        training = training.changed(weight_decay=WEIGHT_DECAY if usual_dropout == MOST_DROPOUT else 0.0)
    training = training.changed(batch_size=training.batch_size or size.batch_size)
    training = training.changed(
        lr=training.lr or rate(size.lr, updates(training, seen)),
        evaluations=training.evaluations or evaluations_of(seen, validation_tokens),
    )
    chosen = {name: options[name] if name in options else getattr(training, name) for name in CHOSEN}
    log.info(
        "about %.3g epochs of %d tokens, so (where no option says otherwise): %s",
        seen / tokens,
        tokens,
        ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in chosen.items()),
    )
    return training, CharLMConfig(vocab_size, **options)


def largest_for(tokens: float) -> str:
    """The preset for a run in which "base" would read so many tokens."""
    return max((name for name in PRESETS if PRESETS[name].tokens <= tokens), key=lambda name: PRESETS[name].tokens)


def tokens_seen(training: CharLMTraining, vocab_size: int, tokens: int) -> float:
    """How many tokens the run reads, if its model has the size "base"."""
    if training.epochs is not None:
        return float(training.epochs * tokens)
    if training.steps is not None:
        return float(training.steps * (training.batch_size or PRESETS["base"].batch_size) * training.bptt)
    assert training.budget is not None
    return training.budget * throughput(training, vocab_size)


def throughput(training: CharLMTraining, vocab_size: int) -> float:
    """Tokens a second that a model of the size "base" is trained on, measured for half a second."""
    size, T = PRESETS["base"], training.bptt
    B = training.batch_size or size.batch_size
    rng = generator(training.seed, WEIGHTS)
    config = CharLMConfig(vocab_size, hidden_size=size.hidden_size, embedding_size=size.embedding_size)
    model = CharLM(config, rng=rng)
    ids = rng.integers(vocab_size, size=B * T + B)
    batch_sizes = np.full(T, B)
    return B * T / shortest(lambda: model.gradients(ids[:-B], ids[B:], batch_sizes, model.zero_state(B), rng=rng))


def shortest(step: Callable[[], object]) -> float:
    """Seconds that `step` takes when nothing disturbs it, tried for PROBE_SECONDS."""
    fastest, started = math.inf, time.monotonic()
    while time.monotonic() - started < PROBE_SECONDS:
        begin = time.monotonic()
        step()
        fastest = min(fastest, time.monotonic() - begin)
    return fastest


def updates(training: CharLMTraining, seen: float) -> float:
    """How often the weights change in a run that reads so many tokens."""
    assert training.batch_size is not None
    return seen / (training.batch_size * training.bptt)


def rate(short: float, updates: float) -> float:
    """The learning rate: that of short runs, or less the longer the run is; two digits of it."""
    return float(f"{short * min(1.0, (SHORT_RUN / updates) ** (2 / 3)):.1e}")


def work(hidden_size: int) -> float:
    """The work that a token is for so many units, up to a factor: products, and what is done unit by unit."""
    return hidden_size**2 + 100 * hidden_size


def dropout(epochs: float, weights_per_token: float) -> float:
    """The more often each weight sees each token, the more: up to a half."""
    doublings = math.log2(max(1.0, epochs * weights_per_token))
    return round(min(MOST_DROPOUT, DROPOUT_PER_DOUBLING * doublings), 2)


def evaluations_of(seen: float, validation_tokens: int) -> int:
    """As many as take a small share of the time, from 2 to 10."""
    return int(min(10, max(2, EVALUATION_SHARE * seen * EVALUATION_SPEED / validation_tokens)))
