"""The arithmetic of training, evaluation and generation.

`backend.py` is the contract, and two packages fulfil it: `numpy/`, which is always there, and `native/`, the same in
C++. `of` returns the backend that runs: the one chosen by `running`, else by `use` for the whole process, else the
default of `use()`. `cells.py` lists the recurrent cells, and `definition.py` has their equations.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import NamedTuple

import numpy as np

from rnnnlp.config import as_given
from rnnnlp.errors import UserError, option
from rnnnlp.kernels import numpy as numpy_backend
from rnnnlp.kernels.backend import Array, Backend, NativeBackend
from rnnnlp.kernels.cells import CELLS
from rnnnlp.kernels.processors import asked_by_environment, available_processors
from rnnnlp.threads import BLAS, Setting

__all__ = ["BACKENDS", "CELLS", "description", "of", "one_thread_each", "running", "use"]

BACKENDS = ("auto", "numpy", "native")

log = logging.getLogger(__name__)
_in_use: Backend | None = None  # of the process; None until `use`, or the first call of `of`
_of_run: ContextVar[Backend | None] = ContextVar("backend", default=None)  # inside of `running`
_said: set[str] = set()  # messages that are logged only once


def use(backend: str | None = None, threads: int | None = None) -> str:
    """Selects the backend and the number of threads of this process, for all that is not inside of `running`.

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
    chosen = _choose(backend, threads)
    _in_use = chosen.backend
    if chosen.native:
        _native_threads().keep(chosen.threads)
    if chosen.of_blas is not None:
        BLAS.keep(chosen.of_blas)
    if chosen.of_rayon is not None:
        _RAYON.keep(chosen.of_rayon)
    return chosen.shown


@contextmanager
def running(backend: str | None = None, threads: int | None = None) -> Iterator[str]:
    """A context with a backend and a number of threads of its own; arguments, value and errors are those of `use`.

    Other threads of the process have theirs meanwhile, and afterwards all is as before. The pool of the native kernels
    has one number of threads for the process, which changes no bits: while several contexts want theirs, it is that of
    the last one.
    """
    chosen = _choose(backend, threads)
    with ExitStack() as stack:
        stack.callback(_of_run.reset, _of_run.set(chosen.backend))
        if chosen.native:
            stack.enter_context(_native_threads().during(chosen.threads))
        if chosen.of_rayon is not None:
            stack.enter_context(_RAYON.during(chosen.of_rayon))
        stack.enter_context(BLAS.during(chosen.of_blas))
        yield chosen.shown


@contextmanager
def one_thread_each() -> Iterator[int]:
    """A context in which the native kernels compute for several threads of Python side by side, with one thread each.

    Faster than one caller after another with all threads, if several callers always have work. Yields the number of
    callers that may compute at once: the number of threads of the pool before; 1 for NumPy.
    """
    if of(np.empty(0, np.float32)) is numpy_backend:
        yield 1
        return
    setting = _native_threads()
    number = setting.get()
    with setting.during(1):
        yield number


def of(array: Array, cell: str | None = None) -> Backend:
    """Returns the backend for an array: the one that runs for float32, NumPy for any other dtype.

    Args:
        array: An argument of the call to come.
        cell: The recurrent cell that will run, if one will. NumPy runs a cell that the native kernels lack, and a
            message says so once.
    """
    if array.dtype != np.float32:
        return numpy_backend
    backend = _of_run.get() or _in_use
    if backend is None:
        use()
        backend = _in_use or numpy_backend
    if cell is not None and cell not in backend.cells():
        _say_once(logging.INFO, f"the native kernels do not have the cell {cell}, so NumPy runs it")
        return numpy_backend
    return backend


def description() -> dict[str, str]:
    """The backend that runs for float32, and its instruction set if it is native."""
    backend = of(np.empty(0, np.float32))
    if backend is numpy_backend:
        return {"backend": "numpy"}
    from rnnnlp.kernels import native

    return {"backend": "native", "instruction_set": native.instruction_set()}


class _Choice(NamedTuple):
    """A backend and its threads; None leaves a number of threads as it is."""

    backend: Backend
    native: NativeBackend | None
    threads: int
    of_blas: int | None
    of_rayon: str | None

    @property
    def shown(self) -> str:
        return f"native ({self.native.instruction_set()}, {self.threads} threads)" if self.native else "numpy"


def _choose(backend: str | None, threads: int | None) -> _Choice:
    from_environment = backend in (None, "auto")
    where = "RNNNLP_BACKEND" if from_environment else option("backend")
    name = (os.environ.get("RNNNLP_BACKEND") if from_environment else backend) or "auto"
    if name not in BACKENDS:
        raise UserError(f"{where} is {name}; it must be one of {', '.join(BACKENDS)}")
    threads = None if threads is None else as_given(int, threads, "threads")
    if threads is not None and threads < 1:
        raise UserError(f"{option('threads')} is {threads}; it must be at least 1")
    native = None if name == "numpy" else _native(required_by=where if name == "native" else "")
    number = _number_of_threads(threads)
    of_blas, of_rayon = _of_libraries(threads is not None, number, native=native is not None)
    return _Choice(native or numpy_backend, native, number, of_blas, of_rayon)


def _number_of_threads(threads: int | None) -> int:
    """The number of threads to run for an option `threads`."""
    from_environment = asked_by_environment()
    asked, available = threads or from_environment, available_processors()
    if asked is not None and asked > available:
        name = "OMP_NUM_THREADS" if threads is None else "the number of threads"
        _say_once(logging.WARNING, f"{name} is {asked}, but this process may use only {available}: using {available}")
    return min(asked or available, available)


def _of_libraries(asked: bool, number: int, *, native: bool) -> tuple[int | None, str | None]:
    """The threads of NumPy and of `tokenizers`. Without a number `asked` for, theirs only become fewer."""
    of_blas = None
    # Threads of NumPy's own would, after each product, take cores from the kernels for milliseconds.
    if asked:
        of_blas = 1 if native else number
    elif any(threads > number for threads in BLAS.numbers()):
        of_blas = number
    rayon = os.environ.get(RAYON, "")
    too_many = rayon.isdecimal() and int(rayon) > available_processors()
    return of_blas, str(number) if asked or too_many else None


def _set_rayon(threads: str | None) -> None:
    if threads is None:
        os.environ.pop(RAYON, None)
    else:
        os.environ[RAYON] = threads


RAYON = "RAYON_NUM_THREADS"  # environment variable that `tokenizers` reads before it first works in parallel
_RAYON: Setting[str | None] = Setting(lambda: os.environ.get(RAYON), _set_rayon)


@cache
def _native_threads() -> Setting[int]:
    from rnnnlp.kernels import native

    return Setting(native.threads, native.set_threads)


def _say_once(level: int, message: str) -> None:
    if message not in _said:
        _said.add(message)
        log.log(level, message)


def _native(*, required_by: str) -> NativeBackend | None:
    """The native kernels; None without them, or UserError if an option or a variable requires them."""
    try:
        from rnnnlp.kernels import native
    except ImportError as error:
        remedy = "install a C++17 compiler (such as g++ or clang) and install rnnnlp again"
        if not (isinstance(error, ModuleNotFoundError) and str(error.name).startswith("rnnnlp.")):
            if required_by:
                raise UserError(
                    f"{required_by} is native, which cannot be loaded ({error}); {remedy}, or set it to auto"
                ) from None
            _say_once(logging.WARNING, f"the native kernels cannot be loaded ({error}): NumPy does the work; {remedy}")
        elif required_by:
            raise UserError(
                f"{required_by} is native, which this installation was built without; {remedy}, or set it to auto"
            ) from None
        else:
            _say_once(
                logging.INFO, f"the native kernels were not built, so NumPy does the work; for more speed {remedy}"
            )
        return None
    try:
        native.instruction_set()
    except ValueError:
        name = os.environ.get("RNNNLP_ISA")
        raise UserError(f"RNNNLP_ISA is {name}; it must be unset, or one of {native.instruction_sets()}") from None
    return native
