"""Documents to shuffled, packed batches of similar lengths, which can resume at any batch."""

# N tokens, T steps, B documents

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnnlp.batches.packed import pack
from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.batches.shards import WHOLE, Shard

BUCKETS = 50  # number of batches whose documents are sorted by length together


class DocumentBatch(NamedTuple):
    """A packed batch of documents.

    Attributes:
        ids: `(N,)`, packed, the longest document first.
        batch_sizes: `(T,)`, number of documents that are alive at each step.
        labels: `(B,)`, in the order of the packed documents.
        indices: `(B,)`, index of each of these documents in the data.
    """

    ids: np.ndarray
    batch_sizes: np.ndarray
    labels: np.ndarray
    indices: np.ndarray


class DocumentList(NamedTuple):
    """The documents of a batch before they are packed, about the longest first.

    Attributes:
        documents: The ids of each of them, `(length,)`.
        labels: `(B,)`.
        indices: `(B,)`, index of each of them in the data.
    """

    documents: Sequence[np.ndarray]
    labels: np.ndarray
    indices: np.ndarray

    def pack(self, shard: Shard = WHOLE) -> DocumentBatch | None:
        """The packed batch of a shard; None if it has no document. Neighbours in length go to different shards."""
        mine = np.arange(shard.index, len(self.documents), shard.total)
        if not len(mine):
            return None
        batch = batch_of(self.documents, self.labels, mine)
        return batch._replace(indices=self.indices[batch.indices])


def random_crop(ids: np.ndarray, length: int, *, rng: np.random.Generator) -> np.ndarray:
    """A random window of `length` ids of a document, or all of a shorter one.

    Args:
        ids: The document, `(document length,)`.
        length: Maximum number of ids.
        rng: For the start of the window.

    Returns:
        `(min(document length, length),)`.
    """
    start = rng.integers(max(0, len(ids) - length) + 1)
    return ids[start : start + length]


def batch_of(documents: Sequence[np.ndarray], labels: np.ndarray, indices: np.ndarray) -> DocumentBatch:
    """The packed batch of the documents at `indices`.

    Args:
        documents: The ids of each document, `(length,)`.
        labels: The label of each document, `(len(documents),)`.
        indices: Indices of the documents of the batch, `(B,)`.
    """
    packed = pack([documents[i] for i in indices])
    indices = indices[packed.order]
    return DocumentBatch(packed.values, packed.batch_sizes, labels[indices], indices)


def in_order_of_length(documents: Sequence[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    """For evaluation: yields the indices `(B,)` of the documents of each batch, the longest documents first."""
    order = np.argsort([-len(document) for document in documents], kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


class DocumentBatches:
    """Endless shuffled batches of documents.

    Documents of similar length share a batch, so that most steps have a full batch. The batches of an epoch depend only
    on the seed and the number of the epoch.

    Args:
        documents: The ids of each document, `(length,)`.
        labels: The label of each document, `(len(documents),)`.
        batch_size: Number of documents in a batch.
        seed: The seed of the run.
        crop: Longer documents are randomly cropped to this number of ids, differently in each epoch. None: no cropping.
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
        """Where the next batch is, for `seek`."""
        return {"epoch": self.epoch, "batch": self.batch}

    def seek(self, position: dict[str, Any]) -> None:
        """Continues at a saved `position`."""
        self.epoch, self.batch = int(position["epoch"]), int(position["batch"])
        self.plan = self._plan()

    def next(self) -> DocumentBatch:
        """The next batch, packed."""
        batch = self.next_list().pack()
        assert batch is not None
        return batch

    def next_list(self) -> DocumentList:
        """The next batch; after the last one of an epoch, the first one of the next epoch."""
        if self.batch == len(self.plan):
            self.seek({"epoch": self.epoch + 1, "batch": 0})
        indices = self.plan[self.batch]
        documents = [self.documents[i] for i in indices]
        if self.crop is not None:
            rng = rng_for(self.seed, RandomStream.CROPS, self.epoch, self.batch)
            documents = [random_crop(document, self.crop, rng=rng) for document in documents]
        self.batch += 1
        return DocumentList(documents, self.labels[indices], indices)

    def _plan(self) -> list[np.ndarray]:
        """The indices of the documents of each batch: shuffled, sorted by length within buckets, shuffled again."""
        rng = rng_for(self.seed, RandomStream.DOCUMENTS, self.epoch)
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
