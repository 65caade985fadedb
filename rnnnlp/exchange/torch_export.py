"""The modules of PyTorch that `to_torch` makes of networks."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch

from rnnnlp.exchange import torch_cells, torch_modules
from rnnnlp.exchange.torch_names import MODULES, array_name
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.linear import SPACE
from rnnnlp.tasks.sentiment.network import SentimentNetwork

Module = TypeVar("Module", bound=torch.nn.Module)


def ensemble_module(network: Ensemble) -> torch_modules.Ensemble:
    members = [classifier_module(member, temperature=False) for member in network.members]
    return torch_modules.Ensemble(members, torch.from_numpy(network.weights.copy()))


def classifier_module(network: SentimentNetwork, *, temperature: bool = True) -> torch_modules.Classifier:
    c, dtype = network.config, torch_dtype(network.dtype)
    size = network.recurrent.output_size
    ngrams = torch_modules.NgramFeatures(c.ngram_buckets, len(c.labels), dtype=dtype) if c.ngram_buckets else None
    linear = None
    if network.linear is not None:
        views = {}
        for name, model in network.linear.views.items():
            arrays = {of_model: torch.from_numpy(array.copy()) for of_model, array in model.arrays().items()}
            view, space = model.view, SPACE if model.view.characters else None
            views[name] = torch_modules.NgramModel(arrays, view.shortest, view.longest, space)
        linear = torch_modules.LinearModel(torch.from_numpy(network.linear.weights.copy()), views)
    module = torch_modules.Classifier(
        torch.nn.Embedding(c.vocab_size, c.embedding_size, dtype=dtype),
        recurrent_module(network.recurrent, c.cell, c.embedding_size, dtype, c.dropout),
        torch_modules.Pool(c.pooling, size, bidirectional=c.bidirectional, dtype=dtype),
        torch.nn.Linear(network.pool.output_size, len(c.labels), dtype=dtype),
        ngrams,
        linear,
        c.dropout,
    )
    values = {name: p.value for name, p in network.parameters().items()} | network.buffers()
    values["max_length"] = np.array([c.max_length])
    if not temperature:
        values["log_temperature"] = np.zeros(1)
    return with_values(module, values)


def language_model_module(network: CharLMNetwork) -> torch_modules.CharLM:
    c, dtype = network.config, torch_dtype(network.dtype)
    embedding = torch.nn.Embedding(c.vocab_size, c.embedding_size, dtype=dtype)
    head = torch.nn.Linear(c.hidden_size, c.vocab_size, dtype=dtype)
    values = {name: p.value for name, p in network.parameters().items()}
    if c.tied_weights:
        head.weight = embedding.weight
        values["head.weight"] = network.embedding.weight.value
    recurrent = recurrent_module(network.recurrent, c.cell, c.embedding_size, dtype, c.dropout)
    return with_values(torch_modules.CharLM(embedding, recurrent, head, c.dropout), values)


def recurrent_module(
    layers: Recurrent, cell: str, input_size: int, dtype: torch.dtype, dropout: float
) -> torch.nn.Module:
    """Recurrent layers of torch in the shape of ours."""
    kind: Any = partial(torch_cells.CellLayers, layers.cell)
    name, options = MODULES.get(cell, ("", {}))
    if name:
        kind = partial(getattr(torch.nn, name), batch_first=True, **options)
    number = len(layers.layers)
    made: torch.nn.Module = kind(
        input_size,
        layers.hidden_size,
        num_layers=number,
        bidirectional=len(layers.layers[0]) == 2,
        dropout=dropout if number > 1 else 0.0,
        dtype=dtype,
    )
    if options:  # which a state dict does not tell, so the name of the cell is in it
        made.register_buffer(cell, torch.zeros(0))
    return made


def with_values(module: Module, values: Mapping[str, np.ndarray]) -> Module:
    """The module with our values."""
    state = {torch_name(name): torch.from_numpy(np.array(value)) for name, value in values.items()}
    marks = {name: buffer for name, buffer in module.named_buffers() if not buffer.numel()}  # cell, pooling
    module.load_state_dict(state | marks)
    return module


def torch_name(name: str) -> str:
    """`recurrent.0.reverse.W_h` -> `recurrent.weight_hh_l0_reverse`; other names are the same."""
    match = re.fullmatch(r"(recurrent)\.(\d+)\.(forward|reverse)\.(\w+)", name)
    if match is None:
        return name
    layer, k, direction, array = match.groups()
    return f"{layer}.{array_name(array, int(k), reverse=direction == 'reverse')}"


def torch_dtype(dtype: np.dtype) -> torch.dtype:
    return torch.float64 if dtype == np.float64 else torch.float32
