"""Which signals stop a run politely, and which one interrupts at once."""

import pickle
import signal
from pathlib import Path
from typing import Any

import pytest

from rnnnlp import CharLM
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.signals import Interrupted, signals_noted


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_noted_and_handlers_come_back(kind: signal.Signals):
    before = signal.getsignal(kind)
    with signals_noted() as noted:
        signal.raise_signal(kind)
        assert noted == [kind]
    assert signal.getsignal(kind) == before


def test_two_kinds_at_once_are_both_noted_and_the_same_again_interrupts():
    with signals_noted() as noted:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert noted == [signal.SIGHUP, signal.SIGTERM, signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_another_kind_interrupts_after_a_second(monkeypatch: pytest.MonkeyPatch):
    times = iter([10.0, 10.5, 11.5])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    with signals_noted() as noted:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        assert len(noted) == 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_ignored_signal_stays_ignored():
    """As SIGHUP is after `nohup`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals_noted() as noted:
        signal.raise_signal(signal.SIGHUP)
        assert noted == []
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_signal_that_the_program_around_python_handles_is_left_to_it(monkeypatch: pytest.MonkeyPatch):
    """Python could not give its handler back."""
    handler_of = signal.getsignal
    before = handler_of(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda kind: None if kind == signal.SIGTERM else handler_of(kind))
    with signals_noted():
        assert handler_of(signal.SIGTERM) == before
        assert handler_of(signal.SIGINT) != before


def test_an_interruption_can_be_pickled():
    again = pickle.loads(pickle.dumps(Interrupted(signal.SIGTERM)))
    assert type(again) is Interrupted
    assert (str(again), again.exit_code) == ("stopped by SIGTERM", 143)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP])
def test_kill_ends_the_program_and_is_no_ctrl_c(kind: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    advance, steps = Trainer.advance, iter(range(100))

    def killed(trainer: Trainer, progress: Any) -> None:
        if next(steps) in (3, 7):
            signal.raise_signal(kind)
        advance(trainer, progress)

    monkeypatch.setattr(Trainer, "advance", killed)
    texts = ["to be or not to be", "that is the question"] * 8
    model = CharLM(steps=12, hidden_size=4, batch_size=2, bptt=8, evaluations=1, backend="numpy")
    with pytest.raises(SystemExit) as stop:  # which `except KeyboardInterrupt` does not catch
        model.fit(texts, out=tmp_path / "run")
    assert stop.value.code == 128 + kind
    assert len(model.generate(length=5, seed=1)) == 5
    assert RunFolder(tmp_path / "run").latest_checkpoint().name == "step-00000004"
    with pytest.raises(SystemExit):
        CharLM.resume(tmp_path / "run", texts)
    assert RunFolder(tmp_path / "run").latest_checkpoint().name == "step-00000008"


def test_checkpoints_are_in_the_order_of_their_steps(tmp_path):
    names = ["step-00000400", "step-99999999", "step-100000000.old", "step-100000000", "step-100000500"]
    for name in (*names, "step-zzz", "step-1", "step-00000500.copy"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert [path.name for path in RunFolder(tmp_path).checkpoints()] == names
