"""The output of a language model with many words: a softmax over some of them in training, over all in evaluation.

The candidates of a window are the words of all its targets, and some words drawn besides. They are few next to the
vocabulary. Each target has to be found among them (Jean et al. 2015). Common words are candidates more often than rare
ones. Subtracting the logarithm of that probability from a candidate's logit makes the logits those of the whole
vocabulary (Bengio and Senecal 2008).
"""

# N tokens, M candidates, V vocabulary, D features

from typing import NamedTuple

import numpy as np

from rnnnlp import kernels
from rnnnlp.kernels.backend import Array
from rnnnlp.layers.parameter import Parameter

BLOCK = 1 << 23  # logits of the whole vocabulary that are in memory at a time


class Candidates(NamedTuple):
    ids: Array  # (M,) unique and sorted
    targets: Array  # (N,) index of each target among them
    log_chance: Array  # (M,) of the probability with which a window has this candidate


class Sampler:
    """Draws candidates as often as they occur in a text.

    The targets of a window occur as often too. So a word of share p is a candidate with the probability
    1 - (1 - p)^(N + samples).

    Args:
        counts: How often the text has each word, `(V,)`.
        samples: Number of words drawn besides the targets.
    """

    def __init__(self, counts: Array, samples: int):
        self.samples = samples
        self.share = (counts + 1) / np.sum(counts + 1)  # (V,) float64, never 0
        self.cumulative = np.cumsum(self.share)
        self.cumulative /= self.cumulative[-1]  # ends at 1 exactly

    def draw(self, targets: Array, *, rng: np.random.Generator) -> Candidates:
        """Draws the candidates of a window.

        Args:
            targets: `(N,)`, all of which become candidates.
            rng: Draws the others.
        """
        drawn = np.searchsorted(self.cumulative, rng.random(self.samples), side="right")
        words = np.concatenate([targets.astype(np.int64), drawn])  # (N + samples,)
        ids, indices = np.unique(words, return_inverse=True)
        chance = 1 - (1 - self.share[ids]) ** len(words)  # (M,)
        return Candidates(ids, indices[: len(targets)], np.log(chance))


class WordOutputTape(NamedTuple):
    """What `WordOutput.backward` needs."""

    x: Array  # (N, D)
    W: Array  # (M, D)
    ids: Array  # (M,)


class WordOutput:
    """Logits of words: y = x W^T + b, where `weight` `(V, D)` is that of an embedding (Press and Wolf 2017).

    `bias` `(V,)` is 0 at first.

    Args:
        weight: The embedding's parameter.
    """

    def __init__(self, weight: Parameter):
        self.weight = weight
        self.bias = Parameter(np.zeros_like(weight.value[:, 0]))  # (V,)

    def parameters(self) -> dict[str, Parameter]:
        return {"bias": self.bias}

    def forward(self, x: Array, candidates: Candidates) -> tuple[Array, WordOutputTape]:
        """Computes logits whose softmax tells which of the candidates is the target.

        Args:
            x: `(N, D)`.
            candidates: M words.

        Returns:
            logits: `(N, M)`.
            tape: What `backward` needs.
        """
        k = kernels.of(x)
        W = k.gather_rows(self.weight.value, candidates.ids)  # (M, D)
        b = self.bias.value[candidates.ids] - candidates.log_chance.astype(x.dtype)  # (M,)
        return k.matmul_nt(x, W, b), WordOutputTape(x, W, candidates.ids)

    def backward(self, dlogits: Array, tape: WordOutputTape) -> Array:
        """Adds to the gradients of weight and bias: `dlogits (N, M)` -> `dx (N, D)`."""
        x, W, ids = tape
        k = kernels.of(x)
        # logits = x @ W.T + b - log_chance, with the rows ids of weight and bias
        db = np.empty(len(ids), x.dtype)  # (M,)
        self.weight.add_rows(ids, k.matmul_tn(dlogits, x, sums=db))
        dbias = np.zeros_like(self.bias.value)  # (V,)
        dbias[ids] = db
        self.bias.add(dbias)
        return k.matmul(dlogits, W)

    def loss(self, x: Array, targets: Array) -> tuple[float, float]:
        """The cross-entropy over the whole vocabulary, summed over tokens.

        Args:
            x: `(N, D)`.
            targets: `(N,)`.

        Returns:
            loss_sum: In nats.
            count: N.
        """
        k = kernels.of(x)
        rows = max(1, BLOCK // len(self.weight.value))
        loss_sum = 0.0
        for start in range(0, len(x), rows):
            logits = k.matmul_nt(x[start : start + rows], self.weight.value, self.bias.value)  # (rows, V)
            loss_sum += k.softmax_cross_entropy(logits, targets[start : start + rows])[0]
        return loss_sum, float(len(x))
