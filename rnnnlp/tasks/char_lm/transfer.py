"""A character language model that starts from another one, perhaps with more characters."""

# V vocabulary, H hidden

import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp.tasks.char_lm.config import FROM_RUN, CharLMConfig, CharLMOptions
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.text import Corpus, Tokenizer
from rnnnlp.text.characters import CharTokenizer
from rnnnlp.text.encoded_corpus import training_characters

SHOWN = 50  # characters

log = logging.getLogger(__name__)


def options_from_run(
    earlier: CharLMNetwork, options: CharLMOptions, given: Mapping[str, Any]
) -> tuple[CharLMOptions, dict[str, Any]]:
    """The options of a model that starts from this one: its tokenizer and its sizes.

    Args:
        earlier: The model to start from.
        options: How to train.
        given: The options of the network that were given.
    """
    shape = {name: value for name, value in earlier.config.to_mapping().items() if name in FROM_RUN}
    del shape["vocab_size"]  # the new text may have more characters
    return options.changed(tokenizer=earlier.tokenizer.kind), {**given, **shape}


def with_new_characters(tokenizer: Tokenizer, corpus: Corpus) -> Tokenizer:
    """The tokenizer, with the characters of a training text added to those it has; others than "char" stay as they are.

    Words and subwords have a symbol for what is unknown or fall back to bytes, so nothing needs to be added.
    """
    if not isinstance(tokenizer, CharTokenizer):
        return tokenizer
    new = sorted(set(training_characters(corpus)) - set(tokenizer.characters))
    if not new:
        return tokenizer
    more = f" and {len(new) - SHOWN} more" if len(new) > SHOWN else ""
    log.info("%s: %d new characters in the vocabulary: %s%s", corpus.source, len(new), repr("".join(new[:SHOWN])), more)
    return CharTokenizer(tokenizer.characters + "".join(new))


def start_from(
    earlier: CharLMNetwork, config: CharLMConfig, tokenizer: Tokenizer, *, rng: np.random.Generator
) -> CharLMNetwork:
    """A network with the weights of an earlier one, which knows the first characters of its vocabulary.

    The output weights of a new character are the mean of those of the known characters, so its logit is their mean:
    with a bias that is lower by the logarithm of their number, all new characters together begin with the geometric
    mean of the probabilities of the known ones, which is at most 1/V. So the predictions hardly change.
    """
    network = CharLMNetwork(config, tokenizer, rng=rng)
    values = {name: p.value for name, p in earlier.parameters().items()}
    known = earlier.config.vocab_size
    first = 1 if tokenizer.unknown_id == 0 else 0  # the unknown symbol is not a character
    added = config.vocab_size - known
    for name, p in network.parameters().items():
        if p.value.shape == values[name].shape:
            p.value[...] = values[name]
        else:
            p.value[:known] = values[name]  # (V, ...)
    if added:
        head = network.head
        head.weight.value[known:] = head.weight.value[first:known].mean(axis=0)  # (added, H)
        head.bias.value[known:] = head.bias.value[first:known].mean() - math.log(added)
    return network
