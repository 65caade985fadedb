"""A classifier that starts from pretrained language models; layers near the text then learn more slowly.

After Howard and Ruder 2018.
"""

# D embedding, H hidden, G gates

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnnnlp.layers.parameter import Parameter
from rnnnlp.models.bidirectional_lm import BidirectionalLM
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.training.config import PRETRAINED_LR_DECAY, SHAPE, SentimentTraining


def as_pretrained(
    pretrained: BidirectionalLM, config: SentimentTraining, model_options: Mapping[str, Any]
) -> tuple[SentimentTraining, dict[str, Any]]:
    """The configurations of a classifier that starts from this model: its tokenizer and its sizes."""
    assert pretrained.tokenizer is not None
    config = config.changed(
        tokenizer=pretrained.tokenizer.kind,
        vocab_size=pretrained.tokenizer.vocab_size,
        lr_decay=config.lr_decay or PRETRAINED_LR_DECAY,
    )
    return config, {**model_options, **{name: getattr(pretrained.config, name) for name in SHAPE}}


def start_from(pretrained: BidirectionalLM, classifier: SentimentClassifier) -> None:
    """Copies embedding and recurrent layers; each direction then computes what it did in its language model.

    A classifier's second layer reads both directions of the first one, a language model's its own: the weights between
    the two directions are zeros at first.
    """
    copy(pretrained.embedding.weight, classifier.embedding.weight)
    H = pretrained.config.hidden_size
    for k, layer in enumerate(classifier.recurrent.layers):
        for r, direction in enumerate(layer):
            (source,) = pretrained.directions["reverse" if direction.reverse else "forward"].recurrent.layers[k]
            for name in ("W_h", "b_x", "b_h"):
                copy(source.parameters()[name], direction.parameters()[name])
            own = slice(r * H, (r + 1) * H) if k > 0 else slice(None)
            direction.W_x.value[...] = 0  # (G*H, D) or (G*H, R*H)
            direction.W_x.value[:, own] = source.W_x.value


def copy(source: Parameter, target: Parameter) -> None:
    np.copyto(target.value, source.value)


def set_rates(classifier: SentimentClassifier, decay: float) -> None:
    """Each layer's share of the learning rate: 1 for the head, and `decay` times that of the layer above below it."""
    for depth, parameters in enumerate(from_above(classifier)):
        for parameter in parameters:
            parameter.rate = decay**depth


def from_above(classifier: SentimentClassifier) -> Iterator[list[Parameter]]:
    """The parameters of each layer, from the head down to the embedding."""
    top = [classifier.layers[name] for name in ("head", "pool", "pairs") if name in classifier.layers]
    yield [parameter for layer in top for parameter in layer.parameters().values()]
    for layer in reversed(classifier.recurrent.layers):
        yield [parameter for direction in layer for parameter in direction.parameters().values()]
    yield list(classifier.embedding.parameters().values())
