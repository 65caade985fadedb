"""Matrix products, for linear layers and for their gradients."""

# N rows, D inputs, K outputs

from rnnnlp.kernels.backend import Array
from rnnnlp.threads import holds_blas


@holds_blas
def matmul_nt(x: Array, W: Array, bias: Array | None = None) -> Array:
    """`x (N, D) @ W (K, D).T + bias (K,)`: see `Backend.matmul_nt`."""
    y: Array = x @ W.T  # (N, K)
    if bias is not None:
        y += bias
    return y


@holds_blas
def matmul(dy: Array, W: Array) -> Array:
    """`dy (N, K) @ W (K, D)`: see `Backend.matmul`."""
    dx: Array = dy @ W  # (N, D)
    return dx


@holds_blas
def matmul_tn(dy: Array, x: Array, *, sums: Array | None = None) -> Array:
    """`dy (N, K).T @ x (N, D)`: see `Backend.matmul_tn`."""
    if sums is not None:
        dy.sum(axis=0, out=sums)
    dW: Array = dy.T @ x  # (K, D)
    return dW
