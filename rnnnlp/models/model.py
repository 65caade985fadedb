"""What all models share: named parameters, and the folder that holds a model."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.layers.parameter import Parameter, parameters_of
from rnnnlp.models.config import Config
from rnnnlp.models.storage import (
    TOKENIZER_LIMIT,
    load_tensors,
    read_json,
    require_file,
    save_tensors,
    set_tensors,
    write_atomically,
    writing,
)
from rnnnlp.text import Tokenizer, load_tokenizer

FORMAT = 1  # of the run folder
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"


class Model:
    """A configuration, a tokenizer, and layers by name.

    A saved model is a folder with `config.json`, `tokenizer.json` and `model.safetensors`; the last one has the
    checksums of all three.
    """

    model_type: ClassVar[str]
    config_type: ClassVar[type[Config]]
    layers: dict[str, Any]
    config: Any
    tokenizer: Tokenizer | None

    def __init__(self, config: Any, tokenizer: Tokenizer | None, *, rng: np.random.Generator, dtype: Any = np.float32):
        raise NotImplementedError

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, such as `recurrent.0.forward.W_h`."""
        return parameters_of(self.layers)

    def fitted(self) -> dict[str, np.ndarray]:
        """Arrays besides the parameters that are found after the weights and kept with them; old folders have none."""
        return {}

    def zero_grad(self) -> None:
        for parameter in self.parameters().values():
            parameter.zero_grad()

    def save_pretrained(self, folder: str | os.PathLike, *, extra: Mapping[str, Any] | None = None) -> None:
        """Writes the model into `folder`; `extra` goes into `config.json` under "training".

        Raises UserError if the disk is full or the folder cannot be written.
        """
        folder = Path(folder)
        self.save_config(folder, extra=extra)
        self.save_weights(folder)

    def save_config(self, folder: Path, *, extra: Mapping[str, Any] | None = None) -> None:
        """Writes `config.json` and `tokenizer.json`."""
        config = {"format": FORMAT, "model_type": self.model_type, "model": self.config.to_mapping()}
        if extra is not None:
            config["training"] = dict(extra)
        assert self.tokenizer is not None
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n")
            self.tokenizer.save(folder)

    def save_weights(self, folder: Path) -> None:
        """Writes `model.safetensors` into a folder that has the other two files."""
        tensors = {name: p.value for name, p in self.parameters().items()} | self.fitted()
        save_tensors(folder / WEIGHTS, tensors, beside=(CONFIG, TOKENIZER))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike) -> Self:
        """Reads a model that `save_pretrained` or a training run wrote.

        Raises UserError if something is missing, damaged, of another kind of model, or does not fit together.
        """
        folder = Path(folder)
        config = read_config(folder)
        if config["model_type"] != cls.model_type:
            raise UserError(f"{folder} holds a {config['model_type']} model; a {cls.model_type} model is needed here")
        model_config = cls.config_type.from_mapping(config["model"], str(folder / CONFIG))
        require_file(folder / TOKENIZER, TOKENIZER_LIMIT)
        tokenizer = load_tokenizer(folder)
        vocab_size = model_config.vocab_size  # type: ignore[attr-defined]
        if tokenizer.vocab_size != vocab_size:
            raise UserError(
                f"{folder / TOKENIZER} has {tokenizer.vocab_size} entries and config.json says {vocab_size}; "
                "they are not of the same model: restore both, or train again"
            )
        path = folder / WEIGHTS
        tensors = load_tensors(path, beside=(CONFIG, TOKENIZER))
        weights = sum(tensor.size for tensor in tensors.values())
        if model_config.weights > weights:  # said before a model of that size takes its memory
            raise UserError(
                f"{path} holds {weights} weights and config.json describes {model_config.weights}; "
                "they are not of the same model: restore both, or train again"
            )
        model = cls(model_config, tokenizer, rng=np.random.default_rng(0))
        arrays = {name: p.value for name, p in model.parameters().items()} | model.fitted()
        set_tensors(arrays, model.fitted() | tensors, path)
        return model


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`, of which the keys and their kinds are checked."""
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
    if unknown := set(config) - set(expected) - {"training"}:
        raise UserError(f"{path}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(expected)}, training")
    if config["format"] != FORMAT:
        raise UserError(
            f"{path} has format {config['format']}; this version reads format {FORMAT}: install the one that wrote it"
        )
    return config
