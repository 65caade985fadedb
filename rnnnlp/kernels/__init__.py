"""The arithmetic of training, evaluation and generation.

`backend.py` is the contract, and two packages fulfil it: `numpy/`, which is always there, and `native/`, the same in
C++. `use` decides for the process which one runs, and `of` returns it to the layers. Without a call of `use` it is as
by `use()`. `cells.py` lists the recurrent cells, and `definition.py` has their equations.
"""

import logging
import os

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.kernels import numpy as numpy_backend
from rnnnlp.kernels.backend import Array, Backend, NativeBackend
from rnnnlp.kernels.cells import CELLS
from rnnnlp.kernels.processors import asked_by_environment, available_processors

__all__ = ["BACKENDS", "CELLS", "of", "use"]

BACKENDS = ("auto", "numpy", "native")

log = logging.getLogger(__name__)
_in_use: Backend | None = None  # until `use`, or the first call of `of`
_said: set[str] = set()  # messages that are logged only once


def use(backend: str | None = None, threads: int | None = None) -> str:
    """Selects the backend and the number of threads of this process.

    Args:
        backend: "numpy" or "native". None and "auto" take the environment variable RNNNLP_BACKEND, else native if it
            was built.
        threads: Number of threads. None leaves it to OMP_NUM_THREADS, or to the number of processors that this process
            may use. There are never more threads than these processors; a message says so once.

    Returns:
        What runs now, to show to people.

    Raises:
        UserError: The backend is unknown or was not built, or the number of threads is below 1.
    """
    global _in_use
    from_environment = backend in (None, "auto")
    where = "RNNNLP_BACKEND" if from_environment else option("backend")
    name = (os.environ.get("RNNNLP_BACKEND") if from_environment else backend) or "auto"
    if name not in BACKENDS:
        raise UserError(f"{where} is {name}; it must be one of {', '.join(BACKENDS)}")
    if threads is not None and threads < 1:
        raise UserError(f"{option('threads')} is {threads}; it must be at least 1")
    native = None if name == "numpy" else _native(required=name == "native")
    _in_use = native or numpy_backend
    number = _number_of_threads(threads)
    if native:
        native.set_threads(number)
    _limit_libraries(threads is not None, number, native=native is not None)
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
    if _in_use is None:
        use()
    backend = _in_use or numpy_backend
    if cell is not None and cell not in backend.cells():
        _say_once(logging.INFO, f"the native kernels do not have the cell {cell}, so NumPy runs it")
        return numpy_backend
    return backend


def _number_of_threads(threads: int | None) -> int:
    """The number of threads to run for an option `threads`."""
    from_environment = asked_by_environment()
    asked, available = threads or from_environment, available_processors()
    if asked is not None and asked > available:
        name = "OMP_NUM_THREADS" if threads is None else "the number of threads"
        _say_once(logging.WARNING, f"{name} is {asked}, but this process may use only {available}: using {available}")
    return min(asked or available, available)


def _limit_libraries(asked: bool, number: int, *, native: bool) -> None:
    """Limits the threads of NumPy and of `tokenizers`. Without a number `asked` for, theirs only become fewer."""
    from threadpoolctl import threadpool_info, threadpool_limits

    # Threads of NumPy's own would, after each product, take cores from the kernels for milliseconds.
    if asked:
        threadpool_limits(1 if native else number)
    elif any(pool["num_threads"] > number for pool in threadpool_info()):
        threadpool_limits(number)
    rayon = os.environ.get("RAYON_NUM_THREADS", "")
    if asked or (rayon.isdecimal() and int(rayon) > available_processors()):
        os.environ["RAYON_NUM_THREADS"] = str(number)  # `tokenizers` reads it before it first works in parallel


def _say_once(level: int, message: str) -> None:
    if message not in _said:
        _said.add(message)
        log.log(level, message)


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
