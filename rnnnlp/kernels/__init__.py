"""The arithmetic of a training step, and what does it.

There are two backends with the same functions: `numpy_backend`, whose recurrences are in `reference`, is the
definition; `native` is the same in C++. `use` decides once, for the process, which one the layers call.
"""

import logging
import os
from typing import Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.kernels import numpy_backend

CELLS = {"lstm": 4, "gru": 3, "gru_reset_first": 3, "elman_tanh": 1, "elman_relu": 1}  # name -> gates
MOST_THREADS = 1024  # so many can be started anywhere
BACKENDS = ("auto", "numpy", "native")

log = logging.getLogger(__name__)
_in_use: Any = numpy_backend


def use(backend: str | None = None, threads: int | None = None) -> str:
    """Chooses the backend and the number of threads of this process; returns what runs, for people.

    `backend` is "numpy" or "native"; None or "auto" takes the environment variable RNNNLP_BACKEND and else is native
    if that was built. `threads` None leaves it to OMP_NUM_THREADS, or to the number of cores. Raises UserError.
    """
    global _in_use
    where = "RNNNLP_BACKEND" if backend in (None, "auto") else "--backend"
    chosen = (os.environ.get(where) if where == "RNNNLP_BACKEND" else backend) or "auto"
    if chosen not in BACKENDS:
        raise UserError(f"{where} is {chosen}; it must be one of {', '.join(BACKENDS)}")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UserError(f"--threads is {threads}; it must be at least 1 and at most {MOST_THREADS}")
    native = None if chosen == "numpy" else _native(needed=chosen == "native")
    _in_use = native or numpy_backend
    if threads is not None:
        from threadpoolctl import threadpool_limits

        # Threads of NumPy's own would, after each product, take cores from the kernels for milliseconds.
        threadpool_limits(1 if native else threads)
        if native:
            native.set_threads(threads)
        os.environ["RAYON_NUM_THREADS"] = str(threads)  # `tokenizers` reads it before it first works in parallel
    return f"native ({native.instruction_set()}, {native.threads()} threads)" if native else "numpy"


def of(array: np.ndarray) -> Any:
    """The backend for this array: the one in use for float32, NumPy for any other dtype."""
    return _in_use if array.dtype == np.float32 else numpy_backend


def _native(*, needed: bool) -> Any:
    try:
        from rnnnlp.kernels import native
    except ImportError:
        remedy = "install a C++17 compiler (such as g++ or clang) and install rnnnlp again"
        if needed:
            raise UserError(f"--backend is native, which this installation was built without; {remedy}") from None
        log.info("the native kernels were not built, so NumPy does the work; for more speed %s", remedy)
        return None
    try:
        native.instruction_set()
    except ValueError:
        asked = os.environ.get("RNNNLP_ISA")
        raise UserError(f"RNNNLP_ISA is {asked}; it must be unset, or one of {native.instruction_sets()}") from None
    return native
