"""The variants by name: what each changes of the baseline, and the paper."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from rnnnlp.batches.streams import StreamBatches
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from variants.batches import FixedOffsets, NoStateReset
from variants.linear import SRU, MinGRU
from variants.lstms import MultiplicativeLSTM, NormLSTM, ZoneoutLSTM
from variants.stack import LSTMLayer, Stack


@dataclass(frozen=True)
class Variant:
    """What a variant changes.

    Attributes:
        about: For people.
        paper: Where the idea is from.
        options: Options of `rnnnlp train charlm` that differ from the baseline.
        batches: The windows of the text.
        stack: Makes the recurrent layers from the configuration of the network. None takes the library's own.
        unused: Options of the network that `stack` ignores.
    """

    about: str
    paper: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    batches: type[StreamBatches] = StreamBatches
    stack: Callable[..., Stack] | None = None
    unused: tuple[str, ...] = ()


def stack_of(layer: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """The fields of a variant with a stack of these layers."""
    return {"stack": partial(Stack, layer, **options), "unused": ("cell", "weight_drop")}


def residual_lstm(config: CharLMConfig, **options: Any) -> Stack:
    return Stack(partial(LSTMLayer, weight_drop=config.weight_drop), config, residual=True, **options)


VARIANTS = {
    "baseline": Variant("the LSTM, without weight decay; else the defaults"),
    # Options of the library.
    "no-dropout": Variant("no dropout", "Srivastava et al. 2014", {"dropout": 0.0}),
    "dropout-0.5": Variant("dropout 0.5", "Srivastava et al. 2014", {"dropout": 0.5}),
    "variational": Variant("the same dropout mask at each step", "Gal and Ghahramani 2016", {"variational": True}),
    "weight-drop": Variant("0.3 of the recurrent weights dropped", "Merity et al. 2018", {"weight_drop": 0.3}),
    "tied": Variant(
        "one matrix for embedding and output", "Press and Wolf 2017", {"tied_weights": True, "embedding_size": 512}
    ),
    "no-averaging": Variant("the last weights, not their average", "Polyak and Juditsky 1992", {"averaging": 0.0}),
    "label-smoothing": Variant("label smoothing 0.05", "Szegedy et al. 2016", {"label_smoothing": 0.05}),
    "weight-decay": Variant("weight decay 0.1", "Loshchilov and Hutter 2019", {"weight_decay": 0.1}),
    "constant-rate": Variant("a constant learning rate", "Loshchilov and Hutter 2017", {"schedule": "constant"}),
    "no-warmup": Variant("the full learning rate from the first step", "", {"warmup": 0.0}),
    "no-clipping": Variant("gradients of any norm", "Pascanu et al. 2013", {"max_norm": 0.0}),
    "two-layers": Variant("two layers", "Graves 2013", {"num_layers": 2}),
    "gru": Variant("a GRU", "Cho et al. 2014", {"cell": "gru"}),
    "gru-reset-first": Variant("a GRU that resets before the product", "Cho et al. 2014", {"cell": "gru_reset_first"}),
    "elman": Variant("an Elman network", "Elman 1990", {"cell": "elman_tanh"}),
    # What the library always does.
    "fixed-offsets": Variant("each epoch begins at the same character", "", batches=FixedOffsets),
    "no-state-reset": Variant("the state of a stream is never reset", "", batches=NoStateReset),
    # What the library does not have.
    "zoneout": Variant(
        "0.5 of c and 0.05 of h keep their value",
        "Krueger et al. 2017",
        **stack_of(partial(ZoneoutLSTM, c_p=0.5, h_p=0.05)),
    ),
    "zoneout-light": Variant(
        "0.1 of c and 0.05 of h keep their value",
        "Krueger et al. 2017",
        **stack_of(partial(ZoneoutLSTM, c_p=0.1, h_p=0.05)),
    ),
    "layer-norm": Variant("layer normalisation in the LSTM", "Ba et al. 2016", **stack_of(NormLSTM)),
    "residual": Variant(
        "two LSTM layers, the first added to the second",
        "He et al. 2016",
        {"num_layers": 2},
        stack=residual_lstm,
        unused=("cell",),
    ),
    "mlstm": Variant("multiplicative LSTM", "Krause et al. 2016", **stack_of(MultiplicativeLSTM)),
    "mingru": Variant(
        "three residual layers of minGRU, normalised between",
        "Feng et al. 2024",
        {"num_layers": 3},
        **stack_of(MinGRU, residual=True, norm=True),
    ),
    "sru": Variant("three layers of SRU with its highways", "Lei et al. 2018", {"num_layers": 3}, **stack_of(SRU)),
}


def multiplications(model: CharLMNetwork) -> tuple[int, int]:
    """The number of multiplications per character in the matrix products of a forward pass.

    The first layer's projection of its input does not count: it is done once for each unique character of a window.

    Returns:
        All of them, and those that are done step after step.
    """
    steps = window = 0
    for name, p in model.recurrent.parameters().items():
        of_input = name.rsplit(".", 1)[-1].startswith("W_x")
        if p.value.ndim < 2 or (of_input and name.startswith("0.")):
            continue
        window += p.value.size * of_input
        steps += p.value.size * (not of_input)
    return steps + window + model.head.weight.value.size, steps


def build(variant: Variant, config: CharLMConfig, tokenizer: Any, *, rng: np.random.Generator) -> CharLMNetwork:
    """A new network of a variant."""
    model = CharLMNetwork(config, tokenizer, rng=rng)
    if variant.stack:
        model.recurrent = model.layers["recurrent"] = variant.stack(config, rng=rng)  # type: ignore[assignment]
    return model
