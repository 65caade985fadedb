"""What the training loop drives: shuffled batches of whole documents of similar length."""

# n texts, K classes

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from rnnnlp.batches.documents import DocumentBatches, in_order_of_length
from rnnnlp.batches.shards import Shard
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.tasks.sentiment.adversarial import adversarial_gradients, vat_gradients
from rnnnlp.tasks.sentiment.config import SentimentTraining
from rnnnlp.tasks.sentiment.cross_validation import CrossValidation
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import LabelledData
from rnnnlp.training.clock import Clock
from rnnnlp.training.distributed import processes
from rnnnlp.training.metrics import classification_metrics
from rnnnlp.training.objective import NO_LOSS, ShardLoss

Documents = tuple[list[np.ndarray], np.ndarray]  # ids of each text, and the labels (n,)
EVALUATION_BATCH = 64  # documents
BALANCED_ACCURACY = "balanced_accuracy"  # the mean of the accuracies of the classes
LOSS_IN_SCORE = 1e-3  # accuracy decides which weights are kept; the loss decides between nearly equal accuracies


class SentimentObjective:
    """The loss of documents, with adversarial parts if the configuration says so; see `training.objective.Objective`.

    Args:
        network: The classifier.
        train: The documents to train on.
        validation: The documents to validate on; none with cross-validation.
        config: How to train.
        digests: Those of `digests_of_data`.
        unlabelled: Documents without a label, for virtual adversarial training.
        sample_weights: A weight for each document to train on.
        linear_validation: The logits of the linear model of the documents to validate on, `(n, K)`.

    Attributes:
        cross_validation: What the folds gave, which is then the validation.
        clock: The clock of the run, which says what evaluation of the folds is next to one of the run.
    """

    def __init__(
        self,
        network: SentimentNetwork,
        train: Documents,
        validation: Documents,
        config: SentimentTraining,
        digests: Mapping[str, str],
        unlabelled: Sequence[np.ndarray] = (),
        sample_weights: np.ndarray | None = None,
        linear_validation: np.ndarray | None = None,
    ):
        self.network, self.digests = network, digests
        self.config = config
        batches = partial(DocumentBatches, batch_size=config.batch_size, seed=config.seed, crop=config.crop)
        self.batches = batches(*train)
        self.steps_per_epoch = self.batches.per_epoch
        self.unlabelled = unlabelled
        everything = [*train[0], *unlabelled] if config.virtual_adversarial else []
        self.vat_batches = batches(everything, np.zeros(len(everything), np.int64)) if everything else None
        self.validation = validation
        self.sample_weights = self.given_weights = sample_weights
        if sample_weights is not None:  # only their ratios count; tiny or huge ones would leave the range of float32
            self.sample_weights = sample_weights / sample_weights.mean()
        self.linear_validation = linear_validation
        self.cross_validation: CrossValidation | None = None
        self.clock: Clock | None = None
        self.is_balanced = config.class_weights == "balanced"
        self.loss_weights = self.sample_weights  # the loss of each text is multiplied by them, (n,); their mean is 1
        if self.is_balanced:
            of_classes = balanced_weights(train[1], len(network.config.labels), sample_weights)  # (K,)
            self.loss_weights = of_classes[train[1]] * (1.0 if self.sample_weights is None else self.sample_weights)

    def next_batch(self) -> None:
        self.batch = self.batches.next_list()
        self.vat_batch = None if self.vat_batches is None else self.vat_batches.next_list()

    def gradients(self, shard: Shard, *, rng: np.random.Generator) -> ShardLoss:
        config, network = self.config, self.network
        if self.vat_batch is not None and (batch := self.vat_batch.pack(shard)) is not None:
            size, count = config.virtual_adversarial, len(self.vat_batch.labels)
            vat_gradients(network, batch, size, rng=rng, bptt=config.bptt, batch_count=count)
        batch = self.batch.pack(shard)
        if batch is None:
            return NO_LOSS
        found = adversarial_gradients(
            network,
            batch,
            config.adversarial,
            rng=rng,
            bptt=config.bptt,
            label_smoothing=config.label_smoothing,
            sample_weights=None if self.loss_weights is None else self.loss_weights[batch.indices],
            batch_count=len(self.batch.labels),
        )
        return ShardLoss(found.loss_sum, found.count, len(batch.ids))

    def evaluate(self) -> dict[str, Any]:
        """See the contract; it also fits the stacking weights and the temperature of the network."""
        if self.cross_validation is None:
            documents, labels = self.validation
            network_logits, linear_logits = self.shared_logits(documents), self.linear_validation
        else:
            progress = 1.0
            if self.clock is not None:
                progress = self.clock.progress if self.clock.step else 0.0  # time passes also before the first step
            network_logits, linear_logits, labels = self.cross_validation.at(progress)
        logits = self.network.fit_stacking(network_logits, linear_logits, labels)
        metrics = classification_metrics(self.network.probabilities(logits), labels, self.network.labels)
        del metrics["per_class"], metrics["confusion_matrix"], metrics["accuracy_interval"]
        metrics["temperature"] = temperature = self.network.temperature
        if self.network.linear is not None:
            metrics["share_of_network"] = round(float(self.network.stacking[0]), 3)
        # With stacking weights of a sum of 1, the size of the logits says nothing without the temperature.
        logits = logits / temperature
        loss_sum, count, _ = softmax_cross_entropy(logits, labels)
        accuracy, loss = self.weighted_figures(logits, labels)
        if self.is_balanced:
            metrics[BALANCED_ACCURACY] = accuracy
        # On few texts the accuracy is too coarse to choose weights by.
        score = accuracy - LOSS_IN_SCORE * loss if self.cross_validation is None else -loss
        return {"score": score, "loss": loss_sum / count, **metrics}

    def weighted_figures(self, logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Accuracy and mean loss from logits `(n, K)` and labels `(n,)`; with balanced classes, each counts alike."""
        groups = [labels == k for k in np.unique(labels)] if self.is_balanced else [np.ones(len(labels), bool)]
        accuracies = [np.mean(logits[group].argmax(axis=1) == labels[group]) for group in groups]
        losses = [softmax_cross_entropy(logits[group], labels[group])[0] / group.sum() for group in groups]
        return float(np.mean(accuracies)), float(np.mean(losses))

    def shared_logits(self, documents: Sequence[np.ndarray]) -> np.ndarray:
        """The logits of the network, `(n, K)`; each process computes a part of them."""
        rank, size = processes().rank, processes().size
        parts = processes().exchange(self.network.logits(documents, batch_size=EVALUATION_BATCH, rank=rank, size=size))
        for number, indices in enumerate(in_order_of_length(documents, EVALUATION_BATCH)):
            parts[0][indices] = parts[number % size][indices]
        return parts[0]

    def sample(self) -> str | None:
        return None

    def position(self) -> dict[str, Any]:
        return self.batches.position

    def carried(self) -> dict[str, np.ndarray]:
        return {}

    def seek(self, position: dict[str, Any], carried: dict[str, np.ndarray]) -> None:
        self.batches.seek(position)
        if self.vat_batches is not None:
            steps = self.batches.epoch * self.batches.per_epoch + self.batches.batch
            epoch, batch = divmod(steps, self.vat_batches.per_epoch)
            self.vat_batches.seek({"epoch": epoch, "batch": batch})

    def fingerprint(self) -> Mapping[str, str]:
        return self.digests

    def earlier_fingerprint(self) -> str:
        digest = hashlib.sha256()
        for ids in self.batches.documents:
            digest.update(ids.tobytes())
        digest.update(self.batches.labels.tobytes())
        if self.given_weights is not None:
            digest.update(self.given_weights.tobytes())
        return f"{len(self.batches.documents)}:{digest.hexdigest()[:16]}"


def digests_of_data(data: LabelledData, *, unlabelled: bool) -> dict[str, str]:
    """The digest of each part of the data that training and validation read, to recognise it again.

    Args:
        data: The data.
        unlabelled: Whether the texts without labels are read, too.
    """
    digests = {}
    for name, split in (("training", data.splits["train"]), ("validation", data.splits["validation"])):
        digests[f"the {name} texts"] = digest_of_texts(split.texts)
        digests[f"the {name} labels"] = hashlib.sha256(split.labels.data).hexdigest()
        if split.weights is not None:
            digests[f"the weights of the {name} texts"] = hashlib.sha256(split.weights.data).hexdigest()
    digests["the names of the classes"] = digest_of_texts(data.classes.names)
    if unlabelled:
        digests["the texts without labels"] = digest_of_texts(data.unlabelled)
    return digests


def digest_of_texts(texts: Sequence[str]) -> str:
    """A digest of texts, of their number and of their lengths."""
    digest = hashlib.sha256()
    lengths = []
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(content)
        lengths.append(len(content))
    digest.update(np.array(lengths, np.int64).data)
    return digest.hexdigest()


def balanced_weights(labels: np.ndarray, classes: int, sample_weights: np.ndarray | None = None) -> np.ndarray:
    """Weights `(classes,)` with which every class that has texts has the same weight in total.

    Their mean over the texts is 1.

    Args:
        labels: The class of each text, `(n,)`.
        classes: The number of classes.
        sample_weights: The weight of each text, `(n,)`, if they differ.
    """
    totals = np.bincount(labels, sample_weights, classes)  # (classes,)
    there = totals > 0
    return np.where(there, totals.sum() / (max(1, there.sum()) * np.where(there, totals, 1)), 0.0)
