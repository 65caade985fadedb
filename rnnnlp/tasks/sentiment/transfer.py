"""A classifier that starts from pretrained language models or from an earlier classifier.

Lower layers may then learn more slowly, or not at all.

After Howard and Ruder 2018; on the states of a character language model, Radford et al. 2017.
"""

# D embedding, H hidden, G gates

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.layers.parameter import Parameter
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.bundled import model_folder
from rnnnlp.tasks.sentiment.config import SHAPE, SentimentOptions
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.text import Tokenizer, WordTokenizer
from rnnnlp.text.labels import polarities_of
from rnnnlp.training.model_folder import read_config

LanguageModels = WordLMNetwork | CharLMNetwork
Pretrained = LanguageModels | SentimentNetwork
CLASSIFIER_SHAPE = ("bidirectional", "pooling", "ngram_buckets")  # what a classifier takes from another besides SHAPE
PRETRAINED_DROPOUT = 0.2  # with much more, what was learned in pretraining does not come through

log = logging.getLogger(__name__)


def load_pretrained(folder: str | os.PathLike[str]) -> Pretrained:
    """The language model, of either kind, or the classifier in a run folder, or the bundled one of that name.

    Raises:
        UserError: If there is none.
    """
    place = model_folder(folder)
    model_type = read_config(place)["model_type"]
    for network in (CharLMNetwork, WordLMNetwork, SentimentNetwork):
        if model_type == network.model_type:
            return network.from_pretrained(place)
    raise UserError(
        f"{option('from_')} {folder} holds a model of type {model_type}; it must be a run of pretrain, of train charlm "
        "or of train sentiment"
    )


def options_from_pretrained(
    pretrained: Pretrained, options: SentimentOptions, given: Mapping[str, Any]
) -> tuple[SentimentOptions, dict[str, Any]]:
    """The options of a classifier that starts from this model: its tokenizer and its sizes.

    Args:
        pretrained: The language model or classifier to start from.
        options: How to train.
        given: The options of the network that were given.
    """
    options = options.changed(tokenizer=pretrained.tokenizer.kind, pretraining=0)
    shape = {name: getattr(pretrained.config, name) for name in SHAPE}
    if isinstance(pretrained, CharLMNetwork):
        if given.get("bidirectional"):
            raise UserError(f"{option('bidirectional')}: {options.from_} reads in one direction only; leave it out")
        shape["bidirectional"] = False  # it has no other direction
    if isinstance(pretrained, SentimentNetwork):
        shape |= {name: getattr(pretrained.config, name) for name in CLASSIFIER_SHAPE}
        for name in CLASSIFIER_SHAPE:
            if given.get(name, shape[name]) != shape[name]:
                raise UserError(
                    f"{option(name)} is {given[name]}, and that of {options.from_} is {shape[name]}; leave it out"
                )
        kept = {name: getattr(pretrained.config, name) for name in ("dropout", "variational", "max_length")}
        return options, {**kept, **given, **shape}
    return options, {"dropout": PRETRAINED_DROPOUT, **given, **shape}


def extended_tokenizer(tokenizer: Tokenizer, texts: Sequence[str], options: SentimentOptions) -> Tokenizer:
    """The tokenizer of a pretrained model; one of words with the frequent words of the texts that it lacks.

    Raises:
        UserError: If `vocab_size` cannot be.
    """
    if options.vocab_size is not None and (
        options.vocab_size < tokenizer.vocab_size
        or (options.vocab_size > tokenizer.vocab_size and not isinstance(tokenizer, WordTokenizer))
    ):
        raise UserError(
            f"{option('vocab_size')} is {options.vocab_size}, and that of {option('from_')} {options.from_} is "
            f"{tokenizer.vocab_size}, to which only words can be added; leave it out"
        )
    if not isinstance(tokenizer, WordTokenizer):
        return tokenizer
    extended = tokenizer.extended(texts, **options.vocabulary_options)
    if new := extended.vocab_size - tokenizer.vocab_size:
        log.info("%d words of the texts are added to the %d of %s", new, tokenizer.vocab_size, options.from_)
    return extended


def start_from(pretrained: Pretrained, classifier: SentimentNetwork) -> None:
    """Copies what the classifier takes from a language model or from a classifier.

    From a classifier that is all weights. If the classes are others, the head and the n-gram features, which belong to
    the classes, are left as they are.
    """
    copy_embedding(pretrained.embedding.weight.value, classifier.embedding.weight.value)
    if not isinstance(pretrained, SentimentNetwork):
        start_from_language_model(pretrained, classifier)
        return
    order = order_of_classes(pretrained.labels, classifier.labels)
    theirs, of_classes = pretrained.parameters(), ("head.", "ngrams.")
    for name, parameter in classifier.parameters().items():
        if not name.startswith(("embedding.", *of_classes)):
            copy(theirs[name], parameter)
    if order is None:
        log.info(
            "the head is trained from scratch: the pretrained model has other classes: %s", ", ".join(pretrained.labels)
        )
        return
    classifier.head.weight.value[...] = pretrained.head.weight.value[order]  # (K, P)
    classifier.head.bias.value[...] = pretrained.head.bias.value[order]  # (K,)
    classifier.log_temperature[...] = pretrained.log_temperature
    if classifier.ngrams is not None and pretrained.ngrams is not None:
        classifier.ngrams.weight.value[...] = pretrained.ngrams.weight.value[:, order]  # (buckets, K)
        classifier.ngrams.log_count_ratio[...] = pretrained.ngrams.log_count_ratio[:, order]


def copy_embedding(source: np.ndarray, target: np.ndarray) -> None:
    """Copies the rows of an embedding `(V, D)`; words that were added start as the mean of all."""
    target[: len(source)] = source
    target[len(source) :] = source.mean(axis=0)


def knows_classes(pretrained: Pretrained | None, labels: Sequence[str]) -> bool:
    """Whether it is a classifier of these classes."""
    return isinstance(pretrained, SentimentNetwork) and order_of_classes(pretrained.labels, labels) is not None


def order_of_classes(pretrained: Sequence[str], labels: Sequence[str]) -> list[int] | None:
    """For each class of a classifier the index of the same one of a pretrained classifier; None if they are others.

    Classes are the same if they have the same names or, if there are two, if one is positive and one is negative.
    """

    def meaning(names: Sequence[str]) -> list[str]:
        return list(map(str, polarities_of(names) or names))

    theirs, own = meaning(pretrained), meaning(labels)
    return [theirs.index(name) for name in own] if sorted(theirs) == sorted(own) else None


def start_from_language_model(pretrained: LanguageModels, classifier: SentimentNetwork) -> None:
    """Copies the recurrent layers; each direction then computes what it did in its language model.

    A classifier's second layer reads both directions of the first one, a language model's only its own: the weights
    between the two directions start at zero.
    """
    H = pretrained.config.hidden_size
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
