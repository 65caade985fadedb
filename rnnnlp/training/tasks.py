"""What the training loop needs to know of each task: the next gradients, and how good the model is."""

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from rnnnlp.batches.documents import DocumentBatches
from rnnnlp.batches.streams import StreamBatches
from rnnnlp.generation import Sampling, generate
from rnnnlp.kernels.backend import State
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.layers.sampled_softmax import Sampler
from rnnnlp.models.bidirectional_lm import BidirectionalLM, both_ways
from rnnnlp.models.char_lm import CharLM
from rnnnlp.models.model import Model
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.training.calibration import fit_temperature
from rnnnlp.training.config import CharLMTraining, Pretraining, SentimentTraining
from rnnnlp.training.evaluation import bidirectional_metrics, language_model_loss
from rnnnlp.training.metrics import classification_metrics, language_model_metrics

EVALUATION_STREAMS = 64
SAMPLE_LENGTH = 200  # characters
COUNTED = 1 << 20  # tokens at a time


class Gradients(NamedTuple):
    """What came with the gradients of a batch."""

    loss: float  # nats, the mean over the targets
    tokens: int


class Task(Protocol):
    @property
    def model(self) -> Model: ...

    steps_per_epoch: int

    def gradients(self, *, rng: np.random.Generator) -> Gradients:
        """Takes the next batch forward and backward; the gradients are then in the parameters."""

    def evaluate(self) -> dict[str, Any]:
        """Figures on the validation split; "score" is what counts, higher is better."""

    def sample(self) -> str | None:
        """What the model writes, if it writes."""

    def position(self) -> dict[str, Any]:
        """Where in the data the run is."""

    def carried(self) -> dict[str, np.ndarray]:
        """The hidden state between two batches."""

    def go_to(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        """Back to where `position` and `carried` were taken."""

    def fingerprint(self) -> str:
        """The same for the same training data."""


class CharLMTask:
    """Windows of contiguous streams, with the state carried from each to the next."""

    def __init__(
        self, model: CharLM, train: np.ndarray, validation: np.ndarray, characters: int, config: CharLMTraining
    ):
        assert config.batch_size is not None
        self.model = model
        self.config = config
        self.batches = StreamBatches(
            train,
            batch_size=config.batch_size,
            bptt=config.bptt,
            seed=config.seed,
            shuffled_block=config.shuffle_blocks,
        )
        self.steps_per_epoch = self.batches.per_epoch
        self.validation = validation[: config.validation_tokens + 1]
        self.characters_per_token = characters / max(1, len(validation))
        self.state: State = model.zero_state(self.batches.batch_size)

    def gradients(self, *, rng: np.random.Generator) -> Gradients:
        window = self.batches.next()
        state = tuple(np.where(window.fresh[:, None], 0, s) for s in self.state)  # (L, B, H)
        loss_sum, count, self.state = self.model.gradients(
            window.inputs,
            window.targets,
            window.batch_sizes,
            state,
            rng=rng,
            label_smoothing=self.config.label_smoothing or 0.0,
        )
        return Gradients(loss_sum / count, len(window.inputs))

    def evaluate(self) -> dict[str, Any]:
        loss_sum, tokens = language_model_loss(self.model, self.validation, streams=EVALUATION_STREAMS)
        metrics = language_model_metrics(loss_sum, tokens, tokens * self.characters_per_token)
        return {"score": -metrics["nats_per_char"], **metrics}

    def sample(self) -> str | None:
        return "".join(generate(self.model, "", Sampling(length=SAMPLE_LENGTH), rng=np.random.default_rng(0)))

    def position(self) -> dict[str, Any]:
        return self.batches.position

    def carried(self) -> dict[str, np.ndarray]:
        return {str(i): s for i, s in enumerate(self.state)}

    def go_to(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        self.batches.seek(position)
        self.state = tuple(carried[str(i)] for i in range(len(self.state)))

    def fingerprint(self) -> str:
        return corpus_fingerprint(self.batches.ids)


class PretrainingTask:
    """Windows of contiguous streams, one stream of windows from the beginning of the text and one from its end."""

    def __init__(self, model: BidirectionalLM, train: np.ndarray, validation: np.ndarray, config: Pretraining):
        self.model = model
        self.sampler = Sampler(token_counts(train, model.config.vocab_size), config.samples)
        self.batches = [
            StreamBatches(ids, batch_size=config.batch_size, bptt=config.bptt, seed=config.seed)
            for ids in both_ways(train)
        ]
        self.steps_per_epoch = self.batches[0].per_epoch
        self.validation = validation[: config.validation_tokens + 1]
        self.states = [d.zero_state(self.batches[0].batch_size) for d in model.directions.values()]

    def gradients(self, *, rng: np.random.Generator) -> Gradients:
        windows = [batches.next() for batches in self.batches]
        states = [
            tuple(np.where(window.fresh[:, None], 0, s) for s in state)  # (L, B, H)
            for window, state in zip(windows, self.states, strict=True)
        ]
        loss_sum, count, self.states = self.model.gradients(windows, states, self.sampler, rng=rng)
        return Gradients(loss_sum / count, count)

    def evaluate(self) -> dict[str, Any]:
        metrics = bidirectional_metrics(self.model, self.validation, streams=EVALUATION_STREAMS)
        return {"score": -metrics["loss"], **metrics}

    def sample(self) -> str | None:
        return None

    def position(self) -> dict[str, Any]:
        return self.batches[0].position

    def carried(self) -> dict[str, np.ndarray]:
        return {f"{r}.{i}": s for r, state in enumerate(self.states) for i, s in enumerate(state)}

    def go_to(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        for batches in self.batches:
            batches.seek(position)
        self.states = [tuple(carried[f"{r}.{i}"] for i in range(len(s))) for r, s in enumerate(self.states)]

    def fingerprint(self) -> str:
        return corpus_fingerprint(self.batches[0].ids)


class SentimentTask:
    """Shuffled batches of whole documents of like length."""

    def __init__(
        self,
        model: SentimentClassifier,
        train: tuple[list[np.ndarray], np.ndarray],
        validation: tuple[list[np.ndarray], np.ndarray],
        config: SentimentTraining,
        unlabelled: Sequence[np.ndarray] = (),
    ):
        self.model = model
        self.config = config
        assert config.batch_size is not None
        batches = partial(DocumentBatches, batch_size=config.batch_size, seed=config.seed, crop=config.crop)
        self.batches = batches(*train)
        self.steps_per_epoch = self.batches.per_epoch
        everything = [*train[0], *unlabelled] if config.virtual_adversarial else []
        self.to_smooth = batches(everything, np.zeros(len(everything), np.int64)) if everything else None
        self.validation = validation
        self.class_weights: np.ndarray | None = None
        if config.class_weights == "balanced":
            self.class_weights = balanced_weights(train[1], len(model.config.labels))

    def gradients(self, *, rng: np.random.Generator) -> Gradients:
        if self.to_smooth is not None:
            size = self.config.virtual_adversarial
            self.model.smoothing_gradients(self.to_smooth.next(), size, rng=rng, bptt=self.config.bptt)
        batch = self.batches.next()
        loss_sum, count = self.model.gradients(
            batch,
            rng=rng,
            bptt=self.config.bptt,
            adversarial=self.config.adversarial or 0.0,
            label_smoothing=self.config.label_smoothing or 0.0,
            class_weights=self.class_weights,
        )
        return Gradients(loss_sum / count, len(batch.ids))

    def evaluate(self) -> dict[str, Any]:
        documents, labels = self.validation
        logits = self.model.logits(documents)
        self.model.log_temperature[0] = math.log(fit_temperature(logits, labels))
        loss_sum, count, _ = softmax_cross_entropy(logits, labels)
        metrics = classification_metrics(self.model.probabilities(logits), labels, self.model.config.labels)
        del metrics["per_class"], metrics["confusion_matrix"], metrics["accuracy_interval"]
        metrics["temperature"] = self.model.temperature
        return {"score": metrics["accuracy"] - 1e-3 * loss_sum / count, "loss": loss_sum / count, **metrics}

    def sample(self) -> str | None:
        return None

    def position(self) -> dict[str, Any]:
        return self.batches.position

    def carried(self) -> dict[str, np.ndarray]:
        return {}

    def go_to(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        self.batches.seek(position)
        if self.to_smooth is not None:
            steps = self.batches.epoch * self.batches.per_epoch + self.batches.batch
            epoch, batch = divmod(steps, self.to_smooth.per_epoch)
            self.to_smooth.seek({"epoch": epoch, "batch": batch})

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for ids in self.batches.documents:
            digest.update(ids.tobytes())
        digest.update(self.batches.labels.tobytes())
        return f"{len(self.batches.documents)}:{digest.hexdigest()[:16]}"


def corpus_fingerprint(ids: np.ndarray) -> str:
    ends = np.concatenate([ids[:4096], ids[-4096:]]).astype(np.int64)
    return f"{len(ids)}:{hashlib.sha256(ends.tobytes()).hexdigest()[:16]}"


def token_counts(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    """How often each token comes in `ids`, which may be memory-mapped: `(V,)`."""
    pieces = (ids[start : start + COUNTED] for start in range(0, len(ids), COUNTED))
    return sum((np.bincount(piece, minlength=vocab_size) for piece in pieces), np.zeros(vocab_size, np.int64))


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights `(classes,)` with which every class counts the same in total; their mean over the labels is 1."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return len(labels) / (classes * counts)
