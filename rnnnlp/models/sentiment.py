"""The classifier of documents."""

# N tokens, U distinct tokens, T steps, B documents, D embedding, H hidden, K classes

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.documents import DocumentBatch, batch_of, clip, in_order_of_length
from rnnnlp.batches.packed import unpack
from rnnnlp.layers.dropout import Dropout
from rnnnlp.layers.embedding import Embedding
from rnnnlp.layers.linear import Linear
from rnnnlp.layers.loss import divergence, log_odds_gradient, softmax, softmax_cross_entropy
from rnnnlp.layers.pairs import PairVotes
from rnnnlp.layers.pooling import pooling
from rnnnlp.layers.recurrent import Recurrent
from rnnnlp.models.config import SentimentConfig
from rnnnlp.models.model import Model
from rnnnlp.text import Tokenizer

CHUNK = 10_000  # texts encoded at a time when predicting
READ_AGAIN = 8  # tokens for each of the vocabulary, from which on all of it is projected once, not each batch's own

PROBE = 0.1  # of the length of a move: how far its direction is sought


class Contribution(NamedTuple):
    """How far the characters from `start` to `stop` (not included) moved a decision; below 0: against it."""

    start: int
    stop: int
    weight: float  # nats of log-odds


class Tape(NamedTuple):
    """What the parts of a classifier keep for the way back."""

    rows: np.ndarray  # of the embedding, (U,) or (N,)
    x_mask: Any
    recurrent: Any
    pool: Any
    pooled_mask: Any
    head: Any
    votes: Any


class SentimentClassifier(Model):
    """Embedding, recurrent layers in both directions, pooling over all steps, softmax over any number of classes.

    With `pairs` in the configuration, words and pairs of words add their votes to the logits.
    """

    model_type = "sentiment"
    config_type = SentimentConfig

    def __init__(
        self,
        config: SentimentConfig,
        tokenizer: Tokenizer | None = None,
        *,
        rng: np.random.Generator,
        dtype: Any = np.float32,
    ):
        self.config, self.tokenizer, self.dtype = config, tokenizer, np.dtype(dtype)
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
        self.pairs = PairVotes(c.pairs, len(c.labels), dtype=dtype) if c.pairs else None
        self.layers = {
            "embedding": self.embedding,
            "recurrent": self.recurrent,
            "pool": self.pool,
            "head": self.head,
        }
        if self.pairs is not None:
            self.layers["pairs"] = self.pairs
        self.log_temperature = np.zeros(1)  # every number is one, so a folder cannot hold a wrong one

    def fitted(self) -> dict[str, np.ndarray]:
        votes = {} if self.pairs is None else {"pairs.ratio": self.pairs.ratio}
        return {"log_temperature": self.log_temperature, **votes}

    @property
    def temperature(self) -> float:
        """What logits are divided by before they become probabilities, so that these are calibrated; 1 at first."""
        return float(np.exp(self.log_temperature[0]))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """`logits (..., K)` -> calibrated probabilities `(..., K)`."""
        return softmax(logits / self.temperature)

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
        tokens = None
        if projected is not None:
            x, tokens, rows = self.embedding.weight.value, ids, ids
        elif each_token:
            x, rows = self.embedding.forward(ids)  # (N, D)
        else:
            x, tokens, rows = self.embedding.distinct(ids)  # (U, D), (N,)
        x, x_mask = self.embedding_dropout.forward(x, batch_sizes, rng=rng)
        state = self.recurrent.zero_state(int(batch_sizes[0]), self.dtype)
        h, _, recurrent_tape = self.recurrent.forward(
            x, batch_sizes, state, rng=rng, tokens=tokens, projected=projected, bptt=bptt, keep_tape=keep_tape
        )  # (N, R*H)
        pooled, pool_tape = self.pool.forward(h, batch_sizes)  # (B, P)
        pooled, pooled_mask = self.dropout.forward(pooled, batch_sizes[:1], rng=rng)
        logits, head_tape = self.head.forward(pooled)  # (B, K)
        votes_tape = None
        if self.pairs is not None:
            votes, votes_tape = self.pairs.forward(ids, batch_sizes)  # (B, K)
            logits += votes
        return logits, Tape(rows, x_mask, recurrent_tape, pool_tape, pooled_mask, head_tape, votes_tape)

    def backward(self, dlogits: np.ndarray, tape: Any) -> None:
        """`dlogits (B, K)` into the gradients of all parameters."""
        self.embedding.backward(self.input_gradient(dlogits, tape), tape.rows)

    def input_gradient(self, dlogits: np.ndarray, tape: Any) -> np.ndarray:
        """`dlogits (B, K)` -> that of the embedded tokens, `(U, D)` or `(N, D)`; adds to all other gradients."""
        if self.pairs is not None:
            self.pairs.backward(dlogits, tape.votes)
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
            with self.embedding.moved(rows, dx * (length / steepness)):
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
        x, _, rows = self.embedding.distinct(batch.ids)  # (U, D)
        length = size * float(np.linalg.norm(x))
        direction = rng.standard_normal(x.shape)
        with self.embedding.moved(rows, direction * (PROBE * length / np.linalg.norm(direction))):
            logits, tape = self.forward(batch.ids, batch.batch_sizes, bptt=bptt)
        # Where nothing is moved the divergence is least and has no gradient: that of a little move points the way.
        dx = self.input_gradient(divergence(logits, p)[1], tape)  # (U, D)
        self.zero_grad()
        steepness = float(np.linalg.norm(dx))
        if steepness == 0:
            return 0.0
        with self.embedding.moved(rows, dx * (length / steepness)):
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

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, at most `max_length` of them; an empty text is one unknown token (or id 0)."""
        assert self.tokenizer is not None
        blank = np.array([self.tokenizer.unknown_id or 0], np.int32)
        return [clip(ids, self.config.max_length) if len(ids) else blank for ids in self.tokenizer.encode_batch(texts)]

    def logits(self, documents: Sequence[np.ndarray], *, batch_size: int = 64) -> np.ndarray:
        """`(len(documents), K)` for encoded documents, in their order."""
        logits = np.empty((len(documents), len(self.config.labels)), self.dtype)
        labels = np.zeros(len(documents), np.int64)
        enough = sum(map(len, documents)) >= READ_AGAIN * self.config.vocab_size
        projected = self.recurrent.project(self.embedding.weight.value) if enough else None
        for places in in_order_of_length(documents, batch_size):
            batch = batch_of(documents, labels, places)
            logits[batch.places], _ = self.forward(batch.ids, batch.batch_sizes, keep_tape=False, projected=projected)
        return logits

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[Any],
        *,
        validation: tuple[Sequence[str], Sequence[Any]] | None = None,
        out: str | None = None,
        overwrite: bool = False,
        **options: Any,
    ) -> "SentimentClassifier":
        """Trains a classifier of `texts`; its labels are strings, those of other labels what `str` makes of them.

        `validation` are texts and labels on which the best weights are chosen; without it 5 % of the texts are held
        out. The options are those of `rnnnlp train sentiment`, such as `epochs=5`. The run is kept in the folder
        `out`, if given.
        """
        from rnnnlp.training.config import sentiment_options
        from rnnnlp.training.fit import labelled, run_folder, train_sentiment

        config, model_options = sentiment_options({"data": "(texts)", **options}, "options")
        data = labelled(texts, labels, validation, seed=config.seed)
        with run_folder(out) as folder:
            return train_sentiment(config, model_options, folder, overwrite=overwrite, data=data)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities `(len(texts), K)`, the classes in the order of `config.labels`."""
        chunks = [texts[i : i + CHUNK] for i in range(0, len(texts), CHUNK)]
        return np.concatenate(
            [
                np.empty((0, len(self.config.labels)), self.dtype),
                *(self.probabilities(self.logits(self.encode(c))) for c in chunks),
            ]
        )

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most probable label of each text."""
        return [self.config.labels[k] for k in self.predict_proba(texts).argmax(axis=1)]

    def explain(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """What each token of each text said for its label, in the order of the text.

        The label is the most probable one, or that of the number `chosen (len(texts),)` says.

        That is the token's vector times the gradient, with respect to it, of the label's log-odds log p / (1 - p): what
        they would lose, to first order, without it (Denil et al. 2014, with the gradient of Simonyan et al. 2014). Its
        votes, and half of those of its pairs, are added. Tokens that `max_length` leaves out have no part in it.
        """
        assert self.tokenizer is not None
        documents = self.encode(texts)
        explanations: list[list[Contribution]] = [[] for _ in texts]
        for places in in_order_of_length(documents, batch_size=64):
            batch = batch_of(documents, np.zeros(len(texts), np.int64), places)
            logits, tape = self.forward(batch.ids, batch.batch_sizes, each_token=True)  # (B, K)
            label = logits.argmax(axis=1) if chosen is None else chosen[batch.places]  # (B,)
            dlogits = log_odds_gradient(logits / self.temperature, label) / self.temperature  # (B, K)
            x, _ = self.embedding.forward(batch.ids)  # (N, D)
            weights = (x * self.input_gradient(dlogits, tape)).sum(axis=1)  # (N,)
            if self.pairs is not None:
                weights += self.pairs.contributions(dlogits, tape.votes, batch.ids, batch.batch_sizes)
            for place, of_text in zip(batch.places, unpack(weights, batch.batch_sizes), strict=True):
                spans = clip(self.tokenizer.spans(texts[place]), self.config.max_length)  # none if the text is empty
                words = zip(spans.tolist(), of_text.tolist(), strict=False)
                explanations[place] = [Contribution(start, stop, weight) for (start, stop), weight in words]
        self.zero_grad()  # those of the parameters came along
        return explanations

    def score(self, texts: Sequence[str], labels: Sequence[str]) -> float:
        """The share of texts whose most probable label is theirs."""
        return float(
            np.mean([predicted == label for predicted, label in zip(self.predict(texts), labels, strict=True)])
        )
