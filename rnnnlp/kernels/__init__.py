"""The arithmetic of training, evaluation and generation.

`backend.py` is the contract, and two packages fulfil it: `numpy/`, which is always there, and `native/`, the same in
C++. `use` decides once for the process which one runs, and `of` returns it to the layers. `cells.py` lists the
recurrent cells, and `definition.py` has their equations.
"""

import logging
import os

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.kernels import numpy as numpy_backend
from rnnnlp.kernels.backend import Array, Backend, NativeBackend
from rnnnlp.kernels.cells import CELLS

__all__ = ["BACKENDS", "CELLS", "MAX_THREADS", "of", "use"]

BACKENDS = ("auto", "numpy", "native")
MAX_THREADS = 1024  # this many can be started on any system

log = logging.getLogger(__name__)
_in_use: Backend = numpy_backend
_said: set[str] = set()  # cells whose absence from the native kernels was logged


def use(backend: str | None = None, threads: int | None = None) -> str:
    """Selects the backend and the number of threads of this process.

    Args:
        backend: "numpy" or "native". None and "auto" take the environment variable RNNNLP_BACKEND, else native if it
            was built.
        threads: Number of threads. None leaves it to OMP_NUM_THREADS, or to the number of cores.

    Returns:
        What runs now, to show to people.

    Raises:
        UserError: The backend is unknown or was not built, or the number of threads is out of range.
    """
    global _in_use
    from_environment = backend in (None, "auto")
    where = "RNNNLP_BACKEND" if from_environment else option("backend")
    name = (os.environ.get("RNNNLP_BACKEND") if from_environment else backend) or "auto"
    if name not in BACKENDS:
        raise UserError(f"{where} is {name}; it must be one of {', '.join(BACKENDS)}")
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise UserError(f"{option('threads')} is {threads}; it must be at least 1 and at most {MAX_THREADS}")
    native = None if name == "numpy" else _native(required=name == "native")
    _in_use = native or numpy_backend
    if threads is not None:
        from threadpoolctl import threadpool_limits

        # Threads of NumPy's own would, after each product, take cores from the kernels for milliseconds.
        threadpool_limits(1 if native else threads)
        if native:
            native.set_threads(threads)
        os.environ["RAYON_NUM_THREADS"] = str(threads)  # `tokenizers` reads it before it first works in parallel
    return f"native ({native.instruction_set()}, {native.threads()} threads)" if native else "numpy"


def of(array: Array, cell: str | None = None) -> Backend:
    """Returns the backend for an array: the one in use for float32, NumPy for any other dtype.

    Args:
        array: An argument of the call to come.
        cell: The recurrent cell that will run, if one will. NumPy runs a cell that the native kernels lack, and a
            message says so once.
    """
    if array.dtype != np.float32:
        return numpy_backend
    if cell is not None and cell not in _in_use.cells():
        if cell not in _said:
            _said.add(cell)
            log.info("the native kernels do not have the cell %s, so NumPy runs it", cell)
        return numpy_backend
    return _in_use


def _native(*, required: bool) -> NativeBackend | None:
    try:
        from rnnnlp.kernels import native
    except ImportError:
        remedy = "install a C++17 compiler (such as g++ or clang) and install rnnnlp again"
        if required:
            raise UserError(
                f"{option('backend')} is native, which this installation was built without; {remedy}"
            ) from None
        log.info("the native kernels were not built, so NumPy does the work; for more speed %s", remedy)
        return None
    try:
        native.instruction_set()
    except ValueError:
        name = os.environ.get("RNNNLP_ISA")
        raise UserError(f"RNNNLP_ISA is {name}; it must be unset, or one of {native.instruction_sets()}") from None
    return native
