"""N-gram features in the style of NB-SVM: a linear classifier of hashed 1- to 3-grams beside the recurrent network."""

# N tokens, B sequences, K classes, M unique n-grams of the sequences (1 <= n <= MAX_N)

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches.packed import pack, rows_before, sequence_of_row
from rnnnlp.layers.parameter import Parameter

MAX_N = 3  # tokens of the longest n-gram
# Odd numbers of the hash, part of what saved weights mean: never change them.
NGRAM_MULTIPLIER, TOKEN_MULTIPLIER = 1_000_003, 92_821

SCALE = 25.0  # of the outputs: at the learning rate of the other layers, a weight is learned in some hundred steps
DOCUMENTS_PER_COUNT = 1000  # number of documents whose n-grams are counted at a time


class NgramFeatures:
    """Logits from hashed n-grams (Wang and Manning 2012, NB-SVM; Weinberger et al. 2009, feature hashing).

    A sequence's output is `SCALE / sqrt(M) * sum(log_count_ratio[ngram] * weight[ngram])` over its M unique n-grams.
    `log_count_ratio` is set by `fit` before training: how much more frequent an n-gram is in one class than in the
    others. `weight` starts at 0 and is trained. N-grams that are rare, or equally frequent in all classes, have small
    ratios. They are therefore learned slowly, which limits overfitting. An n-gram counts once in a sequence, however
    often it occurs. A hash maps it to a bucket, which other n-grams may share.

    Args:
        buckets: Number of hash buckets.
        classes: Number of classes K.
        dtype: Of the parameters and outputs.
    """

    def __init__(self, buckets: int, classes: int, *, dtype: np.dtype):
        self.log_count_ratio = np.zeros((buckets, classes), dtype)  # (buckets, K)
        self.weight = Parameter(np.zeros((buckets, classes), dtype))  # (buckets, K)

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight}

    def fit(self, documents: Sequence[np.ndarray], labels: np.ndarray) -> None:
        """Sets `log_count_ratio` from the training documents.

        For class k it is `log(p / q)`: p is the smoothed share of a bucket in the n-gram counts of class k, q its share
        in the counts of the other classes. Each document counts an n-gram at most once.

        Args:
            documents: The ids of each document, `(length,)`.
            labels: The class of each document, `(len(documents),)`.
        """
        counts = np.ones(self.log_count_ratio.shape)  # (buckets, K): number of documents, with add-one smoothing
        for start in range(0, len(documents), DOCUMENTS_PER_COUNT):
            packed = pack(documents[start : start + DOCUMENTS_PER_COUNT])
            sequence, bucket = self.unique(packed.values, packed.batch_sizes)
            classes = labels[start : start + DOCUMENTS_PER_COUNT][packed.order]
            np.add.at(counts, (bucket, classes[sequence]), 1)
        others = counts.sum(axis=1, keepdims=True) - counts
        self.log_count_ratio[...] = np.log(counts / counts.sum(axis=0)) - np.log(others / others.sum(axis=0))

    def forward(self, ids: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, Any]:
        """The logits of each sequence.

        Args:
            ids: `(N,)`, packed.
            batch_sizes: `(T,)`.

        Returns:
            `y (B, K)`, and the tape.
        """
        B = int(batch_sizes[0])
        sequence, bucket = self.unique(ids, batch_sizes)  # (M,), (M,)
        starts = np.searchsorted(sequence, np.arange(B + 1))  # (B + 1,)
        scale = (SCALE / np.sqrt(np.diff(starts))).astype(self.log_count_ratio.dtype)[:, None]  # (B, 1)
        k = kernels.of(self.log_count_ratio)
        log_count_ratio = k.gather_rows(self.log_count_ratio, bucket)  # (M, K)
        y = np.add.reduceat(log_count_ratio * k.gather_rows(self.weight.value, bucket), starts[:-1])  # (B, K)
        return y * scale, (sequence, bucket, scale, log_count_ratio)

    def backward(self, dy: np.ndarray, tape: Any) -> None:
        """Adds the gradient of the weights that were used; `dy (B, K)`."""
        sequence, bucket, scale, log_count_ratio = tape
        # y = scale * sum of log_count_ratio * weight[bucket]
        self.weight.add_rows(bucket, log_count_ratio * (dy * scale)[sequence])

    def contributions(self, dy: np.ndarray, tape: Any, ids: np.ndarray, batch_sizes: np.ndarray) -> np.ndarray:
        """What each token adds to `sum(dy * y)`.

        An n-gram's contribution is divided equally among its occurrences, and then among the tokens of each.

        Args:
            dy: `(B, K)`.
            tape: Of the forward pass.
            ids: `(N,)`, as in the forward pass.
            batch_sizes: `(T,)`.

        Returns:
            `(N,)`.
        """
        sequence, bucket, scale, log_count_ratio = tape
        of_unique = np.sum(log_count_ratio * self.weight.value[bucket] * (dy * scale)[sequence], axis=1)  # (M,)
        keys = self.keys(ids, batch_sizes)  # (MAX_N * N,)
        index = np.searchsorted(sequence.astype(np.int64) * len(self.log_count_ratio) + bucket, keys)
        of_keys = of_unique[index] / np.bincount(index)[index].astype(of_unique.dtype)
        N, B = len(ids), len(dy)
        before = np.concatenate([np.full(B, -1), rows_before(batch_sizes)])  # (N,)
        tokens_so_far = 1 + np.repeat(np.arange(len(batch_sizes)), batch_sizes)  # (N,)
        of_tokens = np.zeros(N, of_unique.dtype)
        for n, of_ngrams in enumerate(of_keys.reshape(MAX_N, N), start=1):
            share = of_ngrams / np.minimum(n, tokens_so_far).astype(of_unique.dtype)  # the begin marker has no share
            row = np.arange(N)
            for _ in range(n):
                of_tokens[row] += share
                earlier = before[row]
                row, share = earlier[earlier >= 0], share[earlier >= 0]
        return of_tokens

    def unique(self, ids: np.ndarray, batch_sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The unique n-grams of each sequence.

        Returns:
            For each n-gram its sequence `(M,)`, in ascending order, and its bucket `(M,)`; both int32.
        """
        keys = np.sort(self.keys(ids, batch_sizes))
        keys = keys[np.append(True, keys[1:] != keys[:-1])]  # np.unique takes three times as long
        sequence, bucket = np.divmod(keys, len(self.log_count_ratio))
        return sequence.astype(np.int32), bucket.astype(np.int32)

    def keys(self, ids: np.ndarray, batch_sizes: np.ndarray) -> np.ndarray:
        """A key for each n-gram: `sequence * buckets + bucket`.

        The beginning of a sequence counts as one more token, so the n-grams there differ from those elsewhere.

        Returns:
            `(MAX_N * N,)`: for n = 1, 2, ... the n-gram that ends at each token.
        """
        before = rows_before(batch_sizes)  # (N - B,)
        beginning = np.zeros(len(ids) - len(before), np.int64)
        ngram = ids.astype(np.int64) + 1  # (N,)
        last = ngram * TOKEN_MULTIPLIER
        buckets = len(self.log_count_ratio)
        found = [last % buckets]
        for _ in range(1, MAX_N):
            ngram = np.concatenate([beginning, ngram[before]]) * NGRAM_MULTIPLIER + last + 1
            found.append(ngram % buckets)
        keys: np.ndarray = np.tile(sequence_of_row(batch_sizes), MAX_N) * buckets + np.concatenate(found)
        return keys
