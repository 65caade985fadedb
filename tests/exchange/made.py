"""Models with random weights, made without training."""

from typing import Any

import numpy as np

from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.linear import VIEWS, LinearModel, ngrams_of
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Tokenizer
from rnnnlp.text.characters import CharTokenizer
from rnnnlp.text.words import WordTokenizer

TEXTS = [
    "What a lovely film, and what a lovely, lovely cast!",
    "It broke.",
    "a",
    "",
    "The film was long; the film was very long - and then it broke my heart, again and again.",
    "İstanbul ΣΑΣ 你好 naïve \U0001f600\U0001f600",
]


def classifier(
    *, classes: int = 3, tokenizer: Tokenizer | None = None, views: tuple[str, ...] = (), seed: int = 0, **options: Any
) -> SentimentNetwork:
    """A classifier whose parameters are all random, also those that training would leave at 0."""
    rng = np.random.default_rng(seed)
    tokenizer = tokenizer or WordTokenizer.train(TEXTS, min_frequency=1)
    sizes: dict[str, Any] = {"embedding_size": 5, "hidden_size": 7, "max_length": 12, **options}
    labels = tuple(f"class {k}" for k in range(classes))
    network = SentimentNetwork(
        SentimentConfig(vocab_size=tokenizer.vocab_size, labels=labels, **sizes), tokenizer, rng=rng
    )
    for parameter in network.parameters().values():
        parameter.value[...] = 0.3 * rng.normal(size=parameter.value.shape)
    if network.ngrams is not None:
        network.ngrams.log_count_ratio[...] = rng.normal(size=network.ngrams.log_count_ratio.shape)
    network.log_temperature[0] = 0.3
    if views:
        network.add_linear(linear(network, views, classes, rng))
        network.stacking[...] = 0.6, 0.4
    return network


def linear(network: SentimentNetwork, views: tuple[str, ...], classes: int, rng: np.random.Generator) -> LinearModel:
    documents = network.encode(TEXTS)
    in_order = [view for view in VIEWS if view in views]  # as a saved model has them
    found = {view: np.unique(ngrams_of(VIEWS[view], TEXTS, documents).ngrams) for view in in_order}
    kept = {view: ngrams[rng.random(len(ngrams)) < 0.7] for view, ngrams in found.items()}  # others are unknown
    model = LinearModel({view: len(ngrams) for view, ngrams in kept.items()}, classes)
    model.weights[...] = rng.random(len(views))
    for view, of_view in model.views.items():
        of_view.ngrams[...] = kept[view]
        for array in (of_view.scale, of_view.weight, of_view.bias):
            array[...] = 1 + rng.normal(size=array.shape)
    return model


def language_model(*, tokenizer: Tokenizer | None = None, **options: Any) -> CharLMNetwork:
    rng = np.random.default_rng(1)
    tokenizer = tokenizer or CharTokenizer.train(TEXTS)
    sizes: dict[str, Any] = {"embedding_size": 8, "hidden_size": 8, **options}
    network = CharLMNetwork(CharLMConfig(vocab_size=tokenizer.vocab_size, **sizes), tokenizer, rng=rng)
    for parameter in network.parameters().values():
        parameter.value[...] = 0.4 * rng.normal(size=parameter.value.shape)
    return network
