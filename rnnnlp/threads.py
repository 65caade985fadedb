"""Settings of which a process has only one, such as the threads of a library, while several runs want their own.

Each run has what it asked for, and after the last one the process has what it had before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from threading import RLock
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Value = TypeVar("Value")

LOCK = RLock()  # held for each change of a setting, and for each call of the BLAS; `forks` holds it for a fork


class Setting(Generic[Value]):
    """A setting of the process that changes nothing but speed: of several runs, the last to begin decides.

    Args:
        get: Reads it.
        set: Changes it.
    """

    def __init__(self, get: Callable[[], Value], set: Callable[[Value], object]):
        self._get, self._set = get, set
        self._runs: list[tuple[object, Value]] = []
        self._before: Value

    def keep(self, value: Value) -> None:
        """Changes it for the process; a run at work keeps its own."""
        with LOCK:
            if self._runs:
                self._before = value
            else:
                self._set(value)

    @contextmanager
    def during(self, value: Value) -> Iterator[None]:
        """Changes it for as long as a run works."""
        run = (object(), value)
        with LOCK:
            if not self._runs:
                self._before = self._get()
            self._runs.append(run)
            self._set(value)
        try:
            yield
        finally:
            with LOCK:
                self._runs.remove(run)
                self._set(self._runs[-1][1] if self._runs else self._before)


class Blas:
    """The BLAS of NumPy, to be held as a context by whoever calls it.

    It has threads of its own: after a fork in the middle of one of its functions both processes may wait for ever. It
    may round otherwise with another number of threads, so each call has the number of the run that makes it.
    """

    def __init__(self) -> None:
        self._of_run: ContextVar[int | None] = ContextVar("blas_threads", default=None)
        self._runs = 0  # at work
        self._libraries: list[tuple[Any, int]] = []  # with the number of threads that each has without a run
        self._now: int | None = None

    def __enter__(self) -> None:
        LOCK.acquire()
        if self._runs:
            self._set(self._of_run.get())

    def __exit__(self, *exception: object) -> None:
        LOCK.release()

    def keep(self, threads: int) -> None:
        """Changes the number of threads for the process; a run at work keeps its own."""
        from threadpoolctl import threadpool_limits

        with LOCK:
            if self._runs:
                self._libraries = [(library, threads) for library, _ in self._libraries]
            else:
                threadpool_limits(threads)

    @contextmanager
    def during(self, threads: int | None) -> Iterator[None]:
        """Changes the number of threads for what is inside; None leaves it as it is without a run."""
        from threadpoolctl import ThreadpoolController

        with LOCK:
            if not self._runs:
                found = ThreadpoolController().select(user_api="blas").lib_controllers
                self._libraries, self._now = [(library, library.num_threads) for library in found], None
            self._runs += 1
            token = self._of_run.set(threads)
            self._set(threads)
        try:
            yield
        finally:
            self._of_run.reset(token)
            with LOCK:
                self._runs -= 1
                if not self._runs:
                    self._set(None)

    def _set(self, threads: int | None) -> None:
        if threads != self._now:
            for library, before in self._libraries:
                # Later versions of `threadpoolctl` obey only the first thread that sets a number, until it gives up.
                give_up = getattr(library, "clear_controlling_thread", None)
                if give_up:
                    give_up(force=True)
                library.set_num_threads(before if threads is None else threads)
                if give_up:
                    give_up()
            self._now = threads


BLAS = Blas()


def holds_blas(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function hold `BLAS` while it runs."""

    @wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        with BLAS:
            return function(*args, **kwargs)

    return held
