"""What all networks share: named parameters, and the folder that holds a network.

A folder has `config.json`, `tokenizer.json` and `model.safetensors`; the last one has the checksums of all three.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from rnnnlp.config import NetworkConfig
from rnnnlp.errors import UserError
from rnnnlp.files import (
    TOKENIZER_LIMIT,
    load_tensors,
    read_json,
    require_file,
    save_tensors,
    set_tensors,
    write_atomically,
    writing,
)
from rnnnlp.layers.parameter import Parameter, parameters_of
from rnnnlp.text import Tokenizer, load_tokenizer
from rnnnlp.training.earlier import MODEL_TYPES, current_names
from rnnnlp.training.provenance import made_with

FORMAT = 1  # of the run folder
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
MEMBERS = "members"  # of an ensemble: a folder for each member


class Network:
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
        twin = type(self)(config, self._tokenizer, rng=np.random.default_rng(0), dtype=dtype or self.dtype)
        for name, parameter in twin.parameters().items():
            parameter.value[...] = self.parameters()[name].value
        for name, buffer in twin.buffers().items():
            buffer[...] = self.buffers()[name]
        return twin

    def save_pretrained(self, folder: str | os.PathLike[str], *, training: Mapping[str, Any] | None = None) -> None:
        """Writes the network into a folder.

        Args:
            folder: The folder; it is made if it is not there.
            training: How the network was trained, for `config.json`.

        Raises:
            UserError: If the disk is full or the folder cannot be written.
        """
        folder = Path(folder)
        self.save_config(folder, training=training)
        self.save_weights(folder)

    def save_config(self, folder: Path, *, training: Mapping[str, Any] | None = None) -> None:
        """Writes `config.json` and `tokenizer.json`."""
        write_config(folder, self.model_type, self.config.to_mapping(), training)
        with writing(folder):
            self.tokenizer.save(folder)

    def save_weights(self, folder: Path) -> None:
        """Writes `model.safetensors` into a folder that has the other two files."""
        tensors = {name: p.value for name, p in self.parameters().items()} | self.buffers()
        save_tensors(folder / WEIGHTS, tensors, beside=(CONFIG, TOKENIZER))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Reads a network that `save_pretrained` or a training run wrote.

        Raises:
            UserError: If something is missing, damaged, of another task, or does not fit together.
        """
        folder = Path(folder)
        config = read_config(folder)
        if config["model_type"] != cls.model_type:
            raise UserError(
                f"{folder} holds a model of type {config['model_type']}; one of type {cls.model_type} is needed here"
            )
        network_config = cls.config_type.from_mapping(config["model"], str(folder / CONFIG))
        require_file(folder / TOKENIZER, TOKENIZER_LIMIT)
        tokenizer = load_tokenizer(folder)
        if tokenizer.vocab_size != network_config.vocab_size:
            raise UserError(
                f"{folder / TOKENIZER} has {tokenizer.vocab_size} entries and config.json says "
                f"{network_config.vocab_size}; they are not of the same model: restore both, or train again"
            )
        path = folder / WEIGHTS
        tensors = current_names(load_tensors(path, beside=(CONFIG, TOKENIZER)))
        numbers = sum(tensor.size for tensor in tensors.values())
        if network_config.num_parameters > numbers:  # said before a network of that size takes its memory
            raise UserError(
                f"{path} holds {numbers} weights and config.json describes {network_config.num_parameters}; "
                "they are not of the same model: restore both, or train again"
            )
        network = cls(network_config, tokenizer, rng=np.random.default_rng(0))
        arrays = {name: p.value for name, p in network.parameters().items()} | network.buffers()
        set_tensors(arrays, network.buffers() | tensors, path)
        return network


def write_config(
    folder: Path, model_type: str, model: Mapping[str, Any], training: Mapping[str, Any] | None = None
) -> None:
    """Writes `config.json`; `training` is how the model was trained."""
    config = {"format": FORMAT, "model_type": model_type, "model": dict(model), "made_with": made_with()}
    if training is not None:
        config["training"] = dict(training)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / CONFIG, config_bytes(config))


def config_bytes(config: Mapping[str, Any]) -> bytes:
    """The content of `config.json`."""
    return json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n"


def training_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """How the model in a folder was trained, as its `config.json` says; empty where it does not say."""
    training: dict[str, Any] = read_config(Path(folder)).get("training", {})
    return training


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`; its keys and their types are checked.

    Raises:
        UserError: If there is no such file, or it is not the configuration of a model.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; a folder with a trained model is needed")
    config = read_json(path)
    expected = {"format": int, "model_type": str, "model": dict}
    if not isinstance(config, dict) or any(not isinstance(config.get(key), kind) for key, kind in expected.items()):
        raise UserError(
            f"{path} is not the configuration of a model; it must have {', '.join(expected)}: restore it or train again"
        )
    if not isinstance(config.get("training", {}), dict):
        raise UserError(f"{path}: training is {config['training']!r}; it must be an object: restore it or train again")
    if unknown := set(config) - set(expected) - {"training", "made_with"}:
        raise UserError(
            f"{path}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(expected)}, training, made_with"
        )
    if config["format"] != FORMAT:
        raise UserError(
            f"{path} has format {config['format']}; this version reads format {FORMAT}: install the one that wrote it"
        )
    config["model_type"] = MODEL_TYPES.get(config["model_type"], config["model_type"])
    return config
