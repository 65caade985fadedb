"""A classifier that starts from pretrained language models; layers near the text then learn more slowly, or not at all.

After Howard and Ruder 2018; on the states of a language model of characters, Radford et al. 2017.
"""

# D embedding, H hidden, G gates

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.layers.parameter import Parameter
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.models.bidirectional_lm import BidirectionalLM
from rnnnlp.models.char_lm import CharLM
from rnnnlp.models.model import read_config
from rnnnlp.models.reader import Reader
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.training.config import PRETRAINED_DROPOUT, SHAPE, SentimentTraining

Pretrained = BidirectionalLM | CharLM


def load_pretrained(folder: str | os.PathLike) -> Pretrained:
    """The language model, of either kind, in a run folder; UserError if there is none."""
    model_type = read_config(Path(folder))["model_type"]
    if model_type == CharLM.model_type:
        return CharLM.from_pretrained(folder)
    if model_type != BidirectionalLM.model_type:
        raise UserError(f"--from {folder} holds a {model_type} model; it must be a run of pretrain or of train charlm")
    return BidirectionalLM.from_pretrained(folder)


def as_pretrained(
    pretrained: Pretrained, config: SentimentTraining, model_options: Mapping[str, Any]
) -> tuple[SentimentTraining, dict[str, Any]]:
    """The configurations of a classifier that starts from this model: its tokenizer and its sizes."""
    assert pretrained.tokenizer is not None
    config = config.changed(
        tokenizer=pretrained.tokenizer.kind,
        vocab_size=pretrained.tokenizer.vocab_size,
        pretraining=0,
    )
    shape = {name: getattr(pretrained.config, name) for name in SHAPE}
    if isinstance(pretrained, CharLM):
        if model_options.get("bidirectional"):
            raise UserError(f"--bidirectional: {config.from_} reads in one direction only; leave it out")
        shape["bidirectional"] = False  # it has no other direction
    return config, {"dropout": PRETRAINED_DROPOUT, **model_options, **shape}


def start_from(pretrained: Pretrained, classifier: SentimentClassifier) -> None:
    """Copies embedding and recurrent layers; each direction then computes what it did in its language model.

    A classifier's second layer reads both directions of the first one, a language model's its own: the weights between
    the two directions are zeros at first.
    """
    H = pretrained.config.hidden_size
    reader = classifier.reader
    copy(pretrained.embedding.weight, reader.embedding.weight)
    for k, layer in enumerate(reader.recurrent.layers):
        for r, direction in enumerate(layer):
            (source,) = walks(pretrained)["reverse" if direction.reverse else "forward"].layers[k]
            for name, parameter in direction.parameters().items():
                if name != "W_x":
                    copy(source.parameters()[name], parameter)
            own = slice(r * H, (r + 1) * H) if k > 0 else slice(None)
            direction.W_x.value[...] = 0  # (G*H, D) or (G*H, R*H)
            direction.W_x.value[:, own] = source.W_x.value


def walks(pretrained: Pretrained) -> dict[str, Recurrent]:
    """The recurrent layers of each direction that it has."""
    if isinstance(pretrained, CharLM):
        return {"forward": pretrained.recurrent}
    return {name: direction.recurrent for name, direction in pretrained.directions.items()}


def copy(source: Parameter, target: Parameter) -> None:
    np.copyto(target.value, source.value)


def set_rates(classifier: SentimentClassifier, decay: float) -> None:
    """Each layer's share of the learning rate: 1 for the head, and `decay` times that of the layer above below it.

    With a decay of 0 only what is above the recurrent layers learns, on features that stay as they are.
    """
    for depth, parameters in enumerate(from_above(classifier.reader)):
        for parameter in parameters:
            parameter.lr_scale = decay**depth


def from_above(reader: Reader) -> Iterator[list[Parameter]]:
    """The parameters of each layer, from the head down to the embedding."""
    top = [reader.layers[name] for name in ("head", "pool", "votes") if name in reader.layers]
    yield [parameter for layer in top for parameter in layer.parameters().values()]
    for layer in reversed(reader.recurrent.layers):
        yield [parameter for direction in layer for parameter in direction.parameters().values()]
    yield list(reader.embedding.parameters().values())
