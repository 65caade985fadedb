"""Signals that ask a command to stop: it first finishes what it is doing."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop; a run can be resumed. What catches every `Exception` lets it through."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.exit_code - 128,)


@contextmanager
def kill_exits() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end the program, as they do without a training. Ctrl-C stays a KeyboardInterrupt."""
    try:
        yield
    except Interrupted as stop:
        if stop.exit_code == 128 + signal.SIGINT:
            raise
        raise SystemExit(stop.exit_code) from stop


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """While inside, SIGINT, SIGTERM and SIGHUP do not interrupt but go into the list.

    A second signal interrupts as usual, unless it is of another kind and comes within a second: a closed terminal or a
    service manager sends several. Signals that the process ignores, such as SIGHUP after `nohup`, stay ignored.
    A handler that was not set from Python, such as that of a program that embeds it, stays in place.
    """
    noted: list[int] = []
    before: dict[int, Any] = {}
    first = 0.0  # time of the first one

    def note(number: int, frame: Any) -> None:
        nonlocal first
        if noted and (number in noted or time.monotonic() - first > 1):
            signal.signal(number, before[number])
            signal.raise_signal(number)
        first = first or time.monotonic()
        noted.append(number)

    try:
        for number in map(signal.Signals, (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))):
            if number not in before and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, note)
    except ValueError:  # not in the main thread: leave signals to the caller
        pass
    try:
        yield noted
    finally:
        for noted_signal, handler in before.items():
            signal.signal(noted_signal, handler)
