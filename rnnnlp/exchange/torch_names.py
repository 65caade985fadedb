"""How PyTorch names recurrent layers and their arrays."""

from typing import Any

from rnnnlp.layers.pooling import POOLINGS

ARRAYS = {"W_x": "weight_ih", "W_h": "weight_hh", "b_x": "bias_ih", "b_h": "bias_hh"}  # ours and those of torch.nn
MODULES: dict[str, tuple[str, dict[str, Any]]] = {  # of torch.nn, and its options, by cell
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "elman_tanh": ("RNN", {"nonlinearity": "tanh"}),
    "elman_relu": ("RNN", {"nonlinearity": "relu"}),
}
POOLING_OF = {f"pool.{kind.replace('+', '_')}": kind for kind in POOLINGS}  # by the name of an empty buffer
NONLINEARITIES = {"tanh": "elman_tanh", "relu": "elman_relu"}


def array_name(array: str, layer: int, *, reverse: bool) -> str:
    """The name of one of our arrays in recurrent layers of torch: `W_h` -> `weight_hh_l0`."""
    return f"{ARRAYS.get(array, array)}_l{layer}" + ("_reverse" if reverse else "")
