"""All the arithmetic of a training step in NumPy: the recurrences of `reference`, and here what surrounds them.

It is the definition that native kernels are compared with.
"""

# N rows or tokens, B sequences, B_t of them alive at step t, D inputs, K outputs or classes, V vocabulary

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp.batches.packed import lengths_of, sequence_of_row, walk
from rnnnlp.kernels import reference
from rnnnlp.kernels.reference import State
from rnnnlp.kernels.stepping import LanguageModel

__all__ = [
    "LanguageModel",
    "adam",
    "add_rows",
    "backward",
    "distinct",
    "empty",
    "forward",
    "gather_rows",
    "mean_and_max",
    "mean_and_max_backward",
    "norms",
    "product",
    "product_nt",
    "product_tn",
    "softmax_cross_entropy",
]

Array = np.ndarray


def empty(shape: Sequence[int], dtype: np.dtype) -> Array:
    """An uninitialized array."""
    return np.empty(shape, dtype)


def forward(
    cell: str,
    pre: Array,
    batch_sizes: Array,
    state: State,
    W_h: Array,
    b_hn: Array | None = None,
    *,
    reverse: bool = False,
    tokens: Array | None = None,
    keep_tape: bool = True,
    overwrite: bool = False,
    out: Array | None = None,
) -> tuple[Array, State, Any]:
    """The contract of `reference.forward`, and what a backend may use to be faster.

    With `tokens (N,)`, `pre` is a table `(V, G*H)` of which row `tokens[n]` is for row n. Without `keep_tape` there
    will be no backward, and the tape is None. With `overwrite` the caller needs `pre` no more.
    `out (N, H)` receives h; it may be some columns of a wider array.
    """
    h, state_T, tape = reference.forward(
        cell, pre if tokens is None else pre[tokens], batch_sizes, state, W_h, b_hn, reverse=reverse
    )
    if out is not None:
        out[...] = h
        h = out
    return h, state_T, tape if keep_tape else None


def backward(
    dh: Array, dstate_T: State, tape: Any, *, overwrite: bool = False
) -> tuple[Array, State, Array, Array | None]:
    """The contract of `reference.backward`; with `overwrite` the tape is used up."""
    return reference.backward(dh, dstate_T, tape)


def product_nt(x: Array, W: Array, bias: Array | None = None) -> Array:
    """`x (N, D) @ W (K, D).T + bias (K,)`: a linear map of each row."""
    y = x @ W.T  # (N, K)
    if bias is not None:
        y += bias
    return y


def product(dy: Array, W: Array) -> Array:
    """`dy (N, K) @ W (K, D)`: the gradient of a linear map's input."""
    return dy @ W


def product_tn(dy: Array, x: Array, *, sums: Array | None = None) -> Array:
    """`dy (N, K).T @ x (N, D)`: the gradient of a linear map's weights; `sums (K,)` receives that of its bias."""
    if sums is not None:
        dy.sum(axis=0, out=sums)
    return dy.T @ x


def distinct(ids: Array, vocab_size: int) -> tuple[Array, Array]:
    """The ids that occur in `ids (N,)`, in order, and the place of each of the N among them."""
    rows, places = np.unique(ids, return_inverse=True)
    return rows.astype(np.int64), places


def gather_rows(table: Array, ids: Array) -> Array:
    """`table (V, D)[ids (N,)]` -> `(N, D)`."""
    return table[ids]


def mean_and_max(x: Array, batch_sizes: Array) -> tuple[Array, Array]:
    """Of packed rows `x (N, D)` the mean and the maximum of each sequence, `(B, D)` both."""
    largest = x[: batch_sizes[0]].copy()
    mean = np.zeros_like(largest)
    for rows, B_t in walk(batch_sizes):
        mean[:B_t] += x[rows]
        np.maximum(largest[:B_t], x[rows], out=largest[:B_t])
    mean /= lengths_of(batch_sizes).astype(x.dtype)[:, None]
    return mean, largest


def mean_and_max_backward(dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array) -> Array:
    """`dmean, dlargest (B, D)` -> `dx (N, D)`; that of a maximum goes to the first of the rows that have it."""
    # mean = sum of x / length
    dx = (dmean / lengths_of(batch_sizes).astype(x.dtype)[:, None])[sequence_of_row(batch_sizes)]
    left = dlargest.copy()  # (B, D) what has not gone to a row yet
    for rows, B_t in walk(batch_sizes):
        here = x[rows] == largest[:B_t]
        dx[rows] += np.where(here, left[:B_t], 0)
        left[:B_t][here] = 0
    return dx


def add_rows(rows: Array, ids: Array, table: Array) -> None:
    """`table (V, D)[ids[n]] += rows (N, D)[n]` for each n."""
    by_id = np.argsort(ids, kind="stable")  # (N,)
    touched, start = np.unique(ids[by_id], return_index=True)
    table[touched] += np.add.reduceat(rows[by_id], start, axis=0)


def softmax_cross_entropy(
    logits: Array, targets: Array, *, label_smoothing: float = 0.0, class_weights: Array | None = None
) -> tuple[float, float, Array]:
    """The loss in nats, summed: `logits (N, K)`, `targets (N,)` -> `loss_sum, count, dlogits (N, K)`.

    The mean loss is `loss_sum / count`, and its gradient `dlogits / count`. `label_smoothing` spreads that share of
    each target evenly over the classes (Szegedy et al. 2016). With `class_weights (K,)` a row counts as much as its
    target's weight. Both as in `torch.nn.CrossEntropyLoss`.
    """
    N, K = logits.shape
    row = np.arange(N)
    shifted = logits - logits.max(axis=1, keepdims=True)  # (N, K)
    dlogits = np.exp(shifted)  # (N, K)
    total = dlogits.sum(axis=1, keepdims=True)  # (N, 1)
    dlogits /= total  # p
    weights = np.ones(K, logits.dtype) if class_weights is None else class_weights.astype(logits.dtype)
    row_weights = weights[targets]  # (N,)
    log_total = np.log(total[:, 0])  # (N,)
    nll = log_total - shifted[row, targets]  # (N,) -log p of the target
    # loss = -sum over k of q_k * w_k * log p_k, with q = (1 - s)*onehot + s/K
    keep, spread = 1 - label_smoothing, label_smoothing / K
    loss_sum = keep * np.sum(nll * row_weights, dtype=np.float64)
    count = np.sum(row_weights, dtype=np.float64)
    if label_smoothing:
        loss_sum += spread * np.sum(log_total * weights.sum() - shifted @ weights, dtype=np.float64)
        dlogits *= (keep * row_weights + spread * weights.sum())[:, None]
        dlogits -= spread * weights
    elif class_weights is not None:
        dlogits *= row_weights[:, None]
    dlogits[row, targets] -= keep * row_weights
    return float(loss_sum), float(count), dlogits


def norms(gradients: Sequence[Array]) -> list[float]:
    """The Euclidean norm of each array."""
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
    """One step of Adam with decoupled weight decay (Loshchilov and Hutter 2019), in place, for all parameters at once.

    `step` counts from 1; `scale` multiplies the gradients, as clipping does. Where `rows` has row numbers instead of
    None, only those rows of the parameter and its moments change.
    """
    corrections = math.sqrt(1 - betas[1] ** step), 1 - betas[0] ** step
    for value, g, m_, v_, where, decay in zip(values, gradients, m, v, rows, decays, strict=True):
        if where is None:
            _adam(value, g, m_, v_, decay, lr, scale, betas, eps, corrections)
        elif len(where):
            parts = value[where], m_[where], v_[where]
            _adam(parts[0], g[where], parts[1], parts[2], decay, lr, scale, betas, eps, corrections)
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
