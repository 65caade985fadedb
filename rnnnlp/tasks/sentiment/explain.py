"""Which words decided: the contribution of each token to the log-odds of a class."""

# n texts, N tokens, C characters of these tokens, B documents, K classes, W words

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnnnlp.batches.documents import batch_of, in_order_of_length
from rnnnlp.batches.packed import unpack
from rnnnlp.display import visible
from rnnnlp.layers.loss import log_odds_gradient
from rnnnlp.text.scripts import begins_cluster

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.network import SentimentNetwork
    from rnnnlp.text import Tokenizer


MOST_OPAQUE = 0.6  # of a colour behind a word, which must be read on light and on dark pages


class Contribution(NamedTuple):
    """How far the characters from `start` to `stop` (exclusive) moved a decision; below 0: against it."""

    start: int
    stop: int
    weight: float  # nats of log-odds


class Explanation(list[Contribution]):
    """The contributions of the words of a text, in the order of the text; a notebook shows the text in their colours.

    Attributes:
        text: The text.
    """

    def __init__(self, text: str, words: Iterable[Contribution]):
        super().__init__(words)
        self.text = text

    def _repr_html_(self) -> str:
        largest = max((abs(word.weight) for word in self), default=0.0) or 1.0
        parts, end = [], 0
        for start, stop, weight in sorted(self):
            if start < end:  # inside of the word before
                continue
            red, green, blue = (0, 150, 60) if weight > 0 else (220, 50, 30)
            style = f"background: rgba({red}, {green}, {blue}, {MOST_OPAQUE * abs(weight) / largest:.2f})"
            word = escape(visible(self.text[start:stop], keep="\n"))
            parts.append(escape(visible(self.text[end:start], keep="\n")))
            parts.append(f'<span style="{style}" title="{weight:+.2f}">{word}</span>')
            end = stop
        parts.append(escape(visible(self.text[end:], keep="\n")))
        return f'<p style="white-space: pre-wrap; line-height: 1.8">{"".join(parts)}</p>'


class Explanations(list[Explanation | None]):
    """The explanation of each text; None for a missing text."""

    def _repr_html_(self) -> str:
        return "".join("<p>None</p>" if found is None else found._repr_html_() for found in self)


def whole_clusters(text: str, words: Sequence[Contribution]) -> list[Contribution]:
    """Joins the contributions of tokens that are parts of one character, or of a letter and its marks.

    Args:
        text: The text.
        words: Its contributions, in the order of the text.
    """
    joined: list[Contribution] = []
    for word in words:
        end = joined[-1].stop if joined else -2
        if word.start < end or (word.start <= end + 1 and not begins_cluster(text, word.start)):
            start, stop, weight = joined.pop()
            word = Contribution(start, max(stop, word.stop), weight + word.weight)
        joined.append(word)
    return joined


def shifted(words: Sequence[Contribution], by: int) -> list[Contribution]:
    """The contributions of words, `by` characters further on."""
    return [Contribution(start + by, stop + by, weight) for start, stop, weight in words]


def explain(network: SentimentNetwork, texts: Sequence[str], chosen: np.ndarray | None) -> list[list[Contribution]]:
    """The contribution of each token of each text to the log-odds log p / (1 - p) of a class.

    It is the token's embedding times the gradient with respect to it: what the log-odds would lose, to first order,
    without the token (Denil et al. 2014, with the gradient of Simonyan et al. 2014). The token's share of the n-gram
    features that it is part of is added. Tokens beyond `max_length` contribute nothing.

    Args:
        network: The classifier.
        texts: The texts, without white space around them.
        chosen: The index of the class of each text, `(len(texts),)`; the most probable class by default.
    """
    logits = network.logits_of(texts) / network.temperature  # (n, K)
    label = logits.argmax(axis=1) if chosen is None else chosen  # (n,)
    found = contributions(network, texts, log_odds_gradient(logits, label) / network.temperature)
    if network.linear is None:
        return found
    tokenizer, max_length = network.tokenizer, network.config.max_length
    return [words_of(text, tokens, tokenizer, max_length) for text, tokens in zip(texts, found, strict=True)]


def contributions(network: SentimentNetwork, texts: Sequence[str], dlogits: np.ndarray) -> list[list[Contribution]]:
    """What each token of each text adds, to first order, to a function of the logits.

    With a linear model, its n-grams of characters come on top, each character with a contribution of its own.

    Args:
        network: The classifier.
        texts: The texts.
        dlogits: The gradient of that function, `(n, K)`.
    """
    own = dlogits if network.linear is None else network.stacking[0] * dlogits  # (n, K)
    documents = network.encode(texts)
    found: list[list[Contribution]] = [[] for _ in texts]
    for indices in in_order_of_length(documents, batch_size=64):
        batch = batch_of(documents, np.zeros(len(texts), np.int64), indices)
        _, tape = network.forward(batch.ids, batch.batch_sizes, each_token=True)
        of_batch = own[batch.indices].astype(network.dtype)  # (B, K)
        x, _ = network.embedding.forward(batch.ids)  # (N, D)
        weights = (x * network.input_gradient(of_batch, tape)).sum(axis=1)  # (N,)
        if network.ngrams is not None:
            weights += network.ngrams.contributions(of_batch, tape.ngrams, batch.ids, batch.batch_sizes)
        for index, of_text in zip(batch.indices, unpack(weights, batch.batch_sizes), strict=True):
            spans = network.tokenizer.spans(texts[index], network.config.max_length)  # none if the text is empty
            words = zip(spans.tolist(), of_text.tolist(), strict=False)
            found[index] = [Contribution(start, stop, weight) for (start, stop), weight in words]
    network.zero_grad()  # the gradients of the parameters came along
    if network.linear is None:
        return found
    of_linear = network.linear.contributions(
        texts, network.tokenizer, network.config.max_length, network.stacking[1] * dlogits
    )
    return [one + other for one, other in zip(found, of_linear, strict=True)]


def words_of(text: str, tokens: Sequence[Contribution], tokenizer: Tokenizer, max_length: int) -> list[Contribution]:
    """The contributions of the words of a text, as by `by_word`: of all that are read, and of others that contribute.

    Args:
        text: The text.
        tokens: The contributions of tokens.
        tokenizer: Its tokens are the words.
        max_length: The number of these that are read of a text.
    """
    spans = tokenizer.spans(text, max_length)
    if len(spans) < max_length:
        return by_word(tokens, spans)
    head = max_length // 2
    start, stop = spans[:head, 1].max(initial=0), spans[head, 0]  # between these characters it is not read
    if not any(token.start < stop and token.stop > start for token in tokens):
        return by_word(tokens, spans)
    words = by_word(tokens, tokenizer.spans(text))
    return [word for word in words if word.weight or not start <= word.start < stop]


def by_word(tokens: Sequence[Contribution], spans: np.ndarray) -> list[Contribution]:
    """The contributions of words, from those of tokens of other tokenizers.

    The weight of a token is spread evenly over its characters, and a word has the weight of its characters. Characters
    between two words, such as spaces, count for the next word, those at the end for the last word.

    Args:
        tokens: The contributions of tokens.
        spans: Of the words, `(W, 2)`, in the order of the text.
    """
    words = np.unique(spans, axis=0)  # the bytes of one character are one word
    if not len(words):
        return []
    starts, stops, weights = np.array(tokens, np.float64).reshape(-1, 3).T  # (N,)
    lengths = (stops - starts).astype(np.int64)  # (N,)
    in_token = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)  # (C,)
    characters = np.repeat(starts, lengths) + in_token  # (C,)
    shares = np.repeat(weights, lengths) / np.repeat(lengths, lengths)  # (C,)
    of_word = np.searchsorted(words[:, 1], characters, side="right")  # the first word that ends behind it
    of_words = np.bincount(np.minimum(of_word, len(words) - 1), shares, len(words))  # (W,)
    return [Contribution(a, b, weight) for (a, b), weight in zip(words.tolist(), of_words.tolist(), strict=True)]
