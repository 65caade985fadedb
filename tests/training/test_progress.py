"""What a training shows while it runs, and what silences it."""

import io
import logging
import re
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from rnnnlp import SentimentClassifier
from rnnnlp.training.clock import Clock
from rnnnlp.training.objective import BatchLoss
from rnnnlp.training.progress import BAR, Progress, is_shown, minutes, short

TEXTS, LABELS = ["good film", "lovely day", "bad film", "awful day"] * 8, [1, 1, 0, 0] * 8
SMALL: dict[str, Any] = {"steps": 3, "hidden_size": 4, "embedding_size": 4, "evaluations": 1, "folds": 2}
SMALL |= {"linear": False, "backend": "numpy"}
ROOT, OURS = logging.getLogger(), logging.getLogger("rnnnlp")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    level = ROOT.level
    yield
    ROOT.setLevel(level)
    OURS.setLevel(logging.NOTSET)
    logging.disable(logging.NOTSET)


CASES: dict[str, tuple[Callable[[], Any], bool, bool]] = {  # what a program does; whether a bar and lines are shown
    "nothing": (lambda: None, True, True),
    "the default of the root": (lambda: ROOT.setLevel(logging.WARNING), True, True),
    "messages of all": (lambda: ROOT.setLevel(logging.DEBUG), True, True),
    "errors of all": (lambda: ROOT.setLevel(logging.ERROR), False, False),
    "our warnings": (lambda: OURS.setLevel(logging.WARNING), False, False),
    "our bars": (lambda: OURS.setLevel(BAR), True, False),
    "our messages, and errors of others": (
        lambda: (OURS.setLevel(logging.INFO), ROOT.setLevel(logging.ERROR)),
        True,
        True,
    ),
    "nothing at all": (logging.disable, False, False),
    "no messages": (lambda: logging.disable(logging.INFO), True, False),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_program_does_with_logging_decides(case: str):
    act, bar, lines = CASES[case]
    act()
    assert (is_shown(BAR), is_shown(logging.INFO)) == (bar, lines)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("level", [logging.NOTSET, BAR, logging.WARNING])
def test_one_line_silences_a_fit(level: int, monkeypatch: pytest.MonkeyPatch):
    OURS.setLevel(level)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    SentimentClassifier(**SMALL).fit(TEXTS, LABELS)
    said = terminal.getvalue()
    assert ("step 3: validation loss" in said) == (level == logging.NOTSET)
    assert ("cross-validation:" in said) == ("%|" in said) == (level != logging.WARNING)
    assert (said == "") == (level == logging.WARNING)


def test_steps_are_drawn_ten_times_a_second_and_the_last_one_before_a_pause(monkeypatch: pytest.MonkeyPatch):
    terminal, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("rnnnlp.training.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    OURS.setLevel(BAR)  # no lines
    clock = Clock(total_steps=1000, budget=None, now=lambda: now[0])

    def train(progress: Progress, steps: int) -> None:
        for _ in range(steps):
            now[0] += 1 / 64
            clock.step += 1
            progress.step(BatchLoss(loss=1.0, tokens=10, targets=10), lr=0.1)

    with Progress(clock) as progress:
        train(progress, 100)
        assert re.findall(r"step (\d+),", terminal.getvalue()) == [str(1 + 7 * n) for n in range(15)]
        progress.evaluated({"loss": 1.0}, best=True, sample=None)
        assert "step 100," in terminal.getvalue()
    OURS.setLevel(logging.NOTSET)
    with Progress(clock) as progress:
        train(progress, 5)
        assert "step 105," not in terminal.getvalue()
    assert "step 105," in terminal.getvalue()


def test_numbers_and_times_are_short():
    numbers = [0, 0.5, 999, 1000, 1234, 999_000, 1e6, 1_234_567, 2.5e9]
    assert [*map(short, numbers)] == ["0", "0.5", "999", "1k", "1.23k", "999k", "1M", "1.23M", "2.5G"]
    times = [0, 9.9, 75.3, 3599.9, 3600, 3661, 86_400, float("inf")]
    assert [*map(minutes, times)] == ["0:00", "0:09", "1:15", "59:59", "1:00:00", "1:01:01", "24:00:00", "?"]
