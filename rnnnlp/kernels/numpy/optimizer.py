"""The optimizer's step, and norms of gradients for clipping."""

import math
from collections.abc import Sequence

import numpy as np

from rnnnlp.kernels.backend import Array
from rnnnlp.threads import holds_blas

SMALLEST_MOMENT, STEPS_BETWEEN = 1e-30, 128  # smaller ones become 0 now and then: see `Backend.adam`


@holds_blas
def norms(gradients: Sequence[Array]) -> list[float]:
    """The Euclidean norm of each array: see `Backend.norms`."""
    return [float(np.sqrt(np.dot(g.ravel(), g.ravel()))) for g in gradients]


def adam(
    values: Sequence[Array],
    gradients: Sequence[Array],
    m: Sequence[Array],
    v: Sequence[Array],
    *,
    rows: Sequence[Array | None],
    decays: Sequence[float],
    lr: float,
    step: int,
    scale: float = 1.0,
    betas: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-8,
) -> None:
    """One step of AdamW (Loshchilov and Hutter 2019), in place: see `Backend.adam`."""
    corrections = math.sqrt(1 - betas[1] ** step), 1 - betas[0] ** step
    for value, g, m_, v_, where, decay in zip(values, gradients, m, v, rows, decays, strict=True):
        if where is not None and not len(where):
            continue
        parts = (value, m_, v_) if where is None else (value[where], m_[where], v_[where])
        _adam(parts[0], g if where is None else g[where], parts[1], parts[2], decay, lr, scale, betas, eps, corrections)
        if step % STEPS_BETWEEN == 0:
            for moment in parts[1:]:
                moment[np.abs(moment) < SMALLEST_MOMENT] = 0
        if where is not None:
            value[where], m_[where], v_[where] = parts


def _adam(
    value: Array,
    g: Array,
    m: Array,
    v: Array,
    decay: float,
    lr: float,
    scale: float,
    betas: tuple[float, float],
    eps: float,
    corrections: tuple[float, float],
) -> None:
    if decay:
        value *= 1 - lr * decay
    # m = beta1*m + (1 - beta1)*g
    m *= betas[0]
    x = g * ((1 - betas[0]) * scale)
    m += x
    # v = beta2*v + (1 - beta2)*g*g
    v *= betas[1]
    np.multiply(g, g, out=x)
    x *= (1 - betas[1]) * scale * scale
    v += x
    # value -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
    np.sqrt(v, out=x)
    x *= 1 / corrections[0]
    x += eps
    np.divide(m, x, out=x)
    x *= lr / corrections[1]
    value -= x
