"""Callbacks and trackers hear of a training, and stop it only on purpose."""

import os
import sys
from argparse import Namespace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rnnnlp import Callback, CharLM, SentimentClassifier, StopTraining, WordLM
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.training.loop import Trainer
from rnnnlp.training.reporting import TRACKERS
from rnnnlp.training.run_folder import RunFolder

TEXTS = ["to be or not to be", "that is the question"] * 8
TINY: dict[str, Any] = {"steps": 10, "hidden_size": 4, "batch_size": 2, "evaluations": 1, "backend": "numpy"}
LM = TINY | {"bptt": 8, "tokenizer": "char"}


class Listener(Callback):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def begin(self, run):
        self.heard.append(("begin", run.name, run.task, run.step, run.config["hidden_size"], run.config["seed"]))

    def step(self, step, figures):
        self.heard.append(("step", step, set(figures)))

    def evaluation(self, step, figures, *, best, sample):
        self.heard.append(("evaluation", step, best, isinstance(sample, str)))
        self.figures = figures

    def checkpoint(self, step, folder):
        assert (folder / "model.safetensors").is_file()
        self.heard.append(("checkpoint", step, folder.name))

    def end(self, status, figures):
        self.heard.append(("end", status))
        assert figures == self.figures


class Failing(Callback):
    def __init__(self, method: str) -> None:
        self.calls = 0
        setattr(self, method, self.fail)

    def fail(self, *arguments, **options):
        self.calls += 1
        raise RuntimeError("no\nnetwork")


STEP = {"loss", "lr", "gradient_norm", "update_ratio", "progress", "seconds"}


def heard_of(task: str, samples: bool) -> list[tuple[Any, ...]]:
    return [
        ("begin", "run", task, 0, 4, 0),
        ("step", 10, STEP),
        ("evaluation", 10, True, samples),
        ("checkpoint", 10, "step-00000010"),
        ("end", "finished"),
    ]


def test_callbacks_hear_of_every_task(tmp_path: Path):
    for model, data, task in (
        (CharLM(**LM), (TEXTS,), "char_lm"),
        (WordLM(**TINY, bptt=4, min_frequency=1), (TEXTS,), "word_lm"),
        (SentimentClassifier(**TINY), (TEXTS, [0, 1] * 8), "sentiment"),
    ):
        listener = Listener()
        model.fit(*data, out=tmp_path / task / "run", callbacks=[listener])
        assert listener.heard == heard_of(task, samples=task == "char_lm")


def test_a_callback_that_fails_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for method in ("begin", "step", "evaluation", "checkpoint", "end"):
        caplog.clear()
        failing, listener = Failing(method), Listener()
        CharLM(**LM | {"steps": 30, "evaluations": 3}).fit(TEXTS, callbacks=[failing, listener])
        warnings = [record.message for record in caplog.records if "goes on" in record.message]
        assert warnings == ["Failing failed (RuntimeError: no network); the training goes on without it"]
        assert failing.calls == 1
        assert listener.heard[-1] == ("end", "finished")


class Stopping(Listener):
    """Stops the training in a method, at the first step from `after` on."""

    def __init__(self, method: str, after: int = 0) -> None:
        super().__init__()
        tell = getattr(self, method)

        def stop(*arguments: Any, **options: Any) -> None:
            tell(*arguments, **options)
            if method == "begin" or arguments[0] >= after:
                raise StopTraining

        setattr(self, method, stop)


@pytest.mark.parametrize(
    ("method", "after", "steps"), [("begin", 0, 0), ("step", 20, 20), ("evaluation", 10, 15), ("checkpoint", 10, 20)]
)
def test_a_callback_ends_a_training_as_if_it_were_finished(
    method: str, after: int, steps: int, tmp_path: Path, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
):
    stopping, listener, out = Stopping(method, after), Listener(), tmp_path / "run"
    model = CharLM(**LM | {"steps": 60, "evaluations": 4}).fit(TEXTS, out=out, callbacks=[stopping, listener])
    for heard in (stopping.heard, listener.heard):
        assert ("evaluation", steps) in [event[:2] for event in heard]
        assert ("checkpoint", steps) in [event[:2] for event in heard]
        assert heard[-1] == ("end", "finished")
    assert model.history_[-1]["step"] == steps
    assert (out / "README.md").is_file()
    assert RunFolder(out).latest_checkpoint().name == f"step-{steps:08}"
    assert "a callback has stopped the training" in capsys.readouterr().err
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []
    assert CharLM.resume(out, TEXTS).history_[-1]["step"] == 60


def test_of_equal_callbacks_only_the_one_that_fails_is_dropped(caplog: pytest.LogCaptureFixture):
    class Equal(Listener):
        def __init__(self, fails: bool) -> None:
            super().__init__()
            self.fails = fails

        def __eq__(self, other):
            return isinstance(other, Equal)

        __hash__ = None

        def step(self, step, figures):
            super().step(step, figures)
            if self.fails:
                raise RuntimeError("no network")

    works, fails = Equal(fails=False), Equal(fails=True)
    CharLM(**LM | {"steps": 20}).fit(TEXTS, callbacks=[works, fails])
    assert [heard[:2] for heard in works.heard if heard[0] != "checkpoint"][-3:] == [
        ("step", 20),
        ("evaluation", 20),
        ("end", "finished"),
    ]
    assert fails.heard[-1][:2] == ("step", 10)


def test_the_model_card_is_there_at_the_end(tmp_path: Path):
    class Uploads(Callback):
        def begin(self, run):
            self.folder = run.folder

        def end(self, status, figures):
            self.card = (self.folder / "README.md").read_text()

    uploads = Uploads()
    CharLM(**LM).fit(TEXTS, out=tmp_path / "run", callbacks=[uploads])
    first = uploads.card
    CharLM.resume(tmp_path / "run", TEXTS, steps=20, callbacks=[uploads])
    assert uploads.card == (tmp_path / "run" / "README.md").read_text() != first


def test_a_training_that_stops_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for error, status in ((KeyboardInterrupt, "interrupted"), (MemoryError, "failed")):
        listener = Listener()
        listener.figures = {}

        def stops(self, progress, error=error):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "advance", stops)
            with pytest.raises(error):
                CharLM(**LM).fit(TEXTS, out=tmp_path / status, callbacks=[listener])
        assert listener.heard[-1] == ("end", status)


@pytest.mark.parametrize("method", ["begin", "evaluation"])
def test_a_training_that_is_interrupted_before_its_first_step_is_told(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Waiting(Listener):
        def end(self, status, figures):
            self.heard.append(("end", status))

    def waits(*arguments, **options):
        raise KeyboardInterrupt

    listener = Waiting()
    setattr(listener, method, waits)
    begin = Trainer.begin.__func__

    def evaluated(cls, *arguments, **options):
        trainer = begin(cls, *arguments, **options)
        trainer.evaluate_start()
        return trainer

    monkeypatch.setattr(Trainer, "begin", classmethod(evaluated))
    with pytest.raises(KeyboardInterrupt):
        CharLM(**LM).fit(TEXTS, out=tmp_path / "run", callbacks=[listener])
    assert listener.heard[-1] == ("end", "interrupted")


def test_callbacks_may_come_from_an_iterator_or_be_none(tmp_path: Path):
    listener = Listener()
    CharLM(**LM).fit(TEXTS, out=tmp_path / "run", callbacks=iter([listener]))
    CharLM.resume(tmp_path / "run", TEXTS, steps=20, callbacks=(one for one in [listener]))
    assert listener.heard.count(("end", "finished")) == 2
    CharLM(**LM).fit(TEXTS, callbacks=None)
    (tmp_path / "text.txt").write_text("\n".join(TEXTS))
    words = TINY | {"bptt": 4, "min_frequency": 1, "samples": 2}
    for kind, options in ((CharLM, LM), (WordLM, words)):
        run = tmp_path / kind.__name__
        kind(**options).fit(tmp_path / "text.txt", out=run)
        kind.resume(run, steps=20, callbacks=[resumed := Listener()])
        assert resumed.heard[-1] == ("end", "finished")


def test_what_is_no_callback_and_a_tracker_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(UserError, match=r"callbacks has <class .*Listener'>; expected objects of subclasses of"):
        CharLM(**LM).fit(TEXTS, callbacks=[Listener])
    with pytest.raises(UserError, match=r"callbacks is <.*Listener object at .*>; expected a list: put it into one"):
        CharLM(**LM).fit(TEXTS, callbacks=Listener())
    monkeypatch.setattr("rnnnlp.training.reporting.find_spec", lambda name: None)
    for name, package in TRACKERS.items():
        message = (
            rf"^report_to is {name}, which needs the package {package}; install it: pip install 'rnnnlp\[{name}\]'$"
        )
        with pytest.raises(UserError, match=message):
            CharLM(**LM, report_to=name).fit(TEXTS, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="report_to is tensorboard, whose files are in the run folder, and no run is"):
        CharLM(**LM, report_to="tensorboard").fit(TEXTS)
    with pytest.raises(UserError, match="report_to is wandb,x; it must be none, or one or more of tensorboard, wandb"):
        CharLM(**LM, report_to=["wandb", "x"]).fit(TEXTS)


class Recorder(ModuleType):
    """A module that stands for a tracker's library, and records every call."""

    def __init__(self, name: str, known: dict[str, Any] | None = None) -> None:
        super().__init__(name)
        self.__spec__, self.calls, self.known = ModuleSpec(name, None), [], known or {}  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments, options))
            return self.known.get(name, self)

        return call

    def of(self, name: str) -> list[Any]:
        return [(arguments, options) for called, arguments, options in self.calls if called == name]


def fit_and_resume(report_to: Any, tmp_path: Path) -> Path:
    run = tmp_path / "book"
    CharLM(**LM, report_to=report_to).fit(TEXTS, out=run)
    CharLM.resume(run, TEXTS, steps=20)
    return run


def test_wandb_and_trackio_go_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fakes = {name: Recorder(name) for name in ("wandb", "trackio")}
    for name, fake in fakes.items():
        fake.summary = {}
        monkeypatch.setitem(sys.modules, name, fake)
        monkeypatch.delenv(f"{name.upper()}_PROJECT", raising=False)
    fit_and_resume(["wandb", "trackio"], tmp_path)
    for name, fake in fakes.items():
        (_, first), (_, second) = fake.of("init")
        assert first["project"] == "rnnnlp"
        assert first["config"]["hidden_size"] == 4
        same = "id" if name == "wandb" else "name"
        assert first[same] == second[same]
        assert (first["resume"], second["resume"]) == ((None, "allow") if name == "wandb" else ("never", "allow"))
        logged = [arguments[0] for arguments, _ in fake.of("log")]
        assert [set(figures) >= {"train/loss", "train/lr"} for figures in logged] == [True, False] * 2
        assert "validation/bits_per_char" in logged[1]
        assert len(fake.of("finish")) == 2
    steps = [arguments[0]["step"] for arguments, _ in fakes["wandb"].of("log")]
    assert steps == [options["step"] for _, options in fakes["trackio"].of("log")] == [10, 10, 20, 20]
    assert "best/bits_per_char" in fakes["wandb"].summary


def test_a_run_that_is_resumed_from_its_beginning_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fakes = {name: Recorder(name) for name in ("wandb", "trackio", "tensorboardX")}
    for name, fake in fakes.items():
        fake.summary = {}
        monkeypatch.setitem(sys.modules, name, fake)

    def stops(self, progress):
        raise KeyboardInterrupt

    run = tmp_path / "book"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", stops)
        with pytest.raises(KeyboardInterrupt):
            CharLM(**LM, report_to=["wandb", "trackio", "tensorboard"]).fit(TEXTS, out=run)
    (run / "tensorboard").mkdir()
    (run / "tensorboard/events.out.tfevents.1").touch()
    CharLM.resume(run, TEXTS)
    for name, same in (("wandb", "id"), ("trackio", "name")):
        (_, first), (_, second) = fakes[name].of("init")
        assert first[same] == second[same]
        assert second["resume"] == "allow"
    assert [options.get("purge_step") for _, options in fakes["tensorboardX"].of("SummaryWriter")] == [None, 0]


def test_mlflow_goes_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Info:
        run_id = experiment_id = "77"

    class Run:
        info, data = Info(), Namespace(params={})

    entities = Recorder("mlflow.entities")
    fake = Recorder(
        "mlflow", {"active_run": None, "get_experiment_by_name": None, "create_run": Run(), "create_experiment": "1"}
    )
    fake.known["get_run"] = Run()
    fake.entities = entities
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    fit_and_resume("mlflow", tmp_path)
    assert fake.of("create_experiment") == [(("rnnnlp",), {})]
    assert fake.of("create_run") == [(("1",), {"run_name": "book"})]
    assert fake.of("update_run") == [(("77",), {"status": "RUNNING"})]
    assert fake.of("set_terminated") == [(("77", "FINISHED"), {})] * 2
    logged = [arguments for arguments, _ in entities.of("Metric")]
    assert [row[3] for row in logged if row[0] == "train/loss"] == [10, 20]
    assert [row[3] for row in logged if row[0] == "validation/bits_per_char"] == [10, 20]
    assert ("hidden_size", "4") in [arguments for arguments, _ in entities.of("Param")]
    fake.known["active_run"] = Run()
    Run.data.params = {"hidden_size": "4"}  # of an earlier training in that run
    before, entities.calls = len(fake.of("create_run")), []
    CharLM(**LM, report_to="mlflow").fit(TEXTS)
    parameters = {name for (name, *_), _ in entities.of("Param")}
    assert "lr" in parameters
    assert "hidden_size" not in parameters  # MLflow refuses another value, and all that comes with it
    assert len(fake.of("create_run")) == before  # it logs into the user's own run, and does not end it
    assert len(fake.of("set_terminated")) == 2


@pytest.fixture
def _tensorboard() -> None:
    if os.environ.get("RNNNLP_REQUIRE_TENSORBOARD") != "1":
        pytest.importorskip("tensorboardX")
        pytest.importorskip("tensorboard")


@pytest.mark.usefixtures("_tensorboard")
def test_tensorboard_reads_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (tmp_path / "book.txt").write_text("\n".join(TEXTS))
    run = tmp_path / "book"
    words = "--hidden-size 4 --batch-size 2 --bptt 8 --evaluations 2 --steps 40 --backend numpy".split()
    words = ["train", "charlm", "--data", str(tmp_path / "book.txt"), *words, "--out", str(run)]
    assert main([*words, "--report-to", "tensorboard"]) == 0
    assert main(["train", "charlm", "--resume", str(run), "--steps", "80"]) == 0
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    records = [record for record in RunFolder(run).metrics() if "loss" in record]
    assert losses == [(record["step"], pytest.approx(record["loss"], rel=1e-6)) for record in records]
    assert [step for step, _ in losses] == list(range(10, 81, 10))
    bits = events.Scalars("validation/bits_per_char")
    assert [event.step for event in bits] == [20, 40, 80]
    assert len(events.Tensors("validation/sample/text_summary")) == 3
    (configuration,) = events.Tensors("configuration/text_summary")
    assert b"| hidden_size | 4 |" in configuration.tensor_proto.string_val[0]
    assert main(["train", "charlm", "--resume", str(run), "--steps", "100", "--report-to", "none"]) == 0
    events.Reload()
    assert len(events.Scalars("train/loss")) == 8
    assert main([*words, "--overwrite"]) == 0
    assert not (run / "tensorboard").exists()  # it was of the run that is gone
