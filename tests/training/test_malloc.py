"""Memory that was freed goes back to the system, but not at every step."""

import ctypes

import pytest

from rnnnlp.training import malloc
from rnnnlp.training.malloc import INTERVAL, MallocTrimmer


def test_the_heap_is_trimmed_once_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now, trimmed = [100.0], []
    monkeypatch.setattr(malloc.time, "monotonic", lambda: now[0])
    trimmer = MallocTrimmer()
    trimmer.malloc_trim = lambda kept: trimmed.append((now[0], kept))
    for seconds in (0.0, INTERVAL - 1, INTERVAL, INTERVAL + 1, 2 * INTERVAL - 1, 2 * INTERVAL):
        now[0] = 100.0 + seconds
        trimmer.trim_if_due()
    assert trimmed == [(100.0 + INTERVAL, 0), (100.0 + 2 * INTERVAL, 0)]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # it has no malloc_trim
    monkeypatch.setattr(malloc, "INTERVAL", 0.0)
    trimmer = MallocTrimmer()
    assert trimmer.malloc_trim is None
    trimmer.trim_if_due()
