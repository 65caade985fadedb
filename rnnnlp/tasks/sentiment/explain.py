"""Which words decided: the contribution of each token to the log-odds of a class."""

# N tokens, B documents, K classes

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rnnnlp.batches.documents import batch_of, in_order_of_length
from rnnnlp.batches.packed import unpack
from rnnnlp.layers.loss import log_odds_gradient
from rnnnlp.text.scripts import begins_cluster

if TYPE_CHECKING:
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of `logits (B, K)` and `indices (B,)`: `dlogits (B, K)`


class Contribution(NamedTuple):
    """How far the characters from `start` to `stop` (exclusive) moved a decision; below 0: against it."""

    start: int
    stop: int
    weight: float  # nats of log-odds


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


def explain(network: SentimentNetwork, texts: Sequence[str], chosen: np.ndarray | None) -> list[list[Contribution]]:
    """The contribution of each token of each text to the log-odds log p / (1 - p) of a class.

    It is the token's embedding times the gradient with respect to it: what the log-odds would lose, to first order,
    without the token (Denil et al. 2014, with the gradient of Simonyan et al. 2014). The token's share of the n-gram
    features that it is part of is added. Tokens beyond `max_length` contribute nothing.

    Args:
        network: The classifier.
        texts: The texts.
        chosen: The index of the class of each text, `(len(texts),)`; the most probable class by default.
    """

    def of_log_odds(logits: np.ndarray, indices: np.ndarray) -> np.ndarray:
        label = logits.argmax(axis=1) if chosen is None else chosen[indices]  # (B,)
        return log_odds_gradient(logits / network.temperature, label) / network.temperature  # (B, K)

    return contributions(network, texts, of_log_odds)


def contributions(network: SentimentNetwork, texts: Sequence[str], gradient: Gradient) -> list[list[Contribution]]:
    """What each token of each text adds, to first order, to a function of the logits.

    Args:
        network: The classifier.
        texts: The texts.
        gradient: Of that function: from the logits of a batch, and which of the texts are in it, to the gradient.
    """
    documents = network.encode(texts)
    found: list[list[Contribution]] = [[] for _ in texts]
    for indices in in_order_of_length(documents, batch_size=64):
        batch = batch_of(documents, np.zeros(len(texts), np.int64), indices)
        logits, tape = network.forward(batch.ids, batch.batch_sizes, each_token=True)  # (B, K)
        dlogits = gradient(logits, batch.indices)
        x, _ = network.embedding.forward(batch.ids)  # (N, D)
        weights = (x * network.input_gradient(dlogits, tape)).sum(axis=1)  # (N,)
        if network.ngrams is not None:
            weights += network.ngrams.contributions(dlogits, tape.ngrams, batch.ids, batch.batch_sizes)
        for index, of_text in zip(batch.indices, unpack(weights, batch.batch_sizes), strict=True):
            spans = network.tokenizer.spans(texts[index], network.config.max_length)  # none if the text is empty
            words = zip(spans.tolist(), of_text.tolist(), strict=False)
            found[index] = [Contribution(start, stop, weight) for (start, stop), weight in words]
    network.zero_grad()  # the gradients of the parameters came along
    return found
