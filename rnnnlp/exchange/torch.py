"""Models to and from PyTorch: `to_torch`, `from_torch`. PyTorch is loaded only when one of them is called."""

# B sequences, T steps, V vocabulary, K outputs

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.exchange.torch_names import NONLINEARITIES
from rnnnlp.exchange.vocabularies import Vocabulary
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.linear import characters_of
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Tokenizer
from rnnnlp.text.given import as_texts, present_texts
from rnnnlp.text.labels import as_labels
from rnnnlp.training.estimator import Estimator

if TYPE_CHECKING:
    import torch

Model = Estimator | SentimentNetwork | Ensemble | CharLMNetwork


def to_torch(model: Model) -> "torch.nn.Module":
    """The model as a module of plain PyTorch layers, with the same outputs, in evaluation mode.

    A classifier takes what `torch_inputs` makes of texts, and gives calibrated logits `(B, K)`. A character model takes
    ids `(B, T)` and the state that its last call returned, and gives logits `(B, T, V)` and the state. See
    `exchange.torch_modules`.

    Args:
        model: A `SentimentClassifier`, a `CharLM`, an `Ensemble`, or a network of these.

    Raises:
        UserError: If torch is not installed, or the model is of another kind.
    """
    require_torch()
    from rnnnlp.exchange.torch_export import classifier_module, ensemble_module, language_model_module

    network = network_of(model)
    if isinstance(network, Ensemble):
        return ensemble_module(network).eval()
    if isinstance(network, SentimentNetwork):
        return classifier_module(network).eval()
    return language_model_module(network).eval()


def torch_inputs(model: Model, texts: Any) -> dict[str, Any]:
    """What the module of `to_torch` takes for texts: `module(**torch_inputs(model, texts))`.

    Args:
        model: The model.
        texts: Strings in any container.

    Raises:
        UserError: If there is no text, or one is missing.
    """
    require_torch()
    network = network_of(model)
    present, is_present = present_texts(as_texts(texts))
    if not is_present.all():
        raise UserError(f"texts[{is_present.argmin()}] is missing; leave it out, or give a text")
    if not present:
        raise UserError("texts is empty; give at least one text")
    if isinstance(network, Ensemble):
        return {"members": [torch_inputs(member, present) for member in network.members]}
    if isinstance(network, CharLMNetwork):
        encoded = network.tokenizer.encode_batch(present)
        if len({len(ids) for ids in encoded}) > 1 or not len(encoded[0]):
            raise UserError("texts for a language model have different lengths, or none; give one text at a time")
        return {"ids": padded(encoded)[0]}
    documents = network.encode(present)
    ids, lengths = padded(documents)
    inputs = {"ids": ids, "lengths": lengths}
    if network.linear is not None and any(model.view.characters for model in network.linear.views.values()):
        inputs["characters"], inputs["character_lengths"] = padded(list(map(characters_of, present)))
    return inputs


def from_torch(
    weights: Any,
    vocabulary: Tokenizer | Sequence[str] | Mapping[str, int],
    *,
    labels: Any = None,
    pooling: str = "last",
    nonlinearity: str = "tanh",
    unknown: str | None = None,
) -> Estimator:
    """A model with the weights of a PyTorch model of one embedding, recurrent layers and one linear layer.

    Layers are known by their shapes and by the names of their arrays (`weight_ih_l0`), whatever the layers are called.
    Without an embedding the recurrent layers read one-hot vectors. One output stands for two classes: its sigmoid is
    the probability of the second.

    Args:
        weights: A state dict, a checkpoint that has one, a module, or the path of a file that `torch.save` wrote.
        vocabulary: The characters or words in the order of their ids, a dict from each to its id, or a tokenizer.
        labels: The labels of a classifier in the order of its outputs; None for a language model.
        pooling: How a classifier makes one vector of all steps; "last" takes the final state of each direction.
            Weights of a module of `to_torch` say it themselves.
        nonlinearity: Of `nn.RNN` in a state dict: "tanh" or "relu". Modules, and weights of `to_torch`, say it
            themselves.
        unknown: The word of the vocabulary that stands for all others; by default `<unk>` or the like, if it is there.

    Returns:
        A `SentimentClassifier` where labels are given, else a `CharLM`.

    Raises:
        UserError: If torch is not installed, or the arrays are not such a model, or do not fit together.
    """
    require_torch()
    from rnnnlp.exchange.torch_import import classifier, language_model, layers_of, tensors_of

    if nonlinearity not in NONLINEARITIES:
        raise UserError(f"nonlinearity is {nonlinearity!r}; it must be one of {', '.join(NONLINEARITIES)}")
    if pooling not in POOLINGS:
        raise UserError(f"pooling is {pooling!r}; it must be one of {', '.join(POOLINGS)}")
    layers = layers_of(tensors_of(weights), NONLINEARITIES[nonlinearity], of_classifier=labels is not None)
    known = Vocabulary.of(vocabulary, unknown)
    if known.size != layers.vocab_size:
        raise UserError(
            f"the vocabulary has {known.size} entries and the embedding {layers.vocab_size} rows; give all of them in "
            "the order of their ids"
        )
    if labels is None:
        return language_model(layers, known)
    return classifier(layers, known, as_labels(labels), pooling)


def require_torch() -> None:
    """UserError if PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise UserError("this needs PyTorch, which is not installed; install it with: pip install torch") from None


def network_of(model: Model) -> SentimentNetwork | Ensemble | CharLMNetwork:
    """The network of a model that `to_torch` takes."""
    network = model._fitted() if isinstance(model, Estimator) else model
    if not isinstance(network, SentimentNetwork | Ensemble | CharLMNetwork):
        raise UserError(f"the model is a {type(model).__name__}; give a classifier or a character language model")
    return network


def padded(sequences: Sequence[np.ndarray]) -> "tuple[torch.Tensor, torch.Tensor]":
    """Sequences as int64 `(B, T)`, and their lengths `(B,)`."""
    import torch

    found = [torch.from_numpy(ids.astype(np.int64)) for ids in sequences]
    return torch.nn.utils.rnn.pad_sequence(found, batch_first=True), torch.tensor([len(ids) for ids in found])
