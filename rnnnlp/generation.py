"""Text from a language model, character by character, the state carried along."""

# V vocabulary

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.kernels.reference import State
from rnnnlp.text import Tokenizer

ONE_STEP = np.ones(1, np.int64)  # the batch sizes of one token


class LanguageModel(Protocol):
    @property
    def tokenizer(self) -> Tokenizer | None: ...

    def zero_state(self, batch_size: int) -> State: ...

    def forward(self, ids: np.ndarray, batch_sizes: np.ndarray, state: State) -> tuple[np.ndarray, State, Any]: ...


@dataclass(frozen=True)
class Sampling:
    """How to choose each token.

    `length` tokens at most. `temperature` divides the logits; 0 takes the most probable token. `top_k` keeps the k most
    probable (0: all), `top_p` the fewest that together have that probability (Holtzman et al. 2020).
    `repetition_penalty` above 1 makes tokens of the last `repetition_window` less probable (Keskar et al. 2019). The
    text ends before the first of the `stop` strings.
    """

    length: int = 500
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    repetition_window: int = 64
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits = {
            "length": (self.length >= 0, "at least 0"),
            "temperature": (0 <= self.temperature < float("inf"), "at least 0 and finite"),
            "top_k": (self.top_k >= 0, "at least 0 (0 keeps all)"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "repetition_penalty": (0 < self.repetition_penalty < float("inf"), "above 0 and finite (1 is none)"),
            "repetition_window": (self.repetition_window >= 1, "at least 1"),
            "stop": (all(self.stop), "not an empty string"),
        }
        for name, (fine, expected) in limits.items():
            if not fine:
                raise UserError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must be {expected}")


def read_prompt(model: LanguageModel, prompt: str) -> tuple[np.ndarray, State]:
    """The logits `(V,)` of what follows `prompt`, and the state after it. An empty prompt reads one line end."""
    assert model.tokenizer is not None
    ids = model.tokenizer.encode(prompt or "\n").astype(np.int64)
    logits, state, _ = model.forward(ids, np.ones(len(ids), np.int64), model.zero_state(1))
    return logits[-1], state


def generate(model: LanguageModel, prompt: str, sampling: Sampling, *, rng: np.random.Generator) -> Iterator[str]:
    """Yields the text after `prompt` in pieces, as it is made."""
    assert model.tokenizer is not None
    logits, state = read_prompt(model, prompt)
    yield from continue_from(model, logits, state, sampling, rng=rng)


def continue_from(
    model: LanguageModel, logits: np.ndarray, state: State, sampling: Sampling, *, rng: np.random.Generator
) -> Iterator[str]:
    """As `generate`, from what `read_prompt` returned, so that several samples read the prompt once."""
    tokenizer = model.tokenizer
    assert tokenizer is not None
    decoder, text = tokenizer.decoder(), HeldBack(sampling.stop)
    recent: list[int] = []
    for _ in range(sampling.length):
        token = choose(logits, recent[-sampling.repetition_window :], sampling, tokenizer.unknown_id, rng=rng)
        recent.append(token)
        yield text.push(decoder.push(token))
        if text.stopped:
            return
        out, state, _ = model.forward(np.array([token]), ONE_STEP, state)
        logits = out[0]
    yield text.push(decoder.flush())
    yield text.flush()


def choose(
    logits: np.ndarray, recent: list[int], sampling: Sampling, unknown_id: int | None, *, rng: np.random.Generator
) -> int:
    """A token drawn from `logits (V,)`; the unknown symbol is never chosen."""
    logits = logits.astype(np.float64)
    if unknown_id is not None:
        logits[unknown_id] = -np.inf
    if sampling.repetition_penalty != 1 and recent:
        seen = np.unique(recent)
        logits[seen] = np.where(
            logits[seen] > 0, logits[seen] / sampling.repetition_penalty, logits[seen] * sampling.repetition_penalty
        )
    if sampling.temperature == 0:
        return int(logits.argmax())
    logits -= logits.max()  # at most 0, so that a tiny temperature leads to -inf and never to overflow
    with np.errstate(over="ignore"):
        logits /= sampling.temperature
    p = np.exp(logits)
    if 0 < sampling.top_k < len(p):
        p[p < np.partition(p, -sampling.top_k)[-sampling.top_k]] = 0
    if sampling.top_p < 1:
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= sampling.top_p * p.sum()]] = 0
    cumulative = np.cumsum(p)
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))


class HeldBack:
    """Text on its way out, of which the end is held back while it may be the beginning of a stop string."""

    def __init__(self, stop: tuple[str, ...]):
        self.stop, self.held, self.stopped = stop, "", False

    def push(self, text: str) -> str:
        """Takes `text` and returns what can be shown now."""
        self.held += text
        found = [at for at in (self.held.find(s) for s in self.stop) if at >= 0]
        if found:
            self.stopped = True
            shown, self.held = self.held[: min(found)], ""
            return shown
        keep = max((n for s in self.stop for n in range(1, len(s)) if self.held.endswith(s[:n])), default=0)
        shown, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return shown

    def flush(self) -> str:
        shown, self.held = self.held, ""
        return shown
