"""The output of a language model with many words: a softmax over some of them in training, over all in evaluation.

Of a window's words most occur in it more than once, so the words of all its targets, and some drawn besides, are few
next to the vocabulary. They are the candidates among which each target has to be found (Jean et al. 2015). Common words
are candidates more often than rare ones; with the logarithm of that chance taken off a candidate's logit, the logits
become those of the whole vocabulary (Bengio and Senecal 2008).
"""

# N tokens, M candidates, V vocabulary, D features

from typing import Any, NamedTuple

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter

BLOCK = 1 << 23  # logits of the whole vocabulary that are in memory at a time


class Candidates(NamedTuple):
    ids: np.ndarray  # (M,) distinct and in order
    targets: np.ndarray  # (N,) the place of each target among them
    log_chance: np.ndarray  # (M,) of the probability with which a window has this candidate


class Sampler:
    """Draws candidates as they occur in a text that has each word `counts (V,)` times.

    The targets of a window are such draws too: with `samples` more, a word of share p is a candidate with the
    probability 1 - (1 - p)^(N + samples).
    """

    def __init__(self, counts: np.ndarray, samples: int):
        self.samples = samples
        self.share = (counts + 1) / np.sum(counts + 1)  # (V,) float64, never 0
        self.cumulative = np.cumsum(self.share)
        self.cumulative /= self.cumulative[-1]  # ends at 1 exactly

    def draw(self, targets: np.ndarray, *, rng: np.random.Generator) -> Candidates:
        """The candidates of a window with `targets (N,)`."""
        drawn = np.searchsorted(self.cumulative, rng.random(self.samples), side="right")
        words = np.concatenate([targets.astype(np.int64), drawn])  # (N + samples,)
        ids, places = np.unique(words, return_inverse=True)
        chance = 1 - (1 - self.share[ids]) ** len(words)  # (M,)
        return Candidates(ids, places[: len(targets)], np.log(chance))


class WordOutput:
    """Logits of words: y = x W^T + b, where `weight (V, D)` is that of an embedding (Press and Wolf 2017).

    `bias (V,)` is 0 at first.
    """

    def __init__(self, weight: Parameter):
        self.weight = weight
        self.bias = Parameter(np.zeros_like(weight.value[:, 0]))  # (V,)

    def parameters(self) -> dict[str, Parameter]:
        return {"bias": self.bias}

    def forward(self, x: np.ndarray, candidates: Candidates) -> tuple[np.ndarray, Any]:
        """`x (N, D)` -> `logits (N, M)` whose softmax tells, given these candidates, which is the target."""
        k = kernels.of(x)
        W = k.gather_rows(self.weight.value, candidates.ids)  # (M, D)
        b = self.bias.value[candidates.ids] - candidates.log_chance.astype(x.dtype)  # (M,)
        return k.product_nt(x, W, b), (x, W, candidates.ids)

    def backward(self, dlogits: np.ndarray, tape: Any) -> np.ndarray:
        """`dlogits (N, M)` -> `dx (N, D)`."""
        x, W, ids = tape
        k = kernels.of(x)
        # logits = x @ W.T + b - log_chance, with the rows ids of weight and bias
        db = np.empty(len(ids), x.dtype)  # (M,)
        self.weight.add_rows(ids, k.product_tn(dlogits, x, sums=db))
        dbias = np.zeros_like(self.bias.value)  # (V,)
        dbias[ids] = db
        self.bias.add(dbias)
        return k.product(dlogits, W)

    def loss(self, x: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Nats over the whole vocabulary, summed: `x (N, D)`, `targets (N,)` -> `loss_sum, count`."""
        k = kernels.of(x)
        rows = max(1, BLOCK // len(self.weight.value))
        loss_sum = 0.0
        for start in range(0, len(x), rows):
            logits = k.product_nt(x[start : start + rows], self.weight.value, self.bias.value)  # (rows, V)
            loss_sum += k.softmax_cross_entropy(logits, targets[start : start + rows])[0]
        return loss_sum, float(len(x))
