"""A classifier that starts from pretrained language models or from an earlier classifier.

Lower layers may then learn more slowly, or not at all.

After Howard and Ruder 2018; on the states of a character language model, Radford et al. 2017.
"""

# D embedding, H hidden, G gates

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.layers.parameter import Parameter
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SHAPE, SentimentOptions
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.training.model_folder import read_config

LanguageModels = WordLMNetwork | CharLMNetwork
Pretrained = LanguageModels | SentimentNetwork
OF_CLASSIFIER = ("bidirectional", "pooling", "ngram_buckets")  # what a classifier takes from another one besides SHAPE
PRETRAINED_DROPOUT = 0.2  # with much more, what was learned in pretraining does not come through


def load_pretrained(folder: str | os.PathLike[str]) -> Pretrained:
    """The language model, of either kind, or the classifier in a run folder.

    Raises:
        UserError: If there is none.
    """
    model_type = read_config(Path(folder))["model_type"]
    for network in (CharLMNetwork, WordLMNetwork, SentimentNetwork):
        if model_type == network.model_type:
            return network.from_pretrained(folder)
    raise UserError(
        f"{option('from_')} {folder} holds a model of type {model_type}; it must be a run of pretrain, of train charlm "
        "or of train sentiment"
    )


def options_from_pretrained(
    pretrained: Pretrained, options: SentimentOptions, given: Mapping[str, Any]
) -> tuple[SentimentOptions, dict[str, Any]]:
    """The options of a classifier that starts from this model: its tokenizer and its sizes.

    Args:
        pretrained: The language model.
        options: How to train.
        given: The options of the network that were given.
    """
    options = options.changed(
        tokenizer=pretrained.tokenizer.kind,
        vocab_size=pretrained.tokenizer.vocab_size,
        pretraining=0,
    )
    shape = {name: getattr(pretrained.config, name) for name in SHAPE}
    if isinstance(pretrained, CharLMNetwork):
        if given.get("bidirectional"):
            raise UserError(f"{option('bidirectional')}: {options.from_} reads in one direction only; leave it out")
        shape["bidirectional"] = False  # it has no other direction
    if isinstance(pretrained, SentimentNetwork):
        shape |= {name: getattr(pretrained.config, name) for name in OF_CLASSIFIER}
        for name in OF_CLASSIFIER:
            if given.get(name, shape[name]) != shape[name]:
                raise UserError(
                    f"{option(name)} is {given[name]}, and that of {options.from_} is {shape[name]}; leave it out"
                )
        kept = {name: getattr(pretrained.config, name) for name in ("dropout", "variational", "max_length")}
        return options, {**kept, **given, **shape}
    return options, {"dropout": PRETRAINED_DROPOUT, **given, **shape}


def start_from(pretrained: Pretrained, classifier: SentimentNetwork) -> None:
    """Copies what the classifier takes from a language model, or all weights of a classifier.

    Raises:
        UserError: If that is a classifier of other classes.
    """
    if not isinstance(pretrained, SentimentNetwork):
        start_from_language_model(pretrained, classifier)
        return
    if pretrained.labels != classifier.labels:
        raise UserError(
            f"the classes of the data are {', '.join(classifier.labels)}, and those of the classifier of "
            f"{option('from_')} are {', '.join(pretrained.labels)}; give data with the same classes, or start from a "
            "language model"
        )
    for name, parameter in classifier.parameters().items():
        copy(pretrained.parameters()[name], parameter)
    for name, buffer in classifier.buffers().items():
        buffer[...] = pretrained.buffers()[name]


def start_from_language_model(pretrained: LanguageModels, classifier: SentimentNetwork) -> None:
    """Copies embedding and recurrent layers; each direction then computes what it did in its language model.

    A classifier's second layer reads both directions of the first one, a language model's only its own: the weights
    between the two directions start at zero.
    """
    H = pretrained.config.hidden_size
    copy(pretrained.embedding.weight, classifier.embedding.weight)
    for k, layer in enumerate(classifier.recurrent.layers):
        for r, direction in enumerate(layer):
            (source,) = directions_of(pretrained)["reverse" if direction.reverse else "forward"].layers[k]
            for name, parameter in direction.parameters().items():
                if name != "W_x":
                    copy(source.parameters()[name], parameter)
            own = slice(r * H, (r + 1) * H) if k > 0 else slice(None)
            direction.W_x.value[...] = 0  # (G*H, D) or (G*H, R*H)
            direction.W_x.value[:, own] = source.W_x.value


def directions_of(pretrained: LanguageModels) -> dict[str, Recurrent]:
    """The recurrent layers of each direction that the model has."""
    if isinstance(pretrained, CharLMNetwork):
        return {"forward": pretrained.recurrent}
    return {name: direction.recurrent for name, direction in pretrained.directions.items()}


def copy(source: Parameter, target: Parameter) -> None:
    np.copyto(target.value, source.value)


def set_lr_scales(classifier: SentimentNetwork, decay: float) -> None:
    """Sets each layer's learning rate: 1 for the head, and `decay` times that of the layer above for the others.

    With a decay of 0 only what is above the recurrent layers learns, on features that do not change.
    """
    for depth, parameters in enumerate(from_above(classifier)):
        for parameter in parameters:
            parameter.lr_scale = decay**depth


def from_above(classifier: SentimentNetwork) -> Iterator[list[Parameter]]:
    """The parameters of each layer, from the head down to the embedding."""
    top = [classifier.layers[name] for name in ("head", "pool", "ngrams") if name in classifier.layers]
    yield [parameter for layer in top for parameter in layer.parameters().values()]
    for layer in reversed(classifier.recurrent.layers):
        yield [parameter for direction in layer for parameter in direction.parameters().values()]
    yield list(classifier.embedding.parameters().values())
