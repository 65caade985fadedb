"""The classifier of documents: what a reader makes of texts, as labels and probabilities."""

# N tokens, B documents, D embedding, K classes

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnnlp.batches.documents import DocumentBatch, batch_of, clip, in_order_of_length
from rnnnlp.batches.packed import unpack
from rnnnlp.layers.loss import log_odds_gradient
from rnnnlp.models.classifier import Classifier, Contribution
from rnnnlp.models.config import SentimentConfig
from rnnnlp.models.model import Model
from rnnnlp.models.reader import Reader
from rnnnlp.text import Tokenizer

READ_AGAIN = 8  # tokens for each of the vocabulary, from which on all of it is projected once, not each batch's own

Gradient = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of `logits (B, K)` and `places (B,)`: `dlogits (B, K)`


class SentimentClassifier(Model, Classifier):
    """A reader, and softmax over the classes."""

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
        self.reader = Reader(config, rng=rng, dtype=dtype)
        self.layers = self.reader.layers
        self.log_temperature = np.zeros(1)  # every number is one, so a folder cannot hold a wrong one

    def fitted(self) -> dict[str, np.ndarray]:
        votes = self.reader.votes
        return {"log_temperature": self.log_temperature} | ({} if votes is None else {"votes.ratio": votes.ratio})

    def fit_votes(self, documents: Sequence[np.ndarray], labels: np.ndarray) -> None:
        """Sets the log-count ratios of runs of words, if they vote, from the ids of documents and their classes."""
        if self.reader.votes is not None:
            self.reader.votes.fit(documents, labels)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.config.labels

    @property
    def temperature(self) -> float:
        """As of every classifier; 1 at first."""
        return float(np.exp(self.log_temperature[0]))

    def forward(
        self, ids: np.ndarray, batch_sizes: np.ndarray, *, rng: np.random.Generator | None = None, **options: Any
    ) -> tuple[np.ndarray, Any]:
        """Packed `ids (N,)` -> `logits (B, K)`, tape. `options` are those of the reader."""
        return self.reader.forward(ids, batch_sizes, rng=rng, **options)

    def gradients(
        self, batch: DocumentBatch, *, rng: np.random.Generator | None = None, **options: Any
    ) -> tuple[float, float]:
        """As those of the reader."""
        return self.reader.gradients(batch, rng=rng, **options)

    def smoothing_gradients(self, batch: DocumentBatch, size: float, **options: Any) -> float:
        """As those of the reader."""
        return self.reader.smoothing_gradients(batch, size, **options)

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Ids of each text, at most `max_length` of them; an empty text is one unknown token (or id 0)."""
        assert self.tokenizer is not None
        blank = np.array([self.tokenizer.unknown_id or 0], np.int32)
        return [clip(ids, self.config.max_length) if len(ids) else blank for ids in self.tokenizer.encode_batch(texts)]

    def logits(self, documents: Sequence[np.ndarray], *, batch_size: int = 64) -> np.ndarray:
        """`(len(documents), K)` for encoded documents, in their order."""
        logits = np.zeros((len(documents), len(self.config.labels)), self.dtype)
        labels = np.zeros(len(documents), np.int64)
        enough = sum(map(len, documents)) >= READ_AGAIN * self.config.vocab_size
        projected = self.reader.project() if enough else None
        for places in in_order_of_length(documents, batch_size):
            batch = batch_of(documents, labels, places)
            logits[batch.places], _ = self.forward(batch.ids, batch.batch_sizes, keep_tape=False, projected=projected)
        return logits

    def logits_of(self, texts: Sequence[str]) -> np.ndarray:
        return self.logits(self.encode(texts))

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
        data = labelled(texts, labels, validation)
        with run_folder(out) as folder:
            return train_sentiment(config, model_options, folder, overwrite=overwrite, data=data)

    def explain(self, texts: Sequence[str], chosen: np.ndarray | None = None) -> list[list[Contribution]]:
        """What each token of each text said for its label, in the order of the text.

        The label is the most probable one, or that of the number `chosen (len(texts),)` says.

        That is the token's vector times the gradient, with respect to it, of the label's log-odds log p / (1 - p): what
        they would lose, to first order, without it (Denil et al. 2014, with the gradient of Simonyan et al. 2014). Its
        share of the votes of the runs of words that it is in is added. Tokens that `max_length` leaves out have no part
        in it.
        """

        def of_log_odds(logits: np.ndarray, places: np.ndarray) -> np.ndarray:
            label = logits.argmax(axis=1) if chosen is None else chosen[places]  # (B,)
            return log_odds_gradient(logits / self.temperature, label) / self.temperature  # (B, K)

        return self.contributions(texts, of_log_odds)

    def contributions(self, texts: Sequence[str], gradient: Gradient) -> list[list[Contribution]]:
        """What each token of each text adds, to first order, to what `gradient` is of.

        `gradient` is given the logits of a batch and which of the texts are in it.
        """
        assert self.tokenizer is not None
        documents = self.encode(texts)
        found: list[list[Contribution]] = [[] for _ in texts]
        for places in in_order_of_length(documents, batch_size=64):
            batch = batch_of(documents, np.zeros(len(texts), np.int64), places)
            logits, tape = self.forward(batch.ids, batch.batch_sizes, each_token=True)  # (B, K)
            weights = self.reader.contributions(gradient(logits, batch.places), tape, batch)  # (N,)
            for place, of_text in zip(batch.places, unpack(weights, batch.batch_sizes), strict=True):
                spans = clip(self.tokenizer.spans(texts[place]), self.config.max_length)  # none if the text is empty
                words = zip(spans.tolist(), of_text.tolist(), strict=False)
                found[place] = [Contribution(start, stop, weight) for (start, stop), weight in words]
        self.zero_grad()  # those of the parameters came along
        return found
