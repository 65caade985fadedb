"""A linear map of each row."""

# N rows, D inputs, K outputs

import numpy as np

from rnnnlp import kernels
from rnnnlp.kernels.backend import Array
from rnnnlp.layers.parameter import Parameter, uniform


class Linear:
    """y = x W^T + b with `weight` `(K, D)` and `bias` `(K,)`, initially drawn as in `torch.nn.Linear`.

    Args:
        input_size: D.
        output_size: K.
        tied: The weight of an embedding, to be used instead of an own one (Press and Wolf 2017).
        dtype: float32 or float64.
        rng: Draws the initial parameters.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        tied: Parameter | None = None,
        dtype: np.dtype,
        rng: np.random.Generator,
    ):
        bound = input_size**-0.5
        self.tied = tied is not None
        self.weight = tied or uniform(output_size, input_size, bound=bound, dtype=dtype, rng=rng)  # (K, D)
        self.bias = uniform(output_size, bound=bound, dtype=dtype, rng=rng)  # (K,)

    def parameters(self) -> dict[str, Parameter]:
        return {"bias": self.bias} if self.tied else {"weight": self.weight, "bias": self.bias}

    def forward(self, x: Array) -> tuple[Array, Array]:
        """Maps rows.

        Args:
            x: `(N, D)`.

        Returns:
            y: `(N, K)`.
            tape: What `backward` needs.
        """
        return kernels.of(x).matmul_nt(x, self.weight.value, self.bias.value), x

    def backward(self, dy: Array, x: Array) -> Array:
        """Adds to the gradients of weight and bias, and returns that of the input.

        Args:
            dy: `(N, K)`.
            x: The tape.

        Returns:
            dx: `(N, D)`.
        """
        # y = x @ W.T + b
        k = kernels.of(dy)
        db = np.empty_like(self.bias.value)  # (K,)
        self.weight.add(k.matmul_tn(dy, x, sums=db))
        self.bias.add(db)
        return k.matmul(dy, self.weight.value)
