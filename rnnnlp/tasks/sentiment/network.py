"""The network of a classifier of documents."""

# N tokens, U unique tokens, T steps, B documents, D embedding, H hidden, R directions, K classes

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from rnnnlp.batches.documents import DocumentBatch, batch_of, in_order_of_length
from rnnnlp.files import CorruptFileError
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import softmax_cross_entropy, weighted_cross_entropy
from rnnnlp.layers.ngram_features import NgramFeatures
from rnnnlp.layers.pooling import pooling
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.tasks.sentiment.config import LINEAR, SentimentConfig
from rnnnlp.tasks.sentiment.explain import Contribution, explain
from rnnnlp.tasks.sentiment.linear import LinearModel
from rnnnlp.tasks.sentiment.predictor import Inference, ModelOutput, Predictor
from rnnnlp.text import Classes, Tokenizer
from rnnnlp.training.calibration import MAX_TEMPERATURE, MIN_TEMPERATURE, fit_temperature, stacking_weights
from rnnnlp.training.model_folder import WEIGHTS
from rnnnlp.training.network import Network

PROJECT_ALL = 8  # project the whole embedding table once if there are this many tokens per vocabulary entry
MOST_PROJECTED = 1 << 28  # bytes of the projected table; a larger one is not made


class Tape(NamedTuple):
    """What the layers keep for the backward pass."""

    rows: np.ndarray  # of the embedding, (U,) or (N,)
    x_mask: np.ndarray | None
    recurrent: Any
    pool: Any
    pooled_mask: np.ndarray | None
    head: np.ndarray
    ngrams: Any


@dataclass(frozen=True)
class BatchGradients:
    """The loss of a batch, and the gradient of its mean with respect to the embedded tokens."""

    loss_sum: float
    count: float
    rows: np.ndarray  # of the embedding, (U,)
    dx: np.ndarray  # (U, D)


class Projection:
    """The whole embedding of a network projected by its first recurrent layer, once enough tokens were read.

    Args:
        network: The network, whose weights must not change from then on.
    """

    def __init__(self, network: "SentimentNetwork"):
        self._network = network
        self._tokens = 0
        self._projected: Sequence[np.ndarray] | None = None

    def if_worthwhile(self, tokens: int) -> Sequence[np.ndarray] | None:
        """The projection, if it is worth its time for as many tokens as were read and `tokens` more, and its memory."""
        self._tokens += tokens
        V, recurrent = self._network.config.vocab_size, self._network.recurrent
        size = V * len(recurrent.cell.gates) * recurrent.output_size * self._network.dtype.itemsize
        if self._projected is None and self._tokens >= PROJECT_ALL * V and size <= MOST_PROJECTED:
            self._projected = recurrent.project(self._network.embedding.weight.value)
        return self._projected


class SentimentNetwork(Network, Predictor):
    """Embedding, recurrent layers, pooling over all steps, and a linear head.

    With `ngram_buckets` in the configuration, n-gram features add their logits.
    """

    model_type = "sentiment"
    public_class, pipeline_tag = "SentimentClassifier", "text-classification"
    config_type = SentimentConfig
    config: SentimentConfig

    def __init__(
        self,
        config: SentimentConfig,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = np.float32,
    ):
        super().__init__(config, tokenizer, rng=rng, dtype=dtype)
        c = config
        self.embedding = Embedding(c.vocab_size, c.embedding_size, scale=0.1, dtype=self.dtype, rng=rng)
        self.embedding_dropout = Dropout(c.dropout)  # of a token, wherever it occurs in the batch
        self.recurrent = Recurrent(
            c.cell,
            c.embedding_size,
            c.hidden_size,
            num_layers=c.num_layers,
            bidirectional=c.bidirectional,
            dropout=c.dropout,
            variational=c.variational,
            dtype=self.dtype,
            rng=rng,
        )
        size = self.recurrent.output_size
        self.pool = pooling(c.pooling, size, bidirectional=c.bidirectional, dtype=self.dtype, rng=rng)
        self.dropout = Dropout(c.dropout)
        self.head = Linear(self.pool.output_size, len(c.labels), dtype=self.dtype, rng=rng)
        self.ngrams = NgramFeatures(c.ngram_buckets, len(c.labels), dtype=self.dtype) if c.ngram_buckets else None
        self.layers: dict[str, Any] = {
            "embedding": self.embedding,
            "recurrent": self.recurrent,
            "pool": self.pool,
            "head": self.head,
        }
        if self.ngrams is not None:
            self.layers["ngrams"] = self.ngrams
        self.log_temperature = np.zeros(1)
        self.linear = LinearModel(c.linear, len(c.labels)) if c.linear else None
        self.stacking = np.array([1.0, 0.0])  # weights of the logits of the network and of the linear model

    def buffers(self) -> dict[str, np.ndarray]:
        buffers = {"log_temperature": self.log_temperature}
        if self.ngrams is not None:
            buffers["ngrams.log_count_ratio"] = self.ngrams.log_count_ratio
        if self.linear is not None:
            of_linear = {f"linear.{name}": array for name, array in self.linear.arrays().items()}
            buffers |= {"stacking": self.stacking} | of_linear
        return buffers

    @property
    def classes(self) -> Classes:
        classes: Classes = self.config.classes
        return classes

    @property
    def temperature(self) -> float:
        return float(np.exp(self.log_temperature[0]))

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        network = super().from_pretrained(folder)
        low, value, high = math.log(MIN_TEMPERATURE), network.log_temperature[0], math.log(MAX_TEMPERATURE)
        if not low - 1 < value < high + 1:
            raise CorruptFileError(
                f"{Path(folder) / WEIGHTS}: log_temperature is {value:g}; training gives a value from {low:.1f} to "
                f"{high:.1f}: restore it or train again"
            )
        network._check_linear(Path(folder) / WEIGHTS)
        return network

    def _check_linear(self, path: Path) -> None:
        """CorruptFileError if no training gives the linear model that was read."""
        if self.linear is None:
            return
        wrong = next((name for name, view in self.linear.views.items() if not view.is_ordered), None)
        if wrong is not None:
            raise CorruptFileError(f"{path}: linear.{wrong}.ngrams is not ascending; restore it or train again")
        if min(self.linear.weights.min(), self.stacking.min()) < 0 or not 0 < self.stacking.sum() < 1.001:
            raise CorruptFileError(f"{path}: the stacking weights are {self.stacking}; restore it or train again")

    def forward(
        self,
        ids: np.ndarray,
        batch_sizes: np.ndarray,
        *,
        rng: np.random.Generator | None = None,
        bptt: int | None = None,
        keep_tape: bool = True,
        each_token: bool = False,
        projected: Sequence[np.ndarray] | None = None,
    ) -> tuple[np.ndarray, Tape]:
        """Runs the network over a batch of documents.

        Args:
            ids: `(N,)`, packed and time-major.
            batch_sizes: `(T,)`.
            rng: For dropout; None evaluates without it.
            bptt: Cuts the gradient of the backward pass, but never the state, every `bptt` steps.
            keep_tape: False where no `backward` follows.
            each_token: Whether each token has an embedding gradient of its own; else equal tokens share one.
            projected: The whole embedding projected by the first recurrent layer, if that was done before.

        Returns:
            The logits `(B, K)`, and the tape.
        """
        row_index = None
        if projected is not None:
            x, row_index, rows = self.embedding.weight.value, ids, ids
        elif each_token:
            x, rows = self.embedding.forward(ids)  # (N, D)
        else:
            x, row_index, rows = self.embedding.unique(ids)  # (U, D), (N,)
        x, x_mask = self.embedding_dropout.forward(x, batch_sizes, rng=rng)
        state = self.recurrent.zero_state(int(batch_sizes[0]), self.dtype)
        h, _, recurrent_tape = self.recurrent.forward(
            x, batch_sizes, state, rng=rng, row_index=row_index, projected=projected, bptt=bptt, keep_tape=keep_tape
        )  # (N, R*H)
        pooled, pool_tape = self.pool.forward(h, batch_sizes)  # (B, P)
        pooled, pooled_mask = self.dropout.forward(pooled, batch_sizes[:1], rng=rng)
        logits, head_tape = self.head.forward(pooled)  # (B, K)
        ngrams_tape = None
        if self.ngrams is not None:
            of_ngrams, ngrams_tape = self.ngrams.forward(ids, batch_sizes)  # (B, K)
            logits += of_ngrams
        return logits, Tape(rows, x_mask, recurrent_tape, pool_tape, pooled_mask, head_tape, ngrams_tape)

    def backward(self, dlogits: np.ndarray, tape: Tape) -> None:
        """Adds the gradients of all parameters, from that of the logits `(B, K)`."""
        self.embedding.backward(self.input_gradient(dlogits, tape), tape.rows)

    def input_gradient(self, dlogits: np.ndarray, tape: Tape) -> np.ndarray:
        """The gradient of the embedded tokens, `(U, D)` or `(N, D)`; adds all gradients but the embedding's."""
        if self.ngrams is not None:
            self.ngrams.backward(dlogits, tape.ngrams)
        dpooled = self.dropout.backward(self.head.backward(dlogits, tape.head), tape.pooled_mask)  # (B, P)
        dh = self.pool.backward(dpooled, tape.pool)  # (N, R*H)
        dx, _ = self.recurrent.backward(dh, None, tape.recurrent)  # (N, D) or (U, D)
        return self.embedding_dropout.backward(dx, tape.x_mask)

    def gradients(
        self,
        batch: DocumentBatch,
        *,
        rng: np.random.Generator | None = None,
        bptt: int | None = None,
        label_smoothing: float = 0.0,
        sample_weights: np.ndarray | None = None,
        batch_count: int | None = None,
    ) -> BatchGradients:
        """Adds the gradient of the mean loss of a batch into every parameter.

        Args:
            batch: The documents and their labels.
            rng: For dropout.
            bptt: Cuts the gradient every `bptt` steps.
            label_smoothing: As in `layers.loss.softmax_cross_entropy`.
            sample_weights: `(B,)`, a weight for each document, by which its loss is multiplied.
            batch_count: The number of documents of the whole batch, if these are a part of one.
        """
        logits, tape = self.forward(batch.ids, batch.batch_sizes, rng=rng, bptt=bptt)
        if sample_weights is None:
            loss_sum, count, dlogits = softmax_cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
        else:
            loss_sum, count, dlogits = weighted_cross_entropy(
                logits, batch.labels, sample_weights, label_smoothing=label_smoothing
            )
        dlogits /= batch_count or count
        dx = self.input_gradient(dlogits, tape)
        self.embedding.backward(dx, tape.rows)
        return BatchGradients(loss_sum, count, tape.rows, dx)

    def fit_ngrams(self, documents: Sequence[np.ndarray], labels: np.ndarray) -> None:
        """Sets the log-count ratios of the n-gram features, if there are any, from documents and their classes."""
        if self.ngrams is not None:
            self.ngrams.fit(documents, labels)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of each text, at most `max_length` of them; an empty text is one unknown token (or id 0).

        White space at the beginning and the end is left out. From line ends a model could learn which file, and so
        which class, a text came from.
        """
        blank = np.array([self.tokenizer.unknown_id or 0], np.int32)
        encoded = self.tokenizer.encode_batch(map(str.strip, texts), self.config.max_length)
        return [ids if len(ids) else blank for ids in encoded]

    def logits(
        self,
        documents: Sequence[np.ndarray],
        *,
        batch_size: int = 64,
        projection: "Projection | None" = None,
        rank: int = 0,
        size: int = 1,
    ) -> np.ndarray:
        """The logits `(len(documents), K)` of encoded documents, in their order.

        Args:
            documents: The ids of each document.
            batch_size: The number of documents that the layers compute at once.
            projection: That of the documents before, with the same weights.
            rank: The rank of this process; it computes every `size`-th batch, and leaves the rows of the others 0.
            size: The number of processes.
        """
        logits = np.zeros((len(documents), len(self.config.labels)), self.dtype)
        labels = np.zeros(len(documents), np.int64)
        projected = (projection or Projection(self)).if_worthwhile(sum(map(len, documents)))
        for indices in list(in_order_of_length(documents, batch_size))[rank::size]:
            batch = batch_of(documents, labels, indices)
            logits[batch.indices], _ = self.forward(batch.ids, batch.batch_sizes, keep_tape=False, projected=projected)
        return logits

    def inference(self) -> Inference:
        projection = Projection(self)

        def infer(texts: Sequence[str]) -> ModelOutput:
            documents = self.encode(texts)
            unknown = self.unknown_words(texts, documents)
            if self.linear is None:
                return ModelOutput(self.logits(documents, projection=projection), unknown)
            network_weight, linear_weight = self.stacking.tolist()
            logits = network_weight * self.logits(documents, projection=projection) if network_weight else 0.0
            logits = logits + linear_weight * self.linear.logits(texts, documents)
            return ModelOutput(logits.astype(self.dtype), unknown)

        return infer

    def add_linear(self, model: LinearModel) -> None:
        """Takes a linear model, with which the network will be stacked."""
        sizes = {LINEAR[name]: len(of_view.ngrams) for name, of_view in model.views.items()}
        self.config, self.linear = self.config.changed(**sizes), model

    def fit_stacking(
        self, network_logits: np.ndarray, linear_logits: np.ndarray | None, labels: np.ndarray
    ) -> np.ndarray:
        """Fits the temperature and the stacking weights of both models to logits of texts that were not trained on.

        Args:
            network_logits: The logits of the network alone, `(n, K)`.
            linear_logits: Those of the linear model, if there is one, `(n, K)`.
            labels: The true classes, `(n,)`.

        Returns:
            The logits of both together, `(n, K)`.
        """
        if linear_logits is None:
            self.log_temperature[0] = math.log(fit_temperature(network_logits, labels))
            return network_logits
        weights = stacking_weights([network_logits, linear_logits], labels)
        total = min(max(float(weights.sum()), 1 / MAX_TEMPERATURE), 1 / MIN_TEMPERATURE)
        self.log_temperature[0] = -math.log(total)
        self.stacking[...] = weights / weights.sum() if weights.any() else (0.5, 0.5)
        return self.stacking[0] * network_logits + self.stacking[1] * linear_logits

    def unknown_words(self, texts: Sequence[str], documents: Sequence[np.ndarray]) -> np.ndarray:
        """The share of the words of texts that the model does not know, `(len(texts),)`; 0 for an empty text.

        Args:
            texts: The texts.
            documents: The ids of each, from `encode`.
        """
        unknown = self.tokenizer.unknown_id
        if unknown is None or not documents:
            return np.zeros(len(documents))
        ids = np.concatenate(documents)
        ends = np.cumsum([len(document) for document in documents])
        of_words = np.diff(np.cumsum(self.tokenizer.is_word[ids])[ends - 1], prepend=0)
        of_unknown = np.diff(np.cumsum(ids == unknown)[ends - 1], prepend=0)
        shares: np.ndarray = of_unknown / np.maximum(of_words, 1)
        shares[[not text.strip() for text in texts]] = 0  # the unknown id stands for an empty text
        return shares

    def explain_classes(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        return explain(self, texts, chosen)
