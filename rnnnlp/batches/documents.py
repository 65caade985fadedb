"""Documents to packed batches, with lengths kept together and places kept for a resume."""

# N tokens, T steps, B documents

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.packed import pack
from rnnnlp.batches.seeding import Stream, rng_for

BUCKETS = 50  # so many batches' worth of documents are sorted by length together


class DocumentBatch(NamedTuple):
    ids: np.ndarray  # (N,) packed, longest document first
    batch_sizes: np.ndarray  # (T,)
    labels: np.ndarray  # (B,) in the order of the packed documents
    places: np.ndarray  # (B,) of these documents among all


def clip(ids: np.ndarray, max_length: int) -> np.ndarray:
    """A document of at most `max_length` ids: of a longer one the beginning and the end, half each."""
    if len(ids) <= max_length:
        return ids
    head = max_length // 2
    return np.concatenate([ids[:head], ids[len(ids) - (max_length - head) :]])


def stretch(ids: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Of a document of more than `length` ids so many in a row, from any place."""
    start = rng.integers(max(0, len(ids) - length) + 1)
    return ids[start : start + length]


def batch_of(documents: Sequence[np.ndarray], labels: np.ndarray, places: np.ndarray) -> DocumentBatch:
    """The packed batch of the documents at `places`."""
    packed = pack([documents[i] for i in places])
    places = places[packed.order]
    return DocumentBatch(packed.values, packed.batch_sizes, labels[places], places)


def in_order_of_length(documents: Sequence[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    """For evaluation: the places `(B,)` of each batch, the longest documents first."""
    order = np.argsort([-len(document) for document in documents], kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


class DocumentBatches:
    """Endless shuffled batches. Documents of like length stand together, so that few steps have few rows.

    With `crop`, of a document of more ids another stretch of so many comes each time. `position` tells where the walk
    is and `seek` goes there: what an epoch brings depends only on the seed and the epoch's number.
    """

    def __init__(
        self,
        documents: Sequence[np.ndarray],
        labels: np.ndarray,
        *,
        batch_size: int,
        seed: int,
        crop: int | None = None,
    ):
        self.documents, self.labels, self.batch_size, self.seed = documents, labels, batch_size, seed
        self.crop = crop
        self.per_epoch = -(-len(documents) // batch_size)
        self.seek({"epoch": 0, "batch": 0})

    @property
    def position(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "batch": self.batch}

    def seek(self, position: dict[str, Any]) -> None:
        self.epoch, self.batch = int(position["epoch"]), int(position["batch"])
        self.plan = self._plan()

    def next(self) -> DocumentBatch:
        if self.batch == len(self.plan):
            self.seek({"epoch": self.epoch + 1, "batch": 0})
        places = self.plan[self.batch]
        documents = [self.documents[i] for i in places]
        if self.crop is not None:
            rng = rng_for(self.seed, Stream.CROPS, self.epoch, self.batch)
            documents = [stretch(document, self.crop, rng) for document in documents]
        self.batch += 1
        batch = batch_of(documents, self.labels[places], np.arange(len(places)))
        return batch._replace(places=places[batch.places])

    def _plan(self) -> list[np.ndarray]:
        """The places of each batch of this epoch: shuffled, sorted by length within buckets, shuffled again."""
        rng = rng_for(self.seed, Stream.DOCUMENTS, self.epoch)
        order = rng.permutation(len(self.documents))
        lengths = np.array([len(document) for document in self.documents])
        if self.crop is not None:
            lengths = np.minimum(lengths, self.crop)
        plan = []
        for start in range(0, len(order), BUCKETS * self.batch_size):
            bucket = order[start : start + BUCKETS * self.batch_size]
            bucket = bucket[np.argsort(-lengths[bucket], kind="stable")]
            plan += np.split(bucket, np.arange(self.batch_size, len(bucket), self.batch_size))
        return [plan[i] for i in rng.permutation(len(plan))]
