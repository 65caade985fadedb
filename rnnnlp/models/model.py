"""What both models share: named parameters, and the folder that holds a model."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.layers.parameter import Parameter
from rnnnlp.models.config import Config
from rnnnlp.text import Tokenizer, load_tokenizer

FORMAT = 1  # of the run folder
WEIGHTS = "model.safetensors"


class Model:
    """A configuration, a tokenizer, and layers by name.

    A saved model is a folder with `config.json`, `tokenizer.json` and `model.safetensors`.
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
        return {
            f"{layer_name}.{name}": parameter
            for layer_name, layer in self.layers.items()
            for name, parameter in layer.parameters().items()
        }

    def zero_grad(self) -> None:
        for parameter in self.parameters().values():
            parameter.zero_grad()

    def save_pretrained(self, folder: str | os.PathLike, *, extra: Mapping[str, Any] | None = None) -> None:
        """Writes the model into `folder`; `extra` goes into `config.json` under "training"."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {"format": FORMAT, "model_type": self.model_type, "model": self.config.to_mapping()}
        if extra is not None:
            config["training"] = dict(extra)
        write_atomically(folder / "config.json", json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n")
        assert self.tokenizer is not None
        self.tokenizer.save(folder)
        save_tensors(folder / WEIGHTS, {name: p.value for name, p in self.parameters().items()})

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike, *, weights: str | os.PathLike | None = None) -> Self:
        """Reads a model that `save_pretrained` or a training run wrote.

        `weights` names another file than the folder's `model.safetensors`. Raises UserError if something is missing,
        damaged, of another kind of model, or does not fit together.
        """
        folder = Path(folder)
        config = read_config(folder)
        if config["model_type"] != cls.model_type:
            raise UserError(f"{folder} holds a {config['model_type']} model; a {cls.model_type} model is needed here")
        model_config = cls.config_type.from_mapping(config["model"], str(folder / "config.json"))
        tokenizer = load_tokenizer(folder)
        vocab_size = model_config.vocab_size  # type: ignore[attr-defined]
        if tokenizer.vocab_size != vocab_size:
            raise UserError(
                f"{folder / 'tokenizer.json'} has {tokenizer.vocab_size} entries and config.json says {vocab_size}; "
                "they are not of the same model"
            )
        model = cls(model_config, tokenizer, rng=np.random.default_rng(0))
        path = Path(weights) if weights else folder / WEIGHTS
        set_tensors({name: p.value for name, p in model.parameters().items()}, load_tensors(path), path)
        return model


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`, of which the keys and their kinds are checked."""
    path = folder / "config.json"
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; a folder with a trained model is needed")
    if not path.is_file():
        raise UserError(f"{path} is missing; {folder} does not hold a (complete) model")
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); restore it or train again") from None
    expected = {"format": int, "model_type": str, "model": dict}
    if not isinstance(config, dict) or any(not isinstance(config.get(key), kind) for key, kind in expected.items()):
        raise UserError(f"{path} is not the configuration of a model: it must have {', '.join(expected)}")
    if unknown := set(config) - set(expected) - {"training"}:
        raise UserError(f"{path}: unknown key {sorted(unknown)[0]!r}; known are {', '.join(expected)}, training")
    if config["format"] != FORMAT:
        raise UserError(f"{path} has format {config['format']}; this version reads format {FORMAT}")
    return config


def save_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a safetensors file, whole or not at all."""
    from safetensors.numpy import save

    # safetensors writes the buffer as it lies in memory, so a transposed view would come back wrong.
    write_atomically(path, save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}))


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a safetensors file; UserError if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise UserError(f"{path} is missing; the folder does not hold a (complete) model")
    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}); restore it or train again") from None


def set_tensors(arrays: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Copies `tensors`, read from `path`, into `arrays`; UserError unless names, shapes and dtypes are the same."""
    for name in sorted(set(arrays) ^ set(tensors)):
        state = "is missing" if name in arrays else "does not belong to this model"
        raise UserError(f"{path}: tensor {name} {state}; the file and config.json are not of the same model")
    for name, array in arrays.items():
        tensor = tensors[name]
        if tensor.shape != array.shape or tensor.dtype != array.dtype:
            raise UserError(
                f"{path}: tensor {name} is {tensor.dtype} {tensor.shape} and must be {array.dtype} {array.shape}"
            )
        array[...] = tensor


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that `path` has the old content or the new, whenever the process or the machine stops."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
