"""The training loop, for all tasks: read it from top to bottom."""

import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.batches.draws import DROPOUT, generator
from rnnnlp.errors import UserError
from rnnnlp.models.model import WEIGHTS
from rnnnlp.models.storage import Damaged, set_tensors
from rnnnlp.training.averaging import AveragedWeights
from rnnnlp.training.clock import Clock
from rnnnlp.training.config import TrainingConfig
from rnnnlp.training.health import SPIKE_STEPS, LossWatch, UpdateRatio
from rnnnlp.training.memory import FreedMemory
from rnnnlp.training.optimizers import clipping, global_norm, optimizer
from rnnnlp.training.progress import Progress
from rnnnlp.training.run_folder import STATE, RunFolder
from rnnnlp.training.schedules import factor
from rnnnlp.training.tasks import Gradients, Task

CHECKPOINT_SECONDS = 300.0  # at the least so often, whatever --checkpoint-every says
LOGGED_STEPS = 10  # a line in metrics.jsonl each so many steps
SMALLEST_LR_SCALE = 2.0**-10  # a run that diverges even so is not going back once more

REMEDY = "try a smaller --lr or --max-norm, or --on-divergence rollback"

log = logging.getLogger(__name__)


class Diverged(UserError):
    """The loss, a gradient or a weight is not a finite number, or the loss went up and stays there."""


class Interrupted(Exception):
    """A signal asked the run to stop; a checkpoint was saved."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number


class Trainer:
    """A run: a task, its optimizer and averages, how far it is, and the folder where it is kept.

    Of its budget `spent` seconds are gone before it begins.
    """

    def __init__(
        self,
        task: Task,
        config: TrainingConfig,
        run: RunFolder,
        *,
        started: float | None = None,
        spent: float = 0.0,
    ):
        self.task, self.config, self.run, self.spent = task, config, run, spent
        self.parameters = task.model.parameters()
        self.learning = {name: p for name, p in self.parameters.items() if p.lr_scale}
        self.optimizer = optimizer(
            config.optimizer, self.parameters, weight_decay=config.weight_decay or 0.0, momentum=config.momentum
        )
        self.averaged = AveragedWeights(self.parameters, config.averaging)
        assert config.lr is not None
        assert config.evaluations is not None
        self.lr, self.due_evaluations = config.lr, config.evaluations
        epochs = config.epochs or config.max_epochs
        total_steps = epochs * task.steps_per_epoch if epochs else config.steps
        budget = None if config.budget is None else config.budget - spent
        self.clock = Clock(total_steps=total_steps, budget=budget, started=started)
        self.loss_watch = LossWatch()
        self.lr_scale = 1.0  # halved each time the run goes back to a checkpoint
        self.rng = generator(config.seed, DROPOUT)
        self.evaluations, self.evaluated_at = 0, -1  # how many, and after which step the last was
        self.best_score, self.evaluations_since_best = -math.inf, 0
        self.best_metrics: dict[str, Any] = {}
        self.last_checkpoint = time.monotonic()
        self.freed_memory = FreedMemory()

    @classmethod
    def begin(cls, task: Task, config: TrainingConfig, run: RunFolder, **options: Any) -> Self:
        """A new run in the folder, in the place of any that was there, with its first checkpoint."""
        run.clear()
        task.model.save_config(run.path, extra=config.to_mapping())  # there are no trained weights yet
        trainer = cls(task, config, run, **options)
        trainer.save_checkpoint()
        return trainer

    def train(self) -> None:
        """Trains to the end, or until a signal or a patience that ran out."""
        clock, config = self.clock, self.config
        with signals_noted() as signals, Progress(clock) as progress:
            while not clock.over and not self.out_of_patience:
                try:
                    self.advance(progress)
                except Diverged as error:
                    if config.on_divergence != "rollback" or self.lr_scale <= SMALLEST_LR_SCALE:
                        raise
                    self.roll_back(error, progress)
                if signals:
                    self.save_checkpoint()
                    raise Interrupted(signals[0])
            if self.out_of_patience:
                progress.say(f"no better on validation for {config.patience} evaluations: stopped early")
            elif self.evaluated_at != clock.step:
                self.evaluate(progress)

    def advance(self, progress: Progress) -> None:
        """One step, and what is due after it."""
        factor_now = factor(self.config.schedule, self.clock.progress, warmup=self.config.warmup)
        lr = self.lr * self.lr_scale * factor_now
        is_logged = (self.clock.step + 1) % LOGGED_STEPS == 0
        gradients, health = self.step(lr, measured=is_logged)
        progress.step(gradients, lr)
        if is_logged:
            self.run.log(self.whereabouts() | {"loss": gradients.loss, "lr": lr} | health)
        if self.evaluation_is_due:
            self.evaluate(progress)
        elif self.checkpoint_is_due:
            self.save_checkpoint()
        self.freed_memory.give_back()

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is looked for, and said
    def step(self, lr: float, *, measured: bool) -> tuple[Gradients, dict[str, float]]:
        """One update: gradients of a batch, clipped, applied, averaged.

        Returns what came with the gradients and, if `measured`, their norm before clipping and the `UpdateRatio`.
        """
        self.task.model.zero_grad()
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
            gradients = self.task.gradients(rng=self.rng)
            norm, norms = global_norm(self.learning)
        loss = gradients.loss
        if not (math.isfinite(loss) and math.isfinite(norm)):
            largest = max(norms, key=lambda name: norms[name] if math.isfinite(norms[name]) else math.inf)
            raise Diverged(
                f"step {self.clock.step + 1}: the loss is {loss:.4g} and the gradient norm {norm:.4g} (largest in "
                f"{largest}: {norms[largest]:.4g}) at learning rate {lr:.3g}; {REMEDY}"
            )
        if self.loss_watch.see(loss):
            raise Diverged(
                f"step {self.clock.step + 1}: the loss is {loss:.4g} and was above {self.loss_watch.limit:.4g} for "
                f"{SPIKE_STEPS} steps, after a mean of {self.loss_watch.mean:.4g}; {REMEDY}"
            )
        ratio = UpdateRatio(self.parameters) if measured else None
        self.optimizer.step(lr, scale=clipping(norm, self.config.max_norm))
        self.clock.step += 1
        health = {"gradient_norm": norm, "update_ratio": ratio.measure()} if ratio else {}
        self.averaged.update(self.clock.step)
        return gradients, health

    # ------------------------------------------------------------------------------------------------------ evaluation

    @property
    def evaluation_is_due(self) -> bool:
        return self.clock.progress * self.due_evaluations >= self.evaluations + 1

    @property
    def out_of_patience(self) -> bool:
        return 0 < self.config.patience <= self.evaluations_since_best

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is found when the checkpoint is written
    def evaluate(self, progress: Progress) -> None:
        """Validation figures of the averaged weights; keeps those if they are the best so far."""
        started = time.monotonic()
        self.evaluated_at = self.clock.step
        self.evaluations = max(self.evaluations + 1, int(self.clock.progress * self.due_evaluations))
        with self.averaged.applied():
            metrics = self.task.evaluate()
            score = metrics.pop("score")
            if better := score > self.best_score:
                self.best_score, self.best_metrics, self.evaluations_since_best = score, metrics, 0
                self.task.model.save_weights(self.run.path)
            else:
                self.evaluations_since_best += 1
            sample = self.task.sample()
        self.run.log(self.whereabouts() | {"validation": metrics} | ({"sample": sample} if sample is not None else {}))
        progress.evaluated(metrics, best=better, sample=sample)
        self.clock.reserve = time.monotonic() - started
        # Evaluations that came due while this one took its time are not caught up on.
        self.evaluations = max(self.evaluations, int(self.clock.progress * self.due_evaluations))
        if not self.loss_watch.high_steps or self.clock.over or self.out_of_patience:
            self.save_checkpoint()

    def whereabouts(self) -> dict[str, Any]:
        """How far the run is, for a line of `metrics.jsonl`."""
        clock = self.clock
        return {"step": clock.step, "progress": round(clock.progress, 4), "seconds": round(clock.seconds, 2)}

    # ----------------------------------------------------------------------------------------------------- checkpoints

    @property
    def checkpoint_is_due(self) -> bool:
        if self.loss_watch.high_steps:  # what a run goes back to must be from before its loss went up
            return False
        every = self.config.checkpoint_every
        return (every is not None and self.clock.step % every == 0) or (
            time.monotonic() - self.last_checkpoint > CHECKPOINT_SECONDS
        )

    def save_checkpoint(self) -> None:
        """Writes all that a resume needs. Diverged if that is not finite, so that the checkpoints before stay."""
        for name, p in self.parameters.items():
            if not (np.isfinite(p.value).all() and np.isfinite(self.averaged.values[name]).all()):
                raise Diverged(f"step {self.clock.step}: {name} has weights that are not finite; {REMEDY}")
        tensors = {f"weights.{name}": p.value for name, p in self.parameters.items()}
        tensors |= {
            f"optimizer.{slot}.{name}": array
            for slot, arrays in self.optimizer.slots.items()
            for name, array in arrays.items()
        }
        tensors |= {f"carried.{name}": array for name, array in self.task.carried().items()}
        state = {
            "step": self.clock.step,
            "seconds": self.clock.seconds,
            "reserve": self.clock.reserve,
            "lr_scale": self.lr_scale,
            "evaluations": self.evaluations,
            "evaluated_at": self.evaluated_at,
            "best_score": self.best_score if math.isfinite(self.best_score) else None,
            "best_metrics": self.best_metrics,
            "evaluations_since_best": self.evaluations_since_best,
            "position": self.task.position(),
            "rng": self.rng.bit_generator.state,
            "data": self.task.fingerprint(),
            "health": self.loss_watch.to_mapping(),
        }
        with self.averaged.applied():
            self.run.save_checkpoint(self.task.model, self.config.to_mapping(), tensors, state)
            if not (self.run.path / WEIGHTS).exists():
                self.task.model.save_weights(self.run.path)
        self.last_checkpoint = time.monotonic()

    def resume(self) -> None:
        """Goes on from the newest checkpoint of the run folder."""
        path, state = self.go_back()
        self.clock.resume(state["step"], state["seconds"], state["reserve"])
        log.info("going on from step %d (%s)", state["step"], path)

    def roll_back(self, error: Diverged, progress: Progress) -> None:
        """Goes back to the newest checkpoint, with half the learning rate from there on. The time stays spent."""
        scale = self.lr_scale / 2
        path, state = self.go_back()
        self.clock.resume(state["step"], self.clock.seconds, state["reserve"])
        self.lr_scale = scale
        progress.say(f"{error}: back to {path.name}, with the learning rate times {scale:.3g}")

    def go_back(self) -> tuple[Path, dict[str, Any]]:
        """To the newest checkpoint, in all but time; returns it and its training state."""
        path = self.run.latest_checkpoint()
        averaged, tensors, state = self.run.load_checkpoint(path)
        if state["data"] != self.task.fingerprint():
            raise UserError(f"--data {self.config.data} is not what it was when {path} was written; restore it")
        arrays = {f"weights.{name}": p.value for name, p in self.parameters.items()}
        for slot, slot_arrays in self.optimizer.slots.items():
            arrays |= {f"optimizer.{slot}.{name}": array for name, array in slot_arrays.items()}
        carried = self.task.carried()
        arrays |= {f"carried.{name}": array for name, array in carried.items()}
        set_tensors(arrays, tensors, path)
        fitted = self.task.model.fitted()
        set_tensors(self.averaged.values | fitted, fitted | averaged, path)
        self.go_to(state, carried, path)
        self.optimizer.steps, self.lr_scale = state["step"], state["lr_scale"]
        self.evaluations, self.evaluated_at = state["evaluations"], state["evaluated_at"]
        self.best_score = -math.inf if state["best_score"] is None else state["best_score"]
        self.best_metrics, self.evaluations_since_best = state["best_metrics"], state["evaluations_since_best"]
        self.run.forget_metrics_after(state["step"])
        return path, state

    def go_to(self, state: dict[str, Any], carried: dict[str, np.ndarray], path: Path) -> None:
        """To the place in the data and in the random numbers; UserError if there is no such place."""
        try:
            epoch, batch = (state["position"][key] for key in self.task.position())
            if type(epoch) is not int or type(batch) is not int or not 0 <= batch <= self.task.steps_per_epoch:
                raise ValueError(f"there is no batch {batch} in epoch {epoch}")
            self.task.go_to(state["position"], carried)
            self.rng.bit_generator.state = state["rng"]
            self.loss_watch.go_to(state["health"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Damaged(f"{path / STATE} is damaged ({error}); restore it or train again") from None


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """While inside, SIGINT and SIGTERM do not interrupt but are put into the list; a second one interrupts as usual."""
    noted: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        if noted:
            signal.signal(number, before[number])
            signal.raise_signal(number)
        noted.append(number)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    except ValueError:  # not in the main thread: leave signals to the caller
        pass
    try:
        yield noted
    finally:
        for noted_signal, handler in before.items():
            signal.signal(noted_signal, handler)
