"""Encoded reviews for the classifiers: IMDB if it is there, else random ones."""

# B documents

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WORDS, MAX_LENGTH, BATCH_SIZE = 30_000, 400, 64
BATCHES = 5  # of a run
TESTED = 5_000  # reviews
# The logarithm of the number of tokens of a review, about as in IMDB.
MEAN, DEVIATION = 5.38, 0.62


@dataclass(frozen=True)
class Documents:
    """Encoded documents.

    Attributes:
        batches: Training batches of B documents.
        labels: The labels `(B,)` of each batch.
        test: Documents to predict.
        source: What they are, for people.
    """

    batches: list[list[np.ndarray]]
    labels: list[np.ndarray]
    test: list[np.ndarray]
    source: str

    def test_batches(self) -> Iterator[list[np.ndarray]]:
        from rnnnlp.batches.documents import in_order_of_length

        for indices in in_order_of_length(self.test, BATCH_SIZE):
            yield [self.test[i] for i in indices]


def documents_of(folder: Path) -> Documents:
    """The reviews of the IMDB set in `folder`, or random ones if there is no such folder."""
    from rnnnlp.batches.documents import DocumentBatches

    train, labels, test, source = _imdb(folder) if folder.is_dir() else _random()
    order = DocumentBatches(train, labels, batch_size=BATCH_SIZE, seed=0)
    batches = [order.next() for _ in range(order.per_epoch)]
    full = sorted((b for b in batches if len(b.indices) == BATCH_SIZE), key=lambda b: len(b.ids))
    chosen = [full[int((k + 0.5) / BATCHES * len(full))] for k in range(BATCHES)]  # from short to long
    tokens = ", ".join(str(len(b.ids)) for b in chosen)
    return Documents(
        [[train[i] for i in b.indices] for b in chosen],
        [b.labels for b in chosen],
        test,
        f"{source}; cut at {MAX_LENGTH} tokens; training batches of {BATCH_SIZE} with {tokens} tokens",
    )


def _imdb(folder: Path) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray], str]:
    from rnnnlp.text import WordTokenizer
    from rnnnlp.text.labelled import load_labelled
    from rnnnlp.text.tokenizers import clip

    splits = load_labelled(str(folder), splits=("train", "test"), validation_fraction=0).splits
    train, test = splits["train"], splits["test"]
    tokenizer = WordTokenizer.train(train.texts, vocab_size=WORDS)
    chosen = test.texts[:: max(1, len(test.texts) // TESTED)]
    encoded = [[clip(ids, MAX_LENGTH) for ids in tokenizer.encode_batch(texts)] for texts in (train.texts, chosen)]
    source = f"{folder}: {len(train.texts)} reviews to train on, {len(chosen)} of {len(test.texts)} to predict"
    return encoded[0], train.labels, encoded[1], source


def _random() -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray], str]:
    rng = np.random.default_rng(0)
    p = 1 / (np.arange(WORDS) + 2.7)  # Zipf's law

    def draw(number: int) -> list[np.ndarray]:
        lengths = np.clip(rng.lognormal(MEAN, DEVIATION, number), 10, MAX_LENGTH).astype(int)
        return np.split(rng.choice(WORDS, lengths.sum(), p=p / p.sum()).astype(np.uint16), np.cumsum(lengths)[:-1])

    train, test = draw(10_000), draw(TESTED)
    source = f"random reviews (log-normal lengths, mean {MEAN} and deviation {DEVIATION} of the logarithm)"
    return train, rng.integers(2, size=len(train)), test, source
