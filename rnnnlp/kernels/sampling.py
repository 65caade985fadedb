"""Sampling: which token comes next."""

# V vocabulary

from collections.abc import Sequence

import numpy as np


@np.errstate(over="ignore", invalid="ignore")  # of extreme logits and options
def sample_token(
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
    """Samples a token from the softmax of logits.

    Args:
        logits: `(V,)`.
        recent: Tokens that `repetition_penalty` makes less probable.
        uniform: A number from [0, 1); the token is where it falls among the cumulated probabilities.
        temperature: Divides the logits; 0 takes the most probable token.
        top_k: Number of most probable tokens to sample from; 0 for all.
        top_p: Sample from the fewest tokens that together have this probability.
        repetition_penalty: Divides positive logits of recent tokens, and multiplies negative ones (Keskar et al. 2019).
        unknown_id: The id that is never sampled, if any.

    Returns:
        The token's id.
    """
    logits = logits.astype(np.float64)
    if unknown_id is not None:
        logits[unknown_id] = -np.inf
    if repetition_penalty != 1 and recent:
        seen = np.unique(recent)
        above = logits[seen] > 0
        logits[seen] = np.where(above, logits[seen] / repetition_penalty, logits[seen] * repetition_penalty)
    logits[np.isnan(logits)] = -np.inf  # of a model that has diverged: never sampled
    best = int(logits.argmax())
    if logits[best] == -np.inf and unknown_id == 0:
        best = min(1, len(logits) - 1)
    if temperature == 0 or not np.isfinite(logits[best]):
        return best
    logits -= logits[best]  # at most 0, so that a tiny temperature leads to -inf and never to overflow
    p = np.where(logits > -np.inf, np.exp(logits / temperature), 0)  # also where the temperature is infinite
    if 0 < top_k < len(p):
        p[p < np.partition(p, -top_k)[-top_k]] = 0
    if top_p < 1:
        order = np.argsort(-p, kind="stable")
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= top_p * p.sum()]] = 0
    cumulative = np.cumsum(p)
    at = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return min(int(at), len(p) - 1)  # beyond the end if rounding makes the last sum smaller
