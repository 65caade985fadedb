"""The folder that holds a model: its files, its configuration, and what may be replaced in it.

A folder has `config.json`, `tokenizer.json` and `model.safetensors`; the last one has the checksums of all three.
"""

import hashlib
import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from rnnnlp.errors import UserError
from rnnnlp.files import (
    JSON_LIMIT,
    MOST_PARTS,
    open_regular,
    parts_of,
    read_json,
    size_and_sha256,
    unreadable,
    write_atomically,
    writing,
)
from rnnnlp.folders import current, read_whole, replacement
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.training.earlier import MODEL_TYPES
from rnnnlp.training.folder_lock import holder, refuse_in_use
from rnnnlp.training.hub import HubName, download
from rnnnlp.training.provenance import made_with
from rnnnlp.training.quantization import INT8, require_known

FORMAT = 1  # of the run folder
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
QUANTIZATION = "quantization"  # the key of config.json for weights that are not float32
FEW_WEIGHTS = 1 << 20  # may be read from a file of weights whatever its configuration is
MEMBERS = "members"  # of an ensemble: a folder for each member
CHECKPOINTS, LANGUAGE_MODEL, METRICS, CARD = "checkpoints", "language_model", "metrics.jsonl", "README.md"  # of a run
CROSS_VALIDATION = "cross_validation.safetensors"
TENSORBOARD, TRACKED = "tensorboard", "trackers.json"  # what trackers of experiments keep with a run
RUN_ENTRIES = (CHECKPOINTS, LANGUAGE_MODEL, CROSS_VALIDATION, METRICS, CARD, TENSORBOARD, TRACKED)
MODEL_FILES = (CONFIG, TOKENIZER, WEIGHTS)
ON_HUB = (*MODEL_FILES, CARD, METRICS, *(f"{MEMBERS}/*/{name}" for name in MODEL_FILES))  # all that the Hub has of one
KEYS = {"format": int, "model_type": str, "model": dict}  # of config.json, and the types of their values
ENTRIES = (CONFIG, TOKENIZER, WEIGHTS, MEMBERS, *RUN_ENTRIES)  # all that a folder of a run or model may have


class SavedModel(ABC):
    """A model that is written into a folder, and read from it, as a whole."""

    public_class: ClassVar[str | None] = None  # the class of `rnnnlp` that opens it
    pipeline_tag: ClassVar[str | None] = None  # what the Hub calls its task

    @property
    def files(self) -> tuple[str, ...]:
        """The files that `write` writes, with `/` between a folder and a name."""
        return MODEL_FILES

    @abstractmethod
    def write(self, folder: Path, *, training: Mapping[str, Any] | None = None, quantize: str | None = None) -> None:
        """Writes the model into a new folder, which is not on the disk before it is synced."""

    @classmethod
    @abstractmethod
    def _read(cls, folder: Path) -> Self:
        """Reads a model that `write` wrote."""

    def save_pretrained(
        self,
        folder: str | os.PathLike[str],
        *,
        training: Mapping[str, Any] | None = None,
        quantize: str | None = None,
    ) -> None:
        """Writes the model into a folder. An existing model is kept until the new one is complete.

        Args:
            folder: The folder; it is made if it is not there.
            training: How the model was trained, for `config.json`.
            quantize: "int8" rounds the weights to int8: about a quarter of the size. None writes float32.

        Raises:
            UserError: If the disk is full, the folder cannot be written or is in use, it has such files that do not
                belong to a model, or it has checkpoints and the weights are to be int8.
        """
        with replaced_model(folder, quantize=quantize) as new:
            self.write(new, training=training, quantize=quantize)

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """Uploads the model to the Hugging Face Hub, from which `from_pretrained(repo)` reads it.

        Args:
            repo: The name of the model there, `owner/name`; it is made if it is not there.
            options: Those of `training.push.push`: `private`, `message`, `language`, `license`.

        Returns:
            The address of the model.

        Raises:
            UserError: If the Hub does not take it.
        """
        from rnnnlp.training.push import push

        with tempfile.TemporaryDirectory(prefix="rnnnlp-") as temporary:
            folder = Path(temporary) / "model"
            self.save_pretrained(folder)
            return push(self, folder, repo, **options)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Reads a model that `save_pretrained` or a training run wrote.

        Args:
            folder: The folder, or the name of a model on the Hub, such as "owner/name" or "owner/name@revision".

        Raises:
            UserError: If something is missing, damaged, of another kind, or does not fit together.
        """
        return read_whole(located(folder), cls._read)


def located(place: str | os.PathLike[str]) -> Path:
    """Where a model is: the folder `place` or, if there is none, a copy of the model of the Hub that has this name.

    All that opens a model asks here, so a name of the Hub may be given wherever a run may. A folder wins. A path into a
    folder that is here is not looked for on the Hub, as it is more likely mistyped, unless it has a revision.

    Raises:
        UserError: If the Hub does not have it, or cannot be reached and the copy is not in the cache.
    """
    path, name = Path(os.path.expanduser(place)), HubName.of(place)
    if name is None or os.path.lexists(path):
        return path
    if name.revision is None and path.parent.is_dir():
        raise UserError(
            f"{name} is not in the folder {path.parent}, which is here, so it is not looked for on the Hub; give the "
            f"folder of a trained model, or {name}@main for one of the Hub"
        )
    return download(name, CONFIG, tuple(KEYS), ON_HUB)


@contextmanager
def replaced_model(folder: str | os.PathLike[str], *, quantize: str | None = None) -> Iterator[Path]:
    """A context that gives a new folder to write a model into, which then replaces the model in `folder`.

    Existing checkpoints, metrics and model card are kept, unless the new folder has others.

    Args:
        folder: The folder.
        quantize: How the weights of the new model are stored, as in `SavedModel.save_pretrained`.

    Raises:
        UserError: If `folder` has such files that do not belong to a model, a run trains or another process saves a
            model in it, it cannot be written, or it has checkpoints, whose run would go on beside int8 weights.
    """
    path = Path(os.path.expanduser(folder))
    require_known(quantize)

    def check() -> None:
        refuse_in_use(path, holder(path))
        places = () if holds_model(path) else (path, current(path))  # the second may be an export that was interrupted
        foreign = [name for place in places for name in ENTRIES if os.path.lexists(place / name)]
        if foreign:
            raise UserError(
                f"{path} has a {foreign[0]} that is not of a whole model of rnnnlp, so nothing there is replaced; "
                "give another folder"
            )

        if quantize is not None and os.path.lexists(current(path) / CHECKPOINTS):
            raise UserError(
                f"{path} has checkpoints, from which training goes on in float32; give another folder for {quantize} "
                "weights"
            )

    with replacement(path, ENTRIES, keep=RUN_ENTRIES, check=check) as new:
        yield new


def digest_of_model(folder: Path) -> str:
    """The SHA-256 digest of the files that make the model in a folder, or the ensemble: the same for equal models."""
    digest, folder = hashlib.sha256(), current(folder)
    for place in (folder, *sorted((folder / MEMBERS).glob("*"))):
        for name in MODEL_FILES:
            if (place / name).is_file():
                with open_regular(place / name) as file:
                    digest.update(f"{place.name if place != folder else ''}/{name} {size_and_sha256(file)}".encode())
    return digest.hexdigest()


def version_of_weights(folder: Path) -> tuple[int, ...]:
    """What differs between the weights that a folder has had; nothing for the name of a model, which is no folder."""
    try:
        status = os.stat(current(folder) / WEIGHTS)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size


def holds_model(folder: Path) -> bool:
    """Whether a folder is one of a run or a model: it or a checkpoint in it has the configuration of a model."""
    folder = current(folder)
    for place in (folder, *(folder / CHECKPOINTS).glob("step-*")):
        with suppress(UserError):
            read_config(place)
            return True
    return False


def write_config(
    folder: Path,
    model_type: str,
    model: Mapping[str, Any],
    training: Mapping[str, Any] | None = None,
    quantize: str | None = None,
) -> None:
    """Writes `config.json` into a new folder, which is not on the disk before it is synced.

    Args:
        folder: The folder; it is made if it is not there.
        model_type: The kind of model.
        model: Its configuration.
        training: How the model was trained.
        quantize: How its weights are stored, if not in float32.
    """
    config = {"format": FORMAT, "model_type": model_type, "model": dict(model), "made_with": made_with()}
    if quantize is not None:
        config[QUANTIZATION] = quantize
    if training is not None:
        config["training"] = dict(training)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / CONFIG, config_bytes(config), sync=False)


def config_bytes(config: Mapping[str, Any]) -> bytes:
    """The content of `config.json`.

    Raises:
        UserError: If it has more bytes, objects or lists than are read again.
    """
    content = json.dumps(config, indent=2, ensure_ascii=False).encode() + b"\n"
    if (parts := parts_of(content)) > MOST_PARTS:
        raise UserError(
            f"{CONFIG} would have {parts} brackets, and at most {MOST_PARTS} are read again; give labels with fewer"
        )
    if len(content) > JSON_LIMIT:
        raise UserError(
            f"{CONFIG} would have {len(content)} bytes, and at most {JSON_LIMIT} are read again; "
            "give fewer or shorter labels, or shorter options"
        )
    return content


def training_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """How the model in a folder was trained, as its `config.json` says; empty where it does not say."""
    training: dict[str, Any] = read_config(Path(folder)).get("training", {})
    return training


def trained_columns(folder: Path) -> ReadOptions:
    """The columns of texts and labels that the model in a folder was trained on, as far as it says."""
    training = training_of(folder)
    names = {name: training.get(name) for name in ("text_column", "label_column")}
    return ReadOptions.from_mapping(names, str(folder / CONFIG))


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`; its keys and their types are checked.

    Raises:
        UserError: If there is no such file, or it is not the configuration of a model.
    """
    try:
        is_folder = folder.is_dir()
    except PermissionError as error:  # of a folder above it
        raise unreadable(folder, error) from None
    if not is_folder:
        raise UserError(f"{folder} is not a folder; a folder with a trained model is needed")
    path = current(folder) / CONFIG
    config = read_json(path)
    if not isinstance(config, dict) or any(not isinstance(config.get(key), kind) for key, kind in KEYS.items()):
        raise UserError(
            f"{path} is not the configuration of a model; it must have {', '.join(KEYS)}: restore it or train again"
        )
    if not isinstance(config.get("training", {}), dict):
        raise UserError(f"{path}: training is {config['training']!r}; it must be an object: restore it or train again")
    optional = ("training", "made_with", QUANTIZATION)
    if unknown := set(config) - {*KEYS, *optional}:
        raise UserError(f"{path}: unknown key {sorted(unknown)[0]!r}; known are {', '.join((*KEYS, *optional))}")
    if config.get(QUANTIZATION, INT8) != INT8:
        raise UserError(
            f"{path}: {QUANTIZATION} is {config[QUANTIZATION]!r}; this version reads {INT8}: install the one that "
            "wrote it"
        )
    if config["format"] != FORMAT:
        raise UserError(
            f"{path} has format {config['format']}; this version reads format {FORMAT}: install the one that wrote it"
        )
    config["model_type"] = MODEL_TYPES.get(config["model_type"], config["model_type"])
    return config
