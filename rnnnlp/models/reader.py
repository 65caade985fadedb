"""The network that reads a document and says how much speaks for each class."""

# N tokens, U unique tokens, T steps, B documents, D embedding, H hidden, K classes

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.documents import DocumentBatch
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import divergence, softmax, softmax_cross_entropy
from rnnnlp.layers.parameter import Parameter, parameters_of
from rnnnlp.layers.pooling import pooling
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.layers.votes import NgramVotes
from rnnnlp.models.config import SentimentConfig

PROBE = 0.1  # of the length of a move: how far its direction is sought


class Tape(NamedTuple):
    """What the parts of a reader keep for the way back."""

    rows: np.ndarray  # of the embedding, (U,) or (N,)
    x_mask: Any
    recurrent: Any
    pool: Any
    pooled_mask: Any
    head: Any
    votes: Any


class Reader:
    """Embedding, recurrent layers in both directions, pooling over all steps, and a map to any number of classes.

    With `votes` in the configuration, words and runs of words add theirs to the logits.
    """

    def __init__(self, config: SentimentConfig, *, rng: np.random.Generator, dtype: Any = np.float32):
        self.dtype = np.dtype(dtype)
        c = config
        self.embedding = Embedding(c.vocab_size, c.embedding_size, scale=0.1, dtype=dtype, rng=rng)
        self.embedding_dropout = Dropout(c.dropout)  # of a word, wherever it stands in the batch
        self.recurrent = Recurrent(
            c.cell,
            c.embedding_size,
            c.hidden_size,
            num_layers=c.num_layers,
            bidirectional=c.bidirectional,
            dropout=c.dropout,
            variational=c.variational,
            dtype=dtype,
            rng=rng,
        )
        self.pool = pooling(c.pooling, self.recurrent.output_size, bidirectional=c.bidirectional, dtype=dtype, rng=rng)
        self.dropout = Dropout(c.dropout)
        self.head = Linear(self.pool.output_size, len(c.labels), dtype=dtype, rng=rng)
        self.votes = NgramVotes(c.votes, len(c.labels), dtype=dtype) if c.votes else None
        self.layers: dict[str, Any] = {
            "embedding": self.embedding,
            "recurrent": self.recurrent,
            "pool": self.pool,
            "head": self.head,
        }
        if self.votes is not None:
            self.layers["votes"] = self.votes

    def parameters(self) -> dict[str, Parameter]:
        """All parameters by name, such as `recurrent.0.forward.W_h`."""
        return parameters_of(self.layers)

    def project(self) -> list[np.ndarray]:
        """What `forward` takes as `projected`."""
        return self.recurrent.project(self.embedding.weight.value)

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
    ) -> tuple[np.ndarray, Any]:
        """Packed `ids (N,)` -> `logits (B, K)`, tape. The state runs through; `bptt` cuts the gradient to come.

        Tokens that are equal share a vector, what dropout leaves of it, and its gradient, but where `each_token` is to
        have its own. `projected` is what the recurrent layers make of the whole embedding, where nothing is dropped.
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
        votes_tape = None
        if self.votes is not None:
            votes, votes_tape = self.votes.forward(ids, batch_sizes)  # (B, K)
            logits += votes
        return logits, Tape(rows, x_mask, recurrent_tape, pool_tape, pooled_mask, head_tape, votes_tape)

    def backward(self, dlogits: np.ndarray, tape: Any) -> None:
        """`dlogits (B, K)` into the gradients of all parameters."""
        self.embedding.backward(self.input_gradient(dlogits, tape), tape.rows)

    def input_gradient(self, dlogits: np.ndarray, tape: Any) -> np.ndarray:
        """`dlogits (B, K)` -> that of the embedded tokens, `(U, D)` or `(N, D)`; adds to all other gradients."""
        if self.votes is not None:
            self.votes.backward(dlogits, tape.votes)
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
        adversarial: float = 0.0,
        **options: Any,
    ) -> tuple[float, float]:
        """`loss_sum, count` of a batch; adds the gradient of the mean loss into every parameter.

        With `adversarial`, also that of the mean loss which the batch has when the vectors of its words, all as one,
        are moved by this share of their length to where the loss grows fastest (Goodfellow et al. 2015; Miyato, Dai
        and Goodfellow 2017, there for each text). The move counts as a constant. `options` are those of the loss.
        """
        loss_sum, count, rows, dx = self._add_gradients(batch, rng, bptt, options)
        steepness = float(np.linalg.norm(dx))
        if adversarial and steepness > 0:
            length = adversarial * float(np.linalg.norm(self.embedding.weight.value[rows]))
            with self.embedding.perturbed(rows, dx * (length / steepness)):
                self._add_gradients(batch, rng, bptt, options)
        return loss_sum, count

    def smoothing_gradients(
        self, batch: DocumentBatch, size: float, *, rng: np.random.Generator, bptt: int | None = None
    ) -> float:
        """Sets gradients by which words that are moved change less of what is said of a batch; returns that change.

        Virtual adversarial training (Miyato et al. 2016): the vectors of the batch's words, all as one, are moved by
        the share `size` of their length to where the divergence of the probabilities from those of the unmoved ones
        grows fastest, and its mean is the loss. Labels are not looked at. The move counts as a constant, and so do the
        probabilities of the unmoved. Gradients that were there before are lost.
        """
        B = len(batch.labels)
        logits, _ = self.forward(batch.ids, batch.batch_sizes, keep_tape=False)
        p = softmax(logits)  # (B, K)
        x, _, rows = self.embedding.unique(batch.ids)  # (U, D)
        length = size * float(np.linalg.norm(x))
        direction = rng.standard_normal(x.shape)
        with self.embedding.perturbed(rows, direction * (PROBE * length / np.linalg.norm(direction))):
            logits, tape = self.forward(batch.ids, batch.batch_sizes, bptt=bptt)
        # Where nothing is moved the divergence is least and has no gradient: that of a little move points the way.
        dx = self.input_gradient(divergence(logits, p)[1], tape)  # (U, D)
        for parameter in self.parameters().values():
            parameter.zero_grad()
        steepness = float(np.linalg.norm(dx))
        if steepness == 0:
            return 0.0
        with self.embedding.perturbed(rows, dx * (length / steepness)):
            logits, tape = self.forward(batch.ids, batch.batch_sizes, rng=rng, bptt=bptt)
        change, dlogits = divergence(logits, p)
        self.backward(dlogits / B, tape)
        return change / B

    def _add_gradients(
        self, batch: DocumentBatch, rng: np.random.Generator | None, bptt: int | None, options: dict[str, Any]
    ) -> tuple[float, float, np.ndarray, np.ndarray]:
        """`loss_sum, count`, and which rows of the embedding have which gradient: `(U,)`, `(U, D)`."""
        logits, tape = self.forward(batch.ids, batch.batch_sizes, rng=rng, bptt=bptt)
        loss_sum, count, dlogits = softmax_cross_entropy(logits, batch.labels, **options)
        dlogits /= count
        dx = self.input_gradient(dlogits, tape)
        self.embedding.backward(dx, tape.rows)
        return loss_sum, count, tape.rows, dx

    def contributions(self, dlogits: np.ndarray, tape: Tape, batch: DocumentBatch) -> np.ndarray:
        """What each token adds to `sum(dlogits * logits)`, to first order, `(N,)`; the tape is one of `each_token`.

        Its vector times the gradient, and its share of the votes of the runs that it is in. Adds to the gradients.
        """
        x, _ = self.embedding.forward(batch.ids)  # (N, D)
        weights = (x * self.input_gradient(dlogits, tape)).sum(axis=1)  # (N,)
        if self.votes is not None:
            weights += self.votes.contributions(dlogits, tape.votes, batch.ids, batch.batch_sizes)
        return weights
