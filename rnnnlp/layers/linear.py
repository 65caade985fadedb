"""An affine map of each row."""

# N rows, D inputs, K outputs

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter, uniform


class Linear:
    """y = x W^T + b with `weight (K, D)` and `bias (K,)`, drawn as in `torch.nn.Linear`.

    Given `tied`, the weight is that parameter (of an embedding) and not one of its own (Press and Wolf 2017).
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

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`x (N, D)` -> `y (N, K)`."""
        return kernels.of(x).product_nt(x, self.weight.value, self.bias.value), x

    def backward(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        """`dy (N, K)` -> `dx (N, D)`."""
        # y = x @ W.T + b
        k = kernels.of(dy)
        db = np.empty_like(self.bias.value)  # (K,)
        self.weight.add(k.product_tn(dy, x, sums=db))
        self.bias.add(db)
        return k.product(dy, self.weight.value)
