"""The trackers of `report_to`. Each imports its library when a training begins."""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnnlp.files import own_folder, read_json, write_atomically
from rnnnlp.training.model_folder import TENSORBOARD, TRACKED
from rnnnlp.training.reporting import Callback, ReportedRun

PROJECT = "rnnnlp"  # where the environment names no other
EXIT_CODES = {"finished": 0, "interrupted": 130, "failed": 1}


class _Tracker(Callback):
    """What trackers share: the names of figures, and the name by which a tracker finds a run again."""

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        self.log(step, {f"train/{name}": value for name, value in figures.items()})

    def evaluation(self, step: int, figures: Mapping[str, float], *, best: bool, sample: str | None) -> None:
        self.log(step, {f"validation/{name}": value for name, value in figures.items()})

    def log(self, step: int, figures: dict[str, float]) -> None:
        raise NotImplementedError


class TensorboardCallback(_Tracker):
    """Writes event files into the folder `tensorboard` of the run."""

    def begin(self, run: ReportedRun) -> None:
        from tensorboardX import SummaryWriter

        folder = own_folder(run.folder / TENSORBOARD)
        is_known = folder.is_dir() and any(folder.iterdir())
        purge = {"purge_step": run.step + 1 if run.step else 0} if is_known else {}  # what is reported once more
        suffix = f".{run.step:012}.{os.getpid()}"  # names have seconds, and a resume within one must not overwrite
        self._writer = SummaryWriter(str(folder), filename_suffix=suffix, **purge)
        if not run.step:
            rows = "".join(f"| {name} | {json.dumps(value)} |\n" for name, value in run.config.items())
            self._writer.add_text("configuration", f"| option | value |\n| --- | --- |\n{rows}", 0)

    def log(self, step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def evaluation(self, step: int, figures: Mapping[str, float], *, best: bool, sample: str | None) -> None:
        super().evaluation(step, figures, best=best, sample=sample)
        if sample is not None:
            self._writer.add_text("validation/sample", sample, step)
        self._writer.flush()

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self._writer.close()


class WandbCallback(_Tracker):
    """Logs to Weights & Biases; WANDB_PROJECT, WANDB_MODE and its other variables work as usual."""

    def begin(self, run: ReportedRun) -> None:
        import wandb

        known = remembered(run, "wandb")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            id=remember(run, "wandb", known or uuid.uuid4().hex[:12]),
            resume="allow" if known else None,
            config=dict(run.config),
        )
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, figures: dict[str, float]) -> None:
        self._run.log({**figures, "step": step})

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self._run.summary.update({f"best/{name}": value for name, value in figures.items()})
        self._run.finish(exit_code=EXIT_CODES[status])


class MlflowCallback(_Tracker):
    """Logs to MLflow, where MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME say; into an active run, if any."""

    def begin(self, run: ReportedRun) -> None:
        import mlflow

        self._client = client = mlflow.MlflowClient()
        active = mlflow.active_run()
        self._is_own = active is None
        known = remembered(run, "mlflow")
        if active is not None:
            self._id = active.info.run_id
        elif known:
            self._id = known
            client.update_run(known, status="RUNNING")
        else:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            experiment = client.get_experiment_by_name(name)
            place = client.create_experiment(name) if experiment is None else experiment.experiment_id
            self._id = remember(run, "mlflow", client.create_run(place, run_name=run.name).info.run_id)
        has = client.get_run(self._id).data.params  # their values cannot change
        parameters = [mlflow.entities.Param(n, str(value)[:500]) for n, value in run.config.items() if n not in has]
        client.log_batch(self._id, params=parameters)

    def log(self, step: int, figures: dict[str, float]) -> None:
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in figures.items()])

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        if self._is_own:
            ended = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}[status]
            self._client.set_terminated(self._id, ended)


class TrackioCallback(_Tracker):
    """Logs to trackio, into the project that TRACKIO_PROJECT names."""

    def begin(self, run: ReportedRun) -> None:
        import trackio

        known = remembered(run, "trackio")
        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=remember(run, "trackio", known or f"{run.name}-{uuid.uuid4().hex[:6]}"),
            resume="allow" if known else "never",
            config=dict(run.config),
            embed=False,
        )

    def log(self, step: int, figures: dict[str, float]) -> None:
        self._run.log(figures, step=step)

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self._run.finish()


def remembered(run: ReportedRun, tracker: str) -> str | None:
    """The name by which a tracker knows a run that is resumed, if it does."""
    name = _all_remembered(run.folder).get(tracker)
    return name if isinstance(name, str) else None


def remember(run: ReportedRun, tracker: str, name: str) -> str:
    """Keeps that name in the run folder, and returns it."""
    content = json.dumps({**_all_remembered(run.folder), tracker: name}) + "\n"
    write_atomically(run.folder / TRACKED, content.encode())
    return name


def _all_remembered(folder: Path) -> dict[str, Any]:
    path = folder / TRACKED
    content = read_json(path) if path.exists() else {}
    return content if isinstance(content, dict) else {}
