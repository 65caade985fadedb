"""Process-wide settings, such as the number of threads of a library, that several runs set differently.

Each run has what it asked for, and after the last one the process has what it had before.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from threading import Event, RLock, Thread
from typing import Any, Generic, ParamSpec, TypeVar

_MOST_THREADS = 64  # of OpenBLAS as NumPy has it

P = ParamSpec("P")
R = TypeVar("R")
Value = TypeVar("Value")

LOCK = RLock()  # held for each change of a setting, and for each call of the BLAS; `forks` holds it for a fork


class Setting(Generic[Value]):
    """A process-wide setting. If several runs change it, the last one to begin wins.

    Args:
        get: Reads it.
        set: Changes it.
    """

    def __init__(self, get: Callable[[], Value], set: Callable[[Value], object]):
        self.get, self._set = get, set
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
                self._before = self.get()
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
        self._before: list[int] = []  # the number of threads that each library has without a run, while there is one
        self._now: int | None = None  # what a run has set

    def __enter__(self) -> None:
        LOCK.acquire()
        if self._runs:
            self._set(self._of_run.get())

    def __exit__(self, *exception: object) -> None:
        LOCK.release()

    def numbers(self) -> list[int]:
        """The number of threads that each library has without a run."""
        with LOCK:
            return self._before if self._runs else [library.num_threads for library in _blas_libraries()]

    def keep(self, threads: int) -> None:
        """Changes the number of threads for the process; a run at work keeps its own."""
        with LOCK:
            self._before = [threads for _ in _blas_libraries()]
            if self._now is None:
                self._apply(None)

    @contextmanager
    def during(self, threads: int | None) -> Iterator[None]:
        """Changes the number of threads for what is inside; None leaves it as it is without a run."""
        with LOCK:
            self._before = self.numbers()
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
            self._apply(threads)

    def _apply(self, threads: int | None) -> None:
        for library, before in zip(_blas_libraries(), self._before, strict=True):
            # Later versions of `threadpoolctl` obey only the first thread that sets a number, until it gives up.
            give_up = getattr(library, "clear_controlling_thread", None)
            if give_up:
                give_up(force=True)
            library.set_num_threads(before if threads is None else threads)
            if give_up:
                give_up()
        self._now = threads


@cache
def _blas_libraries() -> list[Any]:
    """What controls the BLAS of NumPy. Looking for it takes milliseconds."""
    import numpy  # noqa: F401 (loads it)
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


BLAS = Blas()


def limit_blas_threads() -> None:
    """Gives NumPy's BLAS fewer threads where the system allows fewer, unless NumPy is imported already.

    OpenBLAS starts its threads while it is imported, and interrupts the process (SIGINT) if it cannot.
    """
    if "numpy" in sys.modules:
        return
    name = "OPENBLAS_NUM_THREADS"
    asked = os.environ.get(name) or os.environ.get("OMP_NUM_THREADS") or ""
    wanted = min(int(asked) if asked.isdecimal() else _MOST_THREADS, os.cpu_count() or 1, _MOST_THREADS)
    end, trials = Event(), []
    try:
        for _ in range(wanted - 1):
            trials.append(Thread(target=end.wait, daemon=True))
            trials[-1].start()
    except RuntimeError:
        trials.pop()
        os.environ[name] = str(len(trials) + 1)
    finally:
        end.set()
        for trial in trials:
            trial.join()
    deadline = time.monotonic() + 0.1
    while name in os.environ and _living_threads() > 1 and time.monotonic() < deadline:
        time.sleep(0.001)  # a thread ends a little later than `join`


def _living_threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def holds_blas(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function hold `BLAS` while it runs."""

    @wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        with BLAS:
            return function(*args, **kwargs)

    return held
