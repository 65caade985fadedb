"""Options of a character model that the user leaves open: chosen from the text, the time and a measurement.

Three facts decide: how many tokens there are, how many the model will read (from steps or epochs, or from the budget
and the measured speed), and so how often it will read each. docs/results/ has the experiments behind the rules.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.batches.streams import require_window, streams_of
from rnnnlp.tasks.char_lm.config import PRESETS, CharLMConfig, CharLMOptions, CharLMTraining, Preset
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.training.clock import number_of_evaluations
from rnnnlp.training.options import values_of
from rnnnlp.training.throughput import usual_seconds

SHOWN = ("hidden_size", "embedding_size", "dropout", "weight_decay", "lr", "batch_size", "evaluations")
UNITS = 64  # the number of hidden units is a multiple of it
LARGE_VOCABULARY = 1000  # tokens, as of Chinese; beyond, an embedding has twice the features,
RATE_OF_LARGE_VOCABULARY = 1.25  # and the learning rate is multiplied by this
DROPOUT_PER_DOUBLING = 0.06  # for each doubling of the times that each weight sees each token
MAX_DROPOUT = 0.5
DECAY_OF_A_STEP = 0.0018  # the fraction of a weight that a step takes away at the peak of the learning rate
MAX_WEIGHT_DECAY = 0.3
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})
SHORT_RUN = 10_000  # steps for which a preset's learning rate is meant

log = logging.getLogger(__name__)


def resolve(
    options: CharLMOptions,
    given: Mapping[str, Any],
    *,
    vocab_size: int,
    tokens: int,
    validation_tokens: int,
    processes: int = 1,
) -> tuple[CharLMTraining, CharLMConfig]:
    """Decides what the options leave open, and logs it.

    The size is that of the preset; with "auto", it grows with the number of tokens that can be read in the time. The
    embedding and the learning rate are larger for a large vocabulary. Dropout grows with the number of epochs and with
    the model, weight decay with a smaller learning rate. With tied weights, an open size is that of the given one.

    Args:
        options: How to train.
        given: The options of the network that were given.
        vocab_size: Of the tokenizer.
        tokens: The number of tokens to train on.
        validation_tokens: The number of tokens that an evaluation reads.
        processes: The number of processes that train.

    Raises:
        UserError: If there are too few tokens for a window.
    """
    require_window(tokens, options.bptt)
    layers = {name: given[name] for name in ("cell", "num_layers") if name in given}
    seen = tokens_seen(options, vocab_size, tokens, processes, layers)  # by a model of the size "base"
    most = (options.max_epochs or math.inf) * tokens
    tied = bool(given.get("tied_weights"))  # the embedding is the output's weights, so the sizes are one
    given_size = given.get("hidden_size") or (given.get("embedding_size") if tied else None)
    if options.preset == "auto":
        size = preset_for(given_size or best_hidden_size(min(seen, most)))
    else:
        size = PRESETS[options.preset]
    hidden_size = size.hidden_size
    large = vocab_size > LARGE_VOCABULARY
    embedding_size = size.embedding_size * (2 if large else 1)
    if tied:
        hidden_size = embedding_size = given_size or hidden_size
    network_options = {"hidden_size": hidden_size, "embedding_size": embedding_size, **given}
    if options.budget is not None:
        seen *= work(PRESETS["base"].hidden_size) / work(network_options["hidden_size"])
        seen = min(seen, most)
    parameters = CharLMConfig(vocab_size, **network_options).num_parameters
    network_options.setdefault("dropout", dropout_of(seen / tokens, parameters / tokens))
    batch_size = options.batch_size or size.batch_size
    in_batch = min(batch_size, streams_of(tokens, options.bptt))
    short_run_lr = size.lr * (RATE_OF_LARGE_VOCABULARY if large else 1)
    lr = options.lr or scaled_lr(short_run_lr, seen / (in_batch * options.bptt))
    decided = {
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay_of(lr) if options.weight_decay is None else options.weight_decay,
        "label_smoothing": options.label_smoothing or 0.0,
        "evaluations": options.evaluations or number_of_evaluations(seen, validation_tokens),
    }
    training = CharLMTraining(**options.to_mapping() | decided)
    config = CharLMConfig(vocab_size, **network_options)
    shown = values_of(SHOWN, training, config)
    log.info("about %.3g epochs of %d tokens; chosen or given: %s", seen / tokens, tokens, shown)
    return training, config


def best_hidden_size(tokens: float) -> int:
    """The best number of units for a run in which "base" would read this number of tokens."""
    sizes = PRESETS.values()
    return UNITS * round(log_interpolated(tokens, [s.tokens for s in sizes], [s.hidden_size for s in sizes]) / UNITS)


def preset_for(hidden_size: int) -> Preset:
    """What goes with a number of units, from the presets above and below."""
    sizes = list(PRESETS.values())
    above = next((size for size in sizes if size.hidden_size >= hidden_size), sizes[-1])
    below = next((size for size in reversed(sizes) if size.hidden_size <= hidden_size), sizes[0])
    lr = log_interpolated(hidden_size, [s.hidden_size for s in sizes], [s.lr for s in sizes])
    return Preset(hidden_size, above.embedding_size, float(f"{lr:.1e}"), below.batch_size, above.tokens)


def log_interpolated(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The value at `x` of the powers that lead through the points (xs, ys); beyond them, that of the nearest point."""
    return math.exp(np.interp(math.log(max(x, 1.0)), np.log(xs), np.log(ys)))


def tokens_seen(
    options: CharLMOptions, vocab_size: int, tokens: int, processes: int = 1, layers: Mapping[str, Any] = NO_OPTIONS
) -> float:
    """The number of tokens that the run reads if its model has the size "base", and the given cell and layers."""
    if options.epochs is not None:
        return float(options.epochs * tokens)
    if options.steps is not None:
        batch_size = options.batch_size or PRESETS["base"].batch_size
        return float(options.steps * min(batch_size, streams_of(tokens, options.bptt)) * options.bptt)
    return (options.budget or 0.0) * processes * throughput(options, vocab_size, tokens, layers)


def throughput(options: CharLMOptions, vocab_size: int, tokens: int, layers: Mapping[str, Any] = NO_OPTIONS) -> float:
    """Tokens a second in training of a model of the size "base", measured for a moment.

    Args:
        options: How to train.
        vocab_size: Of the tokenizer.
        tokens: The number of tokens to train on.
        layers: The cell and the number of layers, where they are given.
    """
    size, T = PRESETS["base"], options.bptt
    B = min(options.batch_size or size.batch_size, streams_of(tokens, T))
    rng = rng_for(options.seed, RandomStream.WEIGHTS)
    config = CharLMConfig(vocab_size, hidden_size=size.hidden_size, embedding_size=size.embedding_size, **layers)
    network = CharLMNetwork(config, rng=rng)
    ids = rng.integers(vocab_size, size=B * T + B)
    batch_sizes = np.full(T, B)

    def step() -> None:
        network.gradients(ids[:-B], ids[B:], batch_sizes, network.zero_state(B), rng=rng)

    return B * T / usual_seconds(step, options.budget)


def scaled_lr(short: float, steps: float) -> float:
    """The learning rate: that of short runs, or a smaller one the longer the run is, with two digits."""
    return float(f"{short * min(1.0, (SHORT_RUN / steps) ** (2 / 3)):.1e}")


def work(hidden_size: int) -> float:
    """The work for a token with this number of units, up to a factor: products, and elementwise operations."""
    return hidden_size**2 + 100 * hidden_size


def dropout_of(epochs: float, parameters_per_token: float) -> float:
    """Dropout: more of it the more often each weight sees each token."""
    return round(min(MAX_DROPOUT, DROPOUT_PER_DOUBLING * math.log2(max(1.0, epochs * parameters_per_token))), 2)


def weight_decay_of(lr: float) -> float:
    """Weight decay, so that a step takes away the same fraction of a weight at every learning rate."""
    return round(min(MAX_WEIGHT_DECAY, DECAY_OF_A_STEP / lr), 3)
