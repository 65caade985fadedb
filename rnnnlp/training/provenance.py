"""The versions, backend and instruction set that made a model; others may give different bits."""

from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.version import __version__


def made_with() -> dict[str, str]:
    """The current versions, backend and instruction set."""
    return {"rnnnlp": __version__, "numpy": np.__version__, **kernels.description()}


def difference(before: dict[str, Any], now: dict[str, str]) -> str:
    """What differs, such as "backend numpy (then native)"; empty if nothing does, or if `before` does not say."""
    names = [name for name in dict.fromkeys([*now, *before]) if before and before.get(name) != now.get(name)]
    shown = ((name.replace("_", " "), now.get(name, "none"), before.get(name, "none")) for name in names)
    return ", ".join(f"{name} {is_now} (then {was})" for name, is_now, was in shown)
