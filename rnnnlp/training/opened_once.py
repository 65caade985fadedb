"""Models that are opened once in a process, and pickled as the path of their folder."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from rnnnlp.folders import current
from rnnnlp.training.model_folder import WEIGHTS

Model = TypeVar("Model")
Version = tuple[int, ...]
_opened: dict[tuple[type, str], tuple[Version, Any]] = {}
_lock = Lock()


def shared(cls: type[Model], folder: str | os.PathLike[str], opened: Callable[[str], Model]) -> Model:
    """The model in a folder, which `opened` opens if this process has not opened it before, or it has changed since.

    The one that is returned is a copy that shares the weights, so it may be trained anew without harm.
    """
    place = os.fspath(Path(folder).resolve()) if os.path.exists(folder) else os.fspath(folder)  # or a bundled model
    with _lock:
        version = _version(place)
        if (cls, place) not in _opened or _opened[cls, place][0] != version:
            _opened[cls, place] = version, opened(place)
        model: Any = copy.copy(_opened[cls, place][1])
    vars(model)["_shared_place"] = place, version, model.network_
    found: Model = model
    return found


def reduced(model: Any) -> tuple[Any, ...] | None:
    """How a shared model is pickled; None for any other, and for one that has other weights since."""
    place, version, network = getattr(model, "_shared_place", (None, None, None))
    return None if place is None or network is not model.network_ else (_reopened, (type(model), place, version))


def _version(place: str) -> Version:
    """What differs between the weights that one folder has had; nothing for a bundled model or one of the Hub."""
    try:
        status = os.stat(current(Path(place)) / WEIGHTS)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size


def _reopened(cls: Any, place: str, version: Version) -> Any:
    """The model; its version is pickled for caches, such as that of `datasets`, whose key is a hash of the pickle."""
    return cls.from_pretrained(place, shared=True)
