"""Models that are opened once in a process, and pickled as the path of their folder."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

Model = TypeVar("Model")
_opened: dict[tuple[type, str], Any] = {}
_lock = Lock()


def shared(cls: type[Model], folder: str | os.PathLike[str], opened: Callable[[str], Model]) -> Model:
    """The model in a folder, which `opened` opens if this process has not opened it before.

    The one that is returned is a copy that shares the weights, so it may be trained anew without harm.
    """
    place = os.fspath(Path(folder).resolve()) if os.path.exists(folder) else os.fspath(folder)  # or a bundled model
    with _lock:
        if (cls, place) not in _opened:
            _opened[cls, place] = opened(place)
        model: Any = copy.copy(_opened[cls, place])
    vars(model)["_shared_place"] = place, model.network_
    found: Model = model
    return found


def reduced(model: Any) -> tuple[Any, ...] | None:
    """How a shared model is pickled; None for any other, and for one that has other weights since."""
    place, network = getattr(model, "_shared_place", (None, None))
    return None if place is None or network is not model.network_ else (_reopened, (type(model), place))


def _reopened(cls: Any, place: str) -> Any:
    return cls.from_pretrained(place, shared=True)
