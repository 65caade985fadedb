"""Text from a character language model, token by token, the state carried along."""

# V vocabulary

import logging
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from rnnnlp.config import as_given, is_unicode
from rnnnlp.errors import OptionName, UserError, option
from rnnnlp.kernels.backend import DecoderProtocol
from rnnnlp.text import Tokenizer
from rnnnlp.text.tokenizers import StreamDecoder

if TYPE_CHECKING:
    from rnnnlp.tasks.char_lm.network import CharLMNetwork

TOKENS_AT_A_TIME = 64  # between two looks at the terminal: some milliseconds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sampling:
    """How each token is chosen.

    Args:
        length: The maximum number of tokens.
        temperature: Divides the logits; 0 takes the most probable token.
        top_k: Keeps the k most probable tokens; 0 keeps all.
        top_p: Keeps the fewest tokens that together have this probability (Holtzman et al. 2020).
        repetition_penalty: Above 1 it makes recent tokens less probable (Keskar et al. 2019).
        repetition_window: The number of tokens that count as recent.
        stop: The text ends before the first of these strings that is complete.
    """

    length: int = 500
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    repetition_window: int = 64
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "stop" and isinstance(value, str):
                value = (value,)
            value = f.default if value is None else value
            object.__setattr__(self, f.name, as_given(f.type, value, f.name))  # the dataclass is frozen
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
                raise UserError(f"{option(name)} is {getattr(self, name)}; it must be {expected}")


def generate(
    model: "CharLMNetwork", prompt: str, sampling: Sampling, *, rng: np.random.Generator, errors: str = "replace"
) -> Iterator[str]:
    """Yields the text after `prompt` in parts, as it is made."""
    yield from next(samples(model, prompt, sampling, rng=rng, errors=errors))


def samples(
    model: "CharLMNetwork", prompt: str, sampling: Sampling, *, rng: np.random.Generator, errors: str = "replace"
) -> Iterator[Iterator[str]]:
    """Endless texts after `prompt`, which is read once; take one to its end before the next.

    Bytes of a byte tokenizer that are not UTF-8 become what `errors` says, as in `bytes.decode`.
    An empty prompt reads one line end. A prompt without a token, such as a space to a word tokenizer, reads the unknown
    symbol. Characters of the prompt that the vocabulary lacks are logged.
    """
    if errors != "surrogateescape" and not all(map(is_unicode, sampling.stop)):
        log.warning(
            "%s has bytes that are not UTF-8; the text keeps such bytes only with %s FILE (in Python: "
            "errors='surrogateescape'), so it does not stop there",
            OptionName("stop"),
            OptionName("out"),
        )
    decoder = model.decoder()
    ids = model.tokenizer.encode(prompt or "\n").astype(np.int64)
    if unknown := model.tokenizer.unknown_characters(prompt):  # whole words of a tokenizer of words
        log.warning(
            "not in the vocabulary of the model, and read as the unknown symbol: %s",
            ", ".join(f"{c!r} (U+{ord(c):04X})" if len(c) == 1 else repr(c) for c in unknown),
        )
    continues = prompt != "" and len(ids) > 0 and not prompt[-1].isspace()
    logits = decoder.read(ids if len(ids) else np.array([model.tokenizer.unknown_id or 0]))
    state = decoder.state
    while True:
        decoder.set(state, logits)
        yield _decode(decoder, model.tokenizer.decoder(errors, continues=continues), model.tokenizer, sampling, rng)


def _decode(
    decoder: DecoderProtocol,
    characters: StreamDecoder,
    tokenizer: Tokenizer,
    sampling: Sampling,
    rng: np.random.Generator,
) -> Iterator[str]:
    text = StopStringBuffer(sampling.stop)
    made: list[int] = []
    while len(made) < sampling.length:
        tokens = decoder.sample(
            rng.random(min(TOKENS_AT_A_TIME, sampling.length - len(made))),
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            repetition_penalty=sampling.repetition_penalty,
            repetition_window=sampling.repetition_window,
            unknown_id=tokenizer.unknown_id,
            recent=made[-sampling.repetition_window :],
        )
        made += tokens
        yield text.push(characters.push(tokens))
        if text.stopped:
            return
    yield text.push(characters.flush())
    yield text.flush()


class StopStringBuffer:
    """Text on its way out; its end is held back while it may be the beginning of a stop string."""

    def __init__(self, stop: tuple[str, ...]):
        self.stop, self.held, self.stopped = stop, "", False

    def push(self, text: str) -> str:
        """Takes `text` and returns what can be shown now."""
        self.held += text
        found = [(at + len(s), at) for s in self.stop if (at := self.held.find(s)) >= 0]
        if found:
            self.stopped = True
            _, start = min(found)  # the first that is complete; of several the longest
            shown, self.held = self.held[:start], ""
            return shown
        keep = max((n for s in self.stop for n in range(1, len(s)) if self.held.endswith(s[:n])), default=0)
        shown, self.held = self.held[: len(self.held) - keep], self.held[len(self.held) - keep :]
        return shown

    def flush(self) -> str:
        shown, self.held = self.held, ""
        return shown
