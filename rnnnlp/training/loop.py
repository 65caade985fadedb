"""The training loop of all tasks: one step on top, the run below it."""

import dataclasses
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.config import written_duration
from rnnnlp.errors import OptionName, UserError, option
from rnnnlp.files import CorruptFileError
from rnnnlp.layers.parameter import Parameter
from rnnnlp.tensors import set_tensors
from rnnnlp.training.averaging import AveragedWeights
from rnnnlp.training.clock import Clock, total_steps
from rnnnlp.training.data_places import places_of
from rnnnlp.training.distributed import for_each_shard, processes, raise_if_asked
from rnnnlp.training.divergence import Diverged, DivergenceDetector, UpdateRatio, remedy_for
from rnnnlp.training.earlier import EARLIER_DATA
from rnnnlp.training.gradient_sum import begin_alike, gradients_of_batch
from rnnnlp.training.local_steps import LocalSteps
from rnnnlp.training.malloc import MallocTrimmer
from rnnnlp.training.model_folder import training_of
from rnnnlp.training.noise_scale import NoiseScale
from rnnnlp.training.objective import Objective, Step
from rnnnlp.training.optimizers import OPTIMIZERS, Optimizer, clipping, global_norm
from rnnnlp.training.options import TrainingConfig
from rnnnlp.training.progress import Progress
from rnnnlp.training.provenance import difference, made_with
from rnnnlp.training.reporting import Reports
from rnnnlp.training.resuming import CHANGEABLE, LIMITS, changed_data
from rnnnlp.training.run_folder import STATE, RunFolder
from rnnnlp.training.schedules import factor
from rnnnlp.training.signals import Interrupted
from rnnnlp.training.state import TrainingState

CHECKPOINT_SECONDS = 300.0  # between two checkpoints at most, whatever `checkpoint_every` says
LOGGED_STEPS = 10  # every N-th step has a line in metrics.jsonl
SMALLEST_LR_SCALE = 2.0**-10  # a run that diverges even so does not roll back once more

log = logging.getLogger(__name__)


@np.errstate(over="ignore", invalid="ignore")  # the detector looks for what is not finite
def train_step(
    objective: Objective,
    optimizer: Optimizer,
    averaged: AveragedWeights,
    detector: DivergenceDetector,
    config: TrainingConfig,
    *,
    lr: float,
    rng: np.random.Generator,
    measured: bool = False,
) -> Step:
    """One training step: the gradients of the next batch, clipped, applied, and the weights averaged.

    Args:
        objective: What gives the batch and its gradients.
        optimizer: It updates the weights, and counts the steps.
        averaged: The averages of the weights, which follow them.
        detector: What looks for divergence.
        config: How the run is trained: its shards, and the norm to which gradients are clipped.
        lr: The learning rate of this step.
        rng: For dropout.
        measured: Whether to measure the update ratio and the gradient of each shard, too.

    Returns:
        The loss of the batch, the gradient norm before it was clipped, and the update ratio.

    Raises:
        Diverged: Before the update, if the loss or a gradient is not finite or the loss stays high.
    """
    shards, step = config.shards or 1, optimizer.steps
    batch = gradients_of_batch(
        objective, shards, rng=rng, seed=config.seed, step=step, wire=config.wire, measured=measured
    )
    norm, norms = global_norm(optimizer.parameters)
    detector.check(step + 1, batch.loss, norm, norms, lr)
    ratio = UpdateRatio(optimizer.parameters) if measured else None
    optimizer.step(lr, scale=clipping(norm, config.max_norm))
    update_ratio = ratio.measure() if ratio else None
    averaged.update(optimizer.steps)
    return Step(batch, norm, update_ratio)


def new_optimizer(config: TrainingConfig, parameters: Mapping[str, Parameter]) -> Optimizer:
    """The optimizer of a run, of these parameters."""
    return OPTIMIZERS[config.optimizer](parameters, weight_decay=config.weight_decay, momentum=config.momentum)


class Trainer:
    """A run: an objective, its optimizer and averaged weights, its state, and the folder that keeps it.

    Args:
        objective: What is trained.
        config: How it is trained.
        run: The folder that keeps it.
        started: When the run began, by the clock of `processes`; None is now.
        spent: Seconds of the budget that are gone before it begins.
        patience: Replaces that of the configuration.
    """

    def __init__(
        self,
        objective: Objective,
        config: TrainingConfig,
        run: RunFolder,
        *,
        started: float | None = None,
        spent: float = 0.0,
        patience: int | None = None,
    ):
        self.objective, self.config, self.run, self.spent = objective, config, run, spent
        self.patience = config.patience if patience is None else patience
        self.parameters = objective.network.parameters()
        self.optimizer = new_optimizer(config, self.parameters)
        self.averaged = AveragedWeights(self.parameters, config.averaging)
        self.shards = config.shards or 1
        self.local_steps: LocalSteps | None = None  # where there is a sum at every step
        if config.sync_every > 1:
            self.local_steps = LocalSteps(objective, self.optimizer, shards=self.shards, wire=config.wire)
        self.noise_scale = NoiseScale()
        steps = total_steps(config, objective.steps_per_epoch)
        budget = None if config.budget is None else config.budget - spent
        self.clock = Clock(total_steps=steps, budget=budget, started=started, now=processes().now)
        self.detector = DivergenceDetector()
        self.rng = rng_for(config.seed, RandomStream.DROPOUT)
        self.state = TrainingState(data_places=places_of(config.data, run.path))
        self.last_checkpoint = processes().now()
        self.trimmer = MallocTrimmer()
        self.reports = Reports()
        self.stopped = False  # by a callback
        begin_alike(objective)

    @classmethod
    def begin(
        cls, objective: Objective, config: TrainingConfig, run: RunFolder, *, started: float | None = None
    ) -> Self:
        """A new run in the folder. Once its first checkpoint is written, it replaces any run that was there."""
        trainer = cls(objective, config, run, started=started)

        def write() -> None:
            with run.replacement() as new:
                objective.network.save_config(new.path, training=config.to_mapping())  # no trained weights yet
                trainer.save_checkpoint(new)

        processes().first(write)
        trainer.last_checkpoint = processes().now()  # in every process, so that all save the next one at the same step
        return trainer

    def train(self) -> None:
        """Trains to the end, or until a signal arrives, the patience runs out or a callback stops it.

        Raises:
            Interrupted: After a signal, once a checkpoint is saved; none is while the loss is high.
            Diverged: If the loss stays high or is not finite, and that cannot be rolled back.
        """
        with processes().signals() as signals, Progress(self.clock) as progress:
            while True:
                try:
                    self.train_without_rollback(signals, progress)
                except Diverged as error:
                    if self.config.on_divergence != "rollback" or self.state.lr_scale <= SMALLEST_LR_SCALE:
                        raise error.with_remedy(remedy_for(self.config)).with_traceback(error.__traceback__) from None
                    self.roll_back(error, progress)
                else:
                    return

    def train_without_rollback(self, signals: Sequence[int], progress: Progress) -> None:
        """As `train`, up to the first divergence."""
        clock = self.clock
        self.ask_callbacks()
        while not self.over:
            self.advance(progress)
            if signals:
                if self.detector.high_steps:  # as in `checkpoint_is_due`
                    newest = processes().first(self.run.latest_checkpoint)
                    progress.say(f"the loss is high, so no checkpoint is saved; a resume goes on from {newest.name}")
                else:
                    self.save_checkpoint()
                raise Interrupted(signals[0])
        if not clock.step and not self.stopped:
            log.warning("%s was used up before the first step of the network; give more", OptionName("budget"))
        if self.stopped:
            progress.say("a callback has stopped the training")
        if self.out_of_patience and not clock.over:
            progress.say(f"no improvement on validation in {self.patience} evaluations: stopped early")
        elif self.state.evaluated_at != clock.step:
            self.evaluate(progress)
        raise_if_asked(signals)  # in the last evaluation or checkpoint

    def advance(self, progress: Progress) -> None:
        """One step, or those of all replicas up to their next sum, and what is due after it."""
        config, clock, before, lr = self.config, self.clock, self.clock.step, self.lr
        steps = config.sync_every if clock.total_steps is None else min(config.sync_every, clock.total_steps - before)
        is_logged = is_passed(LOGGED_STEPS, before, before + steps)
        if self.local_steps is None:
            step = train_step(
                self.objective,
                self.optimizer,
                self.averaged,
                self.detector,
                config,
                lr=lr,
                rng=self.rng,
                measured=is_logged,
            )
            clock.step += 1
        else:
            rates = self.learning_rates(steps)
            step = self.local_steps.train(
                rates, self.averaged, self.detector, max_norm=config.max_norm, rng=self.rng, seed=config.seed
            )
        self.noise_scale.update(step.batch, self.shards, step.gradient_norm)
        progress.step(step.batch, lr, self.noise_scale.targets)
        if is_logged:
            measured = {"loss": step.batch.loss, "lr": lr, "gradient_norm": step.gradient_norm}
            if step.update_ratio is not None:
                measured["update_ratio"] = step.update_ratio
            record = self.progress_record() | measured | progress.of_processes()
            self.run.log(record)
            self.reports.step(record)
            self.ask_callbacks()
        if self.evaluation_is_due:
            self.evaluate(progress)
        elif self.checkpoint_is_due(before):
            self.save_checkpoint()
            self.ask_callbacks()
        self.trimmer.trim_if_due()

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        config = self.config
        return config.lr * self.state.lr_scale * factor(config.schedule, self.clock.progress, warmup=config.warmup)

    def learning_rates(self, steps: int) -> Iterator[float]:
        """The learning rates of the next steps; the clock counts each when the one after it is asked for."""
        for _ in range(steps):
            yield self.lr
            self.clock.step += 1

    # ------------------------------------------------------------------------------------------------------ evaluation

    @property
    def evaluation_is_due(self) -> bool:
        return self.clock.progress * self.config.evaluations >= self.state.evaluations + 1

    @property
    def out_of_patience(self) -> bool:
        return 0 < self.patience <= self.state.evaluations_since_best

    @property
    def over(self) -> bool:
        """Whether no step follows."""
        return self.clock.over or self.out_of_patience or self.stopped

    def ask_callbacks(self) -> None:
        """Learns whether a callback has asked to stop. The first process has them; all learn it at the same step."""
        self.stopped = processes().first(lambda: self.reports.asked_to_stop)

    @np.errstate(over="ignore", invalid="ignore")  # what is not finite is found when the checkpoint is written
    def evaluate(self, progress: Progress) -> None:
        """Evaluates the averaged weights on validation, and keeps them if they are the best so far."""
        started = processes().now()
        state, clock, num_evaluations, was_over = self.state, self.clock, self.config.evaluations, self.clock.over
        state.evaluated_at = clock.step
        if clock.step:  # the evaluation before the first step is not counted
            state.evaluations = max(state.evaluations + 1, int(clock.progress * num_evaluations))
        with self.averaged.applied():
            metrics = self.objective.evaluate()
            metrics = processes().first(lambda: metrics)  # other processors may round otherwise
            score = metrics.pop("score")
            if better := score > (-math.inf if state.best_score is None else state.best_score):
                state.best_score, state.best_metrics, state.evaluations_since_best = score, metrics, 0
                self.run.save_weights(self.objective.network)
            else:
                state.evaluations_since_best += 1
            sample = processes().first(self.objective.sample)
        sample_record = {} if sample is None else {"sample": sample}
        self.run.log(self.progress_record() | {"validation": metrics} | sample_record)
        progress.evaluated(metrics, best=better, sample=sample)
        self.reports.evaluation(clock.step, metrics, best=better, sample=sample)
        self.ask_callbacks()
        took = processes().now() - started
        clock.reserve = max(clock.reserve, took) if was_over else took  # a run that is over stays over
        # Evaluations that came due while this one took its time are skipped.
        state.evaluations = max(state.evaluations, int(clock.progress * num_evaluations))
        if not self.detector.high_steps or self.over:
            self.save_checkpoint()

    def evaluate_start(self) -> None:
        """Evaluates the weights that training starts from, so that they are kept if training makes them worse."""
        with Progress(self.clock) as progress:
            self.evaluate(progress)

    def progress_record(self) -> dict[str, Any]:
        """How far the run is, for a line of `metrics.jsonl`."""
        clock = self.clock
        return {"step": clock.step, "progress": round(clock.progress, 4), "seconds": round(clock.seconds, 2)}

    # ----------------------------------------------------------------------------------------------------- checkpoints

    def checkpoint_is_due(self, before: int) -> bool:
        """Whether to save one now; `before` is the number of steps when the last step began."""
        if self.detector.high_steps:  # a rollback must reach a time before the loss went up
            return False
        every = self.config.checkpoint_every
        return (every is not None and is_passed(every, before, self.clock.step)) or (
            processes().now() - self.last_checkpoint > CHECKPOINT_SECONDS
        )

    def save_checkpoint(self, folder: RunFolder | None = None) -> None:
        """Writes everything that a resume needs, into the run or another folder.

        Raises:
            Diverged: If a weight is not finite; the earlier checkpoints then stay.
        """
        for name, p in self.parameters.items():
            if not (np.isfinite(p.value).all() and np.isfinite(self.averaged.values[name]).all()):
                raise Diverged(f"step {self.clock.step}: {name} has weights that are not finite")
        network, run = self.objective.network, folder or self.run
        state = dataclasses.replace(
            self.state,
            step=self.clock.step,
            seconds=self.clock.seconds,
            spent=self.spent,
            reserve=self.clock.reserve,
            position=self.objective.position(),
            rng=self.rng_state(),
            data=dict(self.objective.fingerprint()),
            divergence=self.detector.to_mapping(),
            made_with=made_with(),
        )
        tensors = self.raw_tensors()  # before the averages take their place
        with self.averaged.applied():
            run.save_checkpoint(network, self.config.to_mapping(), tensors, state)
            if self.state.best_score is None:  # no evaluation yet: the weights so far are the best that there are
                run.save_weights(network)
        self.last_checkpoint = processes().now()
        self.reports.checkpoint(self.clock.step, run.latest_checkpoint)

    def rng_state(self) -> dict[str, Any]:
        """The state of the generator, of the process that draws from it: that of the first shard."""
        return for_each_shard(self.shards, lambda _: dict(self.rng.bit_generator.state))[0]

    def resume(self) -> None:
        """Continues from the newest checkpoint of the run folder, with options that may have changed.

        A new limit changes the length of the run. The learning-rate schedule is stretched to it.

        Raises:
            UserError: If the run has already passed a new limit.
        """
        path, state = self.restore()
        if differs := difference(state.made_with, made_with()):
            log.info("%s resumes with %s: the bits may differ from those of an uninterrupted run", path, differs)
        self.clock.resume(state.step, state.seconds, state.reserve)
        changed = self.changed_options(path)
        if changed & {*LIMITS, "max_epochs"}:
            self._require_time_left()
        if changed & {*LIMITS, "max_epochs", "evaluations", "patience"}:
            state.evaluations = int(self.clock.progress * self.config.evaluations)
            state.evaluations_since_best = 0
        if "data" in changed:
            state.data_places = places_of(self.config.data, self.run.path)
        if changed:
            self.run.save_training(self.config.to_mapping())
            self.save_checkpoint()
        log.info("resuming from step %d (%s)", state.step, path)
        self._log_if_over()

    def _require_time_left(self) -> None:
        """UserError if the run has already passed its limit."""
        if not self.clock.over:
            return
        name = self.reached_limit()
        had, kept = written_duration(self.spent + self.clock.seconds), written_duration(self.clock.reserve)
        also = f", and {kept} more are kept for the last evaluation" if name == "budget" else ""
        raise UserError(
            f"{option(name)} is {getattr(self.config, name)}, and {self.run.path} has already had "
            f"{self.clock.step} steps in {had}{also}; give more"
        )

    def _log_if_over(self) -> None:
        """Logs that no step follows, and how to train longer."""
        if self.clock.over:
            folds = self.config.cross_validation_folds
            longer = "begin a new run" if folds else "resume it with more epochs, steps or budget"
            log.info("%s is finished; to train longer, %s", self.run.path, longer)
        elif self.out_of_patience:
            is_own = self.patience == self.config.patience
            longer = "; to train longer, resume it with another patience" if is_own else ""
            log.info("%s has stopped early%s", self.run.path, longer)

    def reached_limit(self) -> str:
        """The name of the limit that ended the run."""
        clock = self.clock
        if clock.total_steps is None or clock.step < clock.total_steps:
            return "budget"
        return next(name for name in ("epochs", "max_epochs", "steps") if getattr(self.config, name) is not None)

    def changed_options(self, checkpoint: Path) -> set[str]:
        """The options that are not what the checkpoint says. The run folder may have them before it does."""
        before = processes().first(lambda: training_of(checkpoint))
        now = self.config.to_mapping()
        return {name for name in CHANGEABLE if before.get(name, now.get(name)) != now.get(name)}

    def roll_back(self, error: Diverged, progress: Progress) -> None:
        """Returns to the newest checkpoint, with half the learning rate from there on. The time stays spent."""
        before = self.state
        path, state = self.restore()
        self.clock.resume(state.step, self.clock.seconds, state.reserve)
        state.lr_scale = scale = before.lr_scale / 2
        if state.best_score != before.best_score:  # better weights than those that the checkpoint knows are saved
            state.best_score, state.best_metrics = before.best_score, before.best_metrics
            state.evaluations_since_best = 0
        progress.say(f"{error.problem}: back to {path.name}, with the learning rate times {scale:.3g}")

    def restore(self) -> tuple[Path, TrainingState]:
        """Restores everything but the time from the newest checkpoint.

        Returns:
            The checkpoint and its training state.

        Raises:
            UserError: If the checkpoint is damaged, or the data are not those it was written with.
        """
        carried = self.objective.carried()
        raw = self.raw_tensors(carried)
        path, (averaged, tensors, state) = self.run.load_newest(sum(array.size for array in raw.values()))
        if changed := changed_data(self.objective, state):
            raise UserError(
                f"{option('data')} {self.config.data} is not what {self.run.path} was trained on ({', '.join(changed)} "
                f"changed); give the place of those data, or begin a new run on these with {option('from_')} "
                f"{self.run.path}"
            )
        if EARLIER_DATA in state.data:
            log.info("%s is of an earlier version: only a part of its data can be recognised again", path)
        set_tensors(raw, tensors, path)
        buffers = self.objective.network.buffers()
        set_tensors(self.averaged.values | buffers, buffers | averaged, path)
        self.seek(state, carried, path)
        self.optimizer.steps = state.step
        self.state = state
        self.run.forget_metrics_after(state.step, evaluated=state.evaluated_at == state.step)
        return path, state

    def raw_tensors(self, carried: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
        """The arrays that `training_state.safetensors` holds, by name: they are saved from, and restored into."""
        tensors = {f"weights.{name}": p.value for name, p in self.parameters.items()}
        for slot, arrays in self.optimizer.slots.items():
            tensors |= {f"optimizer.{slot}.{name}": array for name, array in arrays.items()}
        carried = self.objective.carried() if carried is None else carried
        return tensors | {f"carried.{name}": array for name, array in carried.items()}

    def seek(self, state: TrainingState, carried: dict[str, np.ndarray], path: Path) -> None:
        """Goes to a position in the data and in the random streams.

        Raises:
            UserError: If there is no such position.
        """
        try:
            epoch, batch = (state.position[key] for key in self.objective.position())
            if type(epoch) is not int or type(batch) is not int or not 0 <= batch <= self.objective.steps_per_epoch:
                raise ValueError(f"there is no batch {batch} in epoch {epoch}")
            self.objective.seek(state.position, carried)
            self.rng.bit_generator.state = state.rng
            self.detector.restore(state.divergence)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CorruptFileError(f"{path / STATE} is damaged ({error}); restore it or train again") from None


def is_passed(every: int, before: int, after: int) -> bool:
    """Whether a multiple of a number is among the steps after `before`, up to `after`."""
    return after // every > before // every
