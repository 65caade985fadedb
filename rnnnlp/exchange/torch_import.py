"""What `from_torch` finds in the weights of a PyTorch model: its layers, and from them one of our models."""

# D input, H hidden, G gates, R directions, V vocabulary, K outputs

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from rnnnlp.errors import UserError
from rnnnlp.exchange.torch_names import ARRAYS, MODULES, NONLINEARITIES, POOLING_OF
from rnnnlp.exchange.vocabularies import Vocabulary
from rnnnlp.kernels import CELLS
from rnnnlp.layers.parameter import Undrawn
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.estimator import CharLM
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import LINEAR, SentimentConfig
from rnnnlp.tasks.sentiment.estimator import SentimentClassifier
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Classes
from rnnnlp.text.labels import name_of

UNKNOWN_LOGIT = -30.0  # of what a vocabulary lacks, beside the mean of all logits: it is never predicted
NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")  # in a checkpoint
WRAPPERS = re.compile(r"(module\.|_orig_mod\.)+")  # of DataParallel and torch.compile
RECURRENT = re.compile(r"(.*?)(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(?:_l(\d+)(_reverse)?)?")
OWN = re.compile(  # what only classifiers of `to_torch` have
    rf"pool\.query|{'|'.join(map(re.escape, POOLING_OF))}|"
    r"ngrams\.(weight|log_count_ratio)|log_temperature|max_length|stacking|"
    rf"linear\.(weights|({'|'.join(LINEAR)})\.\w+)"
)

Tensors = dict[str, np.ndarray]


class Layers(NamedTuple):
    """The arrays of a model, by what they are."""

    embedding: np.ndarray | None  # (V, D); None for one-hot vectors
    recurrent: Tensors  # by our names, such as `0.forward.W_x`
    cell: str
    head: np.ndarray  # (K, R*H)
    bias: np.ndarray  # (K,)
    own: Tensors  # what only modules of `to_torch` have

    @property
    def first(self) -> np.ndarray:
        return self.recurrent["0.forward.W_x"]  # (G*H, D)

    @property
    def vocab_size(self) -> int:
        return self.first.shape[1] if self.embedding is None else len(self.embedding)

    @property
    def shape(self) -> dict[str, Any]:
        """The options of the network."""
        numbers = {int(name.partition(".")[0]) for name in self.recurrent}
        return {
            "cell": self.cell,
            "embedding_size": self.first.shape[1],
            "hidden_size": self.recurrent["0.forward.W_h"].shape[1],
            "num_layers": len(numbers),
        }

    @property
    def is_tied(self) -> bool:
        """Whether the embedding is also the matrix of the linear layer: no training makes two of them equal."""
        return self.embedding is not None and np.array_equal(self.embedding, self.head)

    @property
    def bidirectional(self) -> bool:
        return "0.reverse.W_x" in self.recurrent


def tensors_of(weights: Any) -> Tensors:
    """The arrays of a state dict, by name, wherever it is."""
    if isinstance(weights, str | os.PathLike):
        try:
            weights = torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises many kinds
            cause = str(error).partition("\n")[0]
            raise UserError(
                f"{weights} is not a file of weights that can be read safely ({cause[:200]}); save the state dict with "
                "torch.save(model.state_dict(), path)"
            ) from None
    tensors = tensors_in(weights)
    if not tensors:
        raise UserError("the weights are not a state dict; give model.state_dict()")
    found = {}
    for name, value in tensors.items():
        plain = value.detach().cpu()
        plain = plain.float() if plain.dtype in (torch.float16, torch.bfloat16) else plain
        found[WRAPPERS.sub("", str(name), count=1)] = plain.numpy()
    return found


def tensors_in(weights: Any) -> dict[str, torch.Tensor]:
    """The tensors of a module, of a state dict, or of the state dict in a checkpoint."""
    if isinstance(weights, torch.nn.Module):
        return state_of(weights)
    if not isinstance(weights, Mapping):
        return {}
    nested = (found for name in NESTED if (found := tensors_in(weights.get(name))))
    own = {name: value for name, value in weights.items() if isinstance(value, torch.Tensor)}
    return next(nested, own)


def state_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state dict of a module, with the name of the cell of an `nn.RNN`, whose nonlinearity is not in it."""
    rnns = [inner for inner in module.modules() if isinstance(inner, torch.nn.RNN | torch.nn.RNNCell)]
    return module.state_dict() | {NONLINEARITIES[rnn.nonlinearity]: torch.zeros(0) for rnn in rnns}


def layers_of(tensors: Tensors, elman: str, *, of_classifier: bool) -> Layers:
    """Finds the layers among arrays.

    Args:
        tensors: The arrays by name.
        elman: The cell if there are no gates.
        of_classifier: Whether there may be what only classifiers of `to_torch` have.

    Raises:
        UserError: If there is not exactly one of each kind, or something else.
    """
    own = {name: array for name, array in tensors.items() if of_classifier and OWN.fullmatch(name)}
    matches = {name: match for name in tensors if (match := RECURRENT.fullmatch(name))}
    marks = {name: cell for name in tensors if not tensors[name].size and (cell := name.rpartition(".")[2]) in CELLS}
    other_elman = {*NONLINEARITIES.values()} - {elman}
    cells = tuple(marks.values()) or tuple(cell for cell in MODULES if cell not in other_elman)
    recurrent, cell = recurrent_of({m.groups(): tensors[name] for name, m in matches.items()}, cells)
    left = {name: array for name, array in tensors.items() if name not in {*matches, *marks, *own}}
    first, directions = recurrent["0.forward.W_x"], 2 if "0.reverse.W_x" in recurrent else 1
    H = recurrent["0.forward.W_h"].shape[1]
    matrices = [name for name, array in left.items() if name.endswith("weight") and array.ndim == 2]
    with_bias = [name for name in matrices if bias_of(name) in left]
    tables = [name for name in matrices if name not in with_bias]
    if not with_bias and len(tables) == 2:  # a linear layer without a bias: what its name says, or the second
        with_bias = [name for name in tables if not re.search("emb|encoder|wte|lookup", name)][-1:] or tables[1:]
        tables = [name for name in tables if name not in with_bias]
    heads = with_bias
    if len(heads) != 1 or len(tables) > 1:
        raise UserError(
            f"the state dict has the matrices {', '.join(matrices) or 'none'} beside its recurrent layers; it must "
            "have one embedding and one linear layer: others cannot be taken over"
        )
    used = {*tables, *heads, bias_of(heads[0])}
    if others := [name for name in left if name not in used]:
        raise UserError(
            f"the state dict also has {', '.join(others[:5])}; only an embedding, recurrent layers and a linear layer "
            "can be taken over"
        )
    embedding = left[tables[0]] if tables else None
    head = left[heads[0]]
    bias = left.get(bias_of(heads[0]), np.zeros(len(head), head.dtype))
    if head.shape[1] % (directions * H) or (embedding is not None and embedding.shape[1] != first.shape[1]):
        shapes = " and ".join(f"{name} {left[name].shape}" for name in (*tables, *heads))
        raise UserError(
            f"{shapes} do not fit recurrent layers of {first.shape[1]} inputs and {directions} times {H} outputs; give "
            "the weights of one model"
        )
    return Layers(embedding, recurrent, cell, head, bias, own)


def bias_of(name: str) -> str:
    """The name of the bias of a layer's weight."""
    return name[: -len("weight")] + "bias"


def recurrent_of(arrays: Mapping[tuple[Any, ...], np.ndarray], cells: Sequence[str]) -> tuple[Tensors, str]:
    """The arrays of recurrent layers by our names, and their cell.

    Args:
        arrays: By name of the layer, of the array, number and direction; the last two may be None.
        cells: The cells that they can be; the number of gates says which.
    """
    places = {(place, direction) for place, _, _, direction in arrays}
    if len({place for place, _ in places}) != 1:
        named = ", ".join(sorted({place.rstrip(".") for place, _ in places})) or "none"
        raise UserError(f"the recurrent layers are {named}; there must be one nn.LSTM, nn.GRU or nn.RNN")
    if any(array == "weight_hr" for _, array, _, _ in arrays):
        raise UserError("the LSTM has projections (proj_size); train one without them")
    names = {theirs: ours for ours, theirs in ARRAYS.items()}
    found = {
        f"{int(k or 0)}.{'reverse' if direction else 'forward'}.{names[array]}": value
        for (_, array, k, direction), value in arrays.items()
    }
    for name in [name for name in found if name.endswith("W_x")]:
        for bias in ("b_x", "b_h"):
            found.setdefault(name[:-3] + bias, np.zeros(len(found[name]), found[name].dtype))
    rows, H = found.get("0.forward.W_h", np.zeros((0, 1))).shape
    cell = next((cell for cell in cells if len(CELLS[cell].gates) * H == rows), None)
    directions = ("forward", "reverse") if any(direction for _, direction in places) else ("forward",)
    numbers = range(1 + max(int(name.partition(".")[0]) for name in found))
    expected = {f"{k}.{direction}.{array}" for k in numbers for direction in directions for array in ARRAYS}
    if cell is None or set(found) != expected:
        raise UserError(
            f"the recurrent layers have {len(arrays)} arrays, which are not all those of one nn.LSTM, nn.GRU or "
            "nn.RNN; give the whole state dict"
        )
    return found, cell


def language_model(layers: Layers, known: Vocabulary) -> CharLM:
    """The language model of these layers."""
    if layers.bidirectional:
        raise UserError("the recurrent layers read in both directions, as no language model can; give labels")
    if len(layers.head) != known.size:
        raise UserError(
            f"the linear layer has {len(layers.head)} outputs and the vocabulary {known.size} entries; give labels if "
            "this is a classifier"
        )
    shape = layers.shape
    tied = shape["embedding_size"] == shape["hidden_size"] and layers.is_tied
    config = CharLMConfig(vocab_size=known.tokenizer.vocab_size, dropout=0.0, tied_weights=tied, **shape)
    network = CharLMNetwork(config, known.tokenizer, rng=Undrawn())
    head, bias = known.rows(layers.head), known.rows(layers.bias)
    if known.added_unknown:
        head[0], bias[0] = layers.head.mean(axis=0), layers.bias.mean() + UNKNOWN_LOGIT
    set_values(network, layers, known, {"head.bias": bias} if tied else {"head.weight": head, "head.bias": bias})
    return CharLM().with_network(network)


def classifier(layers: Layers, known: Vocabulary, labels: Sequence[Any], pooling: str) -> SentimentClassifier:
    """The classifier of these layers."""
    head, bias = layers.head, layers.bias
    if len(head) == 1:  # z = log-odds of the second class
        head, bias = np.concatenate([-head / 2, head / 2]), np.concatenate([-bias / 2, bias / 2])
    if len(labels) != len(head) or None in labels:
        raise UserError(f"there are {len(labels)} labels for {len(head)} classes; give one for each, in their order")
    kinds = {type(label).__name__ for label in labels}
    classes = Classes(tuple(map(name_of, labels)), kinds.pop() if len(kinds) == 1 else "str")
    if "pool.query" in layers.own:
        pooling = "attention"
    own = dict(layers.own)
    for mark in own.keys() & POOLING_OF.keys():
        pooling = POOLING_OF[mark]
        del own[mark]
    longest = own.pop("max_length", None)  # tokens
    sizes: dict[str, Any] = {} if longest is None or longest.size != 1 else {"max_length": longest.item()}
    sizes |= {field: len(layers.own.get(f"linear.{view}.ngrams", ())) for view, field in LINEAR.items()}
    config = SentimentConfig(
        vocab_size=known.tokenizer.vocab_size,
        labels=classes.names,
        label_type=classes.type,
        bidirectional=layers.bidirectional,
        pooling=pooling,
        dropout=0.0,
        ngram_buckets=len(layers.own.get("ngrams.weight", ())),
        **sizes,
        **layers.shape,
    )
    network = SentimentNetwork(config, known.tokenizer, rng=Undrawn())
    if network.pool.output_size != head.shape[1]:
        raise UserError(
            f"the linear layer has {head.shape[1]} inputs, and pooling {pooling} gives {network.pool.output_size}; "
            "give the pooling of the model"
        )
    set_values(network, layers, known, {"head.weight": head, "head.bias": bias, **own})
    return SentimentClassifier().with_network(network)


def set_values(network: Any, layers: Layers, known: Vocabulary, values: Mapping[str, np.ndarray]) -> None:
    """Sets all arrays of a network. UserError unless each is given; without a temperature, it is 1."""
    embedding = np.eye(layers.vocab_size) if layers.embedding is None else layers.embedding
    table = known.rows(embedding)
    if known.added_unknown and layers.embedding is not None:
        table[0] = embedding.mean(axis=0)
    recurrent = {f"recurrent.{name}": array for name, array in layers.recurrent.items()}
    arrays = {name: p.value for name, p in network.parameters().items()} | network.buffers()
    given = {"embedding.weight": table, **recurrent, **values}
    for name, value in given.items():
        if name not in arrays or arrays[name].shape != value.shape:
            raise UserError(f"{name} has the shape {value.shape}, which does not fit; give the weights of one model")
        arrays[name][...] = value
    if missing := sorted(arrays.keys() - given.keys() - {"log_temperature"}):
        raise UserError(
            f"the state dict lacks {', '.join(missing)}, which such a model has; give all of model.state_dict(), and "
            "the pooling of the model"
        )
