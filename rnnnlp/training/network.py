"""What all networks share: named parameters, and how they are written into a folder and read from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from rnnnlp.config import NetworkConfig
from rnnnlp.errors import UserError
from rnnnlp.files import TOKENIZER_LIMIT, require_file, writing
from rnnnlp.layers.parameter import Parameter, Undrawn, parameters_of
from rnnnlp.tensors import load_tensors, number_of_values, save_tensors, set_tensors
from rnnnlp.text import Tokenizer, load_tokenizer
from rnnnlp.training.earlier import current_names
from rnnnlp.training.model_folder import (
    CONFIG,
    FEW_WEIGHTS,
    QUANTIZATION,
    TOKENIZER,
    WEIGHTS,
    SavedModel,
    read_config,
    write_config,
)
from rnnnlp.training.quantization import decoded, quantized


class Network(SavedModel):
    """A configuration, a tokenizer, and layers by name."""

    model_type: ClassVar[str]
    config_type: ClassVar[type[NetworkConfig]]
    layers: dict[str, Any]
    config: Any
    dtype: np.dtype[Any]

    def __init__(
        self,
        config: Any,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ):
        self.config, self._tokenizer, self.dtype = config, tokenizer, np.dtype(dtype)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer; ValueError for a network that was made without one."""
        if self._tokenizer is None:
            raise ValueError("this network was made without a tokenizer, so it reads ids and no text")
        return self._tokenizer

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, such as `recurrent.0.forward.W_h`."""
        return parameters_of(self.layers)

    def buffers(self) -> dict[str, np.ndarray]:
        """Arrays that are saved with the parameters but not trained; folders of earlier versions may lack them."""
        return {}

    def zero_grad(self) -> None:
        for parameter in self.parameters().values():
            parameter.zero_grad()

    def copy(self, dtype: npt.DTypeLike | None = None, **changed: Any) -> Self:
        """A network with the same weights in arrays of its own.

        Args:
            dtype: Another `dtype` of the weights.
            changed: Options that have no weights, such as `dropout`.
        """
        config = self.config.changed(**changed)
        twin = type(self)(config, self._tokenizer, rng=Undrawn(), dtype=dtype or self.dtype)
        for name, parameter in twin.parameters().items():
            parameter.value[...] = self.parameters()[name].value
        for name, buffer in twin.buffers().items():
            buffer[...] = self.buffers()[name]
        return twin

    def write(self, folder: Path, *, training: Mapping[str, Any] | None = None, quantize: str | None = None) -> None:
        """Writes the network into a new folder, which is not on the disk before it is synced."""
        self.save_config(folder, training=training, quantize=quantize)
        self.save_weights(folder, quantize=quantize, sync=False)

    def save_config(
        self, folder: Path, *, training: Mapping[str, Any] | None = None, quantize: str | None = None
    ) -> None:
        """Writes `config.json` and `tokenizer.json` into a new folder, which is not on the disk before it is synced."""
        write_config(folder, self.model_type, self.config.to_mapping(), training, quantize)
        with writing(folder):
            self.tokenizer.save(folder, sync=False)

    def save_weights(self, folder: Path, *, quantize: str | None = None, sync: bool = True) -> None:
        """Writes `model.safetensors` into a folder with the other two files; `sync` is whether to wait for the disk."""
        tensors = {name: p.value for name, p in self.parameters().items()} | self.buffers()
        if quantize is not None:
            tensors = quantized(tensors)
        save_tensors(folder / WEIGHTS, tensors, beside=(CONFIG, TOKENIZER), sync=sync)

    @classmethod
    def _read(cls, folder: Path) -> Self:
        config = read_config(folder)
        if config["model_type"] != cls.model_type:
            raise UserError(
                f"{folder} holds a model of type {config['model_type']}; one of type {cls.model_type} is needed here"
            )
        network_config = cls.config_type.from_mapping(config["model"], str(folder / CONFIG))
        require_file(folder / TOKENIZER, TOKENIZER_LIMIT)
        path = folder / WEIGHTS
        tokenizer = load_tokenizer(folder, lambda: min(network_config.vocab_size, number_of_values(path)))
        if tokenizer.vocab_size != network_config.vocab_size:
            raise UserError(
                f"{folder / TOKENIZER} has {tokenizer.vocab_size} entries and config.json says "
                f"{network_config.vocab_size}; they are not of the same model: restore both, or train again"
            )

        def require(number: int, least: int, most: float) -> None:
            if not least <= number <= most:
                raise UserError(
                    f"{path} holds {number} parameters and config.json describes {network_config.num_parameters}; "
                    "they are not of the same model: restore both, or train again"
                )

        many = FEW_WEIGHTS + 2 * network_config.num_parameters  # more are refused before they are read
        tensors = current_names(
            load_tensors(path, beside=(CONFIG, TOKENIZER), check=lambda number: require(number, 0, many))
        )
        if QUANTIZATION in config:
            tensors = decoded(tensors, path)
        number = sum(tensor.size for tensor in tensors.values())
        require(number, network_config.num_parameters, many)  # said before a network of that size takes its memory
        network = cls(network_config, tokenizer, rng=Undrawn())
        arrays = {name: p.value for name, p in network.parameters().items()} | network.buffers()
        set_tensors(arrays, network.buffers() | tensors, path)
        return network
