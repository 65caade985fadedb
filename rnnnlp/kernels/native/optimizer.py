"""Gradient norms and AdamW. `kernels.backend` documents each function."""

from collections.abc import Sequence

from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.native import _native


def norms(gradients: Sequence[Array]) -> list[float]:
    """Computes the Euclidean norm of each array, from squares in float32 that are added in double precision."""
    return _native.norms(list(gradients))


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
    """Updates all parameters in place with one step of AdamW.

    Raises:
        TypeError: An array is not C-contiguous float32: only a copy of it could be updated.
        ValueError: The arrays of a parameter differ in size, or a number of `rows` is not a row of its parameter.
    """
    beta1, beta2 = betas
    arrays = (list(values), list(gradients), list(m), list(v))
    _native.adam(*arrays, list(rows), list(decays), lr, beta1, beta2, eps, step, scale)
