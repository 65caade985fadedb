"""Trains a network for each fold of a cross-validation, on all texts but those of the fold."""

# n texts, E evaluations, K classes

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment.objective import SentimentObjective
from rnnnlp.tasks.sentiment.transfer import set_lr_scales
from rnnnlp.training.averaging import AveragedWeights
from rnnnlp.training.calibration import stacking_weights
from rnnnlp.training.clock import Clock, total_steps
from rnnnlp.training.distributed import processes, raise_if_asked
from rnnnlp.training.divergence import Diverged, DivergenceDetector
from rnnnlp.training.loop import new_optimizer, train_step
from rnnnlp.training.progress import no_bar
from rnnnlp.training.schedules import factor
from rnnnlp.training.signals import Interrupted

SMALLEST_GAIN = 0.002  # nats
TINY = 1e-30  # of a probability, for its logarithm

log = logging.getLogger(__name__)


def logits_of_folds(
    objective: SentimentObjective,
    folds: np.ndarray,
    linear_logits: np.ndarray | None,
    *,
    seconds: float | None,
    after_fold: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """The logits of each text when it was left out of training: before it, and at each evaluation, `(1 + E, n, K)`.

    If the network of the first fold does not help the linear model, the other folds are left out, and all logits are 0.
    They are 0, too, if all folds together help it by less than one standard error.

    Args:
        objective: The objective of all texts. Its network is as it is before training, and is not changed.
        folds: The fold of each text, `(n,)`.
        linear_logits: The logits of the linear model of texts that it was not fitted to, `(n, K)`, if there is one.
        seconds: Time for all folds together; None if there is no limit.
        after_fold: Called at the end of each fold.

    Raises:
        Interrupted: If a signal asks to stop.
    """
    from tqdm import tqdm

    network, config = objective.network, objective.config
    documents, labels = objective.batches.documents, objective.batches.labels
    found = np.zeros((1 + config.evaluations, len(labels), len(network.labels)), np.float32)
    numbers = np.unique(folds)
    with processes().signals() as signals, tqdm(total=len(numbers), desc="cross-validation", disable=no_bar()) as bar:
        for fold in numbers:
            train, left_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            twin = network.copy()
            set_lr_scales(twin, config.lr_decay)
            examples = [documents[i] for i in train.tolist()], labels[train]
            if twin.ngrams is not None and not twin.ngrams.weight.value.any():  # else they are those of a classifier
                twin.fit_ngrams(*examples)
            weights = None if objective.sample_weights is None else objective.sample_weights[train]
            fold_objective = SentimentObjective(
                twin, examples, ([], labels[:0]), config, {}, objective.unlabelled, weights
            )
            limit = None if seconds is None else seconds / len(numbers)
            for number in train_fold(fold_objective, limit, signals):
                logits = twin.logits([documents[i] for i in left_out.tolist()])
                found[number, left_out] = logits if np.isfinite(logits).all() else found[number - 1, left_out]
            bar.update()
            raise_if_asked(signals)
            after_fold()
            if fold == numbers[0] and linear_logits is not None:
                gain, _ = shared_gain(found[:, left_out], linear_logits[left_out], labels[left_out])
                log.info("the network lowers the loss of the linear model in the first fold by %.4f nats", gain)
                if gain < SMALLEST_GAIN:
                    log.info("so the linear model decides alone")
                    found[...] = 0
                    break
        raise_if_asked(signals)
    if linear_logits is not None and found.any():
        gain, error = shared_gain(found, linear_logits, labels)
        if gain < max(SMALLEST_GAIN, error):
            log.info(
                "a gain of %.4f nats may be chance (standard error %.4f): the linear model decides alone", gain, error
            )
            return np.zeros_like(found)
    return found


def shared_gain(network_logits: np.ndarray, linear_logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """As `gain_of`, with one answer in all processes: they may round in different ways."""
    return processes().first(lambda: gain_of(network_logits, linear_logits, labels))


def gain_of(network_logits: np.ndarray, linear_logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """By how much, in nats, the network lowers the loss of the linear model at its best evaluation.

    Args:
        network_logits: The logits of the network at each evaluation, `(E, n, K)`.
        linear_logits: Those of the linear model, `(n, K)`.
        labels: The true classes, `(n,)`.

    Returns:
        The mean over the texts, and its standard error.
    """

    def losses(*logits: np.ndarray) -> np.ndarray:
        weights = stacking_weights(logits, labels)
        together = np.sum([w * of_model for w, of_model in zip(weights.tolist(), logits, strict=True)], axis=0)
        found: np.ndarray = -np.log(softmax(together)[np.arange(len(labels)), labels] + TINY)  # (n,)
        return found

    alone = losses(linear_logits)
    gains = max((alone - losses(of_evaluation, linear_logits) for of_evaluation in network_logits), key=np.mean)
    return float(np.mean(gains)), float(np.std(gains) / np.sqrt(len(gains)))


def train_fold(objective: SentimentObjective, seconds: float | None, signals: Sequence[int]) -> Iterator[int]:
    """Trains as the training loop does, and yields the number of each evaluation, with the averaged weights applied.

    Evaluation 0 comes before the first step.

    Raises:
        Interrupted: After a step, if one of the signals has arrived.
    """
    config, parameters = objective.config, objective.network.parameters()
    optimizer = new_optimizer(config, parameters)
    averaged, detector = AveragedWeights(parameters, config.averaging), DivergenceDetector()
    rng = rng_for(config.seed, RandomStream.DROPOUT)
    steps = total_steps(config, objective.steps_per_epoch)
    clock = Clock(total_steps=steps, budget=seconds, now=processes().now)
    yield 0
    done = 0
    while done < config.evaluations:
        lr = config.lr * factor(config.schedule, clock.progress, warmup=config.warmup)
        try:
            train_step(objective, optimizer, averaged, detector, config, lr=lr, rng=rng)
        except Diverged as error:
            log.warning("cross-validation: %s; what the fold has learned so far counts", error.problem)
            with averaged.applied():
                yield from range(done + 1, config.evaluations + 1)
            return
        clock.step += 1
        if signals:
            raise Interrupted(signals[0])
        while done < config.evaluations and clock.progress * config.evaluations >= done + 1:
            with averaged.applied():
                yield done + 1
            done += 1
