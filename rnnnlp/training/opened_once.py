"""Models that are opened once in a process, and pickled as the path of their folder."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from rnnnlp.training.model_folder import version_of_weights

Model = TypeVar("Model")
Version = tuple[int, ...]
_opened: dict[tuple[type, str], tuple[Version, Any]] = {}
_lock = Lock()


def _after_fork() -> None:
    """Replaces the lock in a child, in which the thread that may hold it does not exist."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def shared(cls: type[Model], folder: str | os.PathLike[str], opened: Callable[[str], Model]) -> Model:
    """The model in a folder, which `opened` opens if this process has not opened it before, or it has changed since.

    The one that is returned is a copy that shares the weights, so it may be trained anew without harm.
    """
    path = Path(os.path.expanduser(folder))
    place = os.fspath(path.resolve() if path.exists() else folder)  # or a bundled model
    with _lock:
        version = version_of_weights(Path(place))
        if (cls, place) not in _opened or _opened[cls, place][0] != version:
            _opened[cls, place] = version, opened(place)
        model: Any = copy.copy(_opened[cls, place][1])
    vars(model)["_shared_place"] = place, version, model.network_, model.get_params()
    found: Model = model
    return found


def reduced(model: Any) -> tuple[Any, ...] | None:
    """How a shared model is pickled: its path, and the options that were changed since it was opened.

    None for any other, and for one that has other weights since.
    """
    place, version, network, params = getattr(model, "_shared_place", (None, None, None, {}))
    if place is None or network is not model.network_:
        return None
    changed = {name: value for name, value in model.get_params().items() if value is not params[name]}
    return _reopened, (type(model), place, version), changed or None


def _reopened(cls: Any, place: str, version: Version) -> Any:
    """The model; its version is pickled for caches, such as that of `datasets`, whose key is a hash of the pickle."""
    return cls.from_pretrained(place, shared=True)
