"""Which token comes next: the rule, in NumPy."""

# V vocabulary

from collections.abc import Sequence

import numpy as np


def choose(
    logits: np.ndarray,
    recent: Sequence[int],
    uniform: float,
    *,
    temperature: float,
    top_k: int,
    top_p: float,
    repetition_penalty: float,
    unknown_id: int | None,
) -> int:
    """The token to which `uniform`, from [0, 1), falls among the probabilities that `logits (V,)` stand for.

    `temperature` 0 takes the most probable. `recent` tokens are penalised; the unknown symbol is never chosen. What
    the options mean is told by `generation.Sampling`.
    """
    logits = logits.astype(np.float64)
    if unknown_id is not None:
        logits[unknown_id] = -np.inf
    if repetition_penalty != 1 and recent:
        seen = np.unique(recent)
        above = logits[seen] > 0
        logits[seen] = np.where(above, logits[seen] / repetition_penalty, logits[seen] * repetition_penalty)
    if temperature == 0:
        return int(logits.argmax())
    logits -= logits.max()  # at most 0, so that a tiny temperature leads to -inf and never to overflow
    with np.errstate(over="ignore"):
        logits /= temperature
    p = np.exp(logits)
    if 0 < top_k < len(p):
        p[p < np.partition(p, -top_k)[-top_k]] = 0
    if top_p < 1:
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= top_p * p.sum()]] = 0
    cumulative = np.cumsum(p)
    at = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return min(int(at), len(p) - 1)  # beyond the end if a model has diverged and the probabilities are not numbers
