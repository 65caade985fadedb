"""The arithmetic of recurrence over whole sequences, and which kernel does it.

`reference` is the definition, in NumPy. `use` decides once, for the process, which kernel the layers call.
"""

import os
from typing import Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.kernels import reference
from rnnnlp.kernels.reference import State

CELLS = {"lstm": 4, "gru": 3, "elman_tanh": 1, "elman_relu": 1}  # name -> gates
BACKENDS = ("auto", "numpy")

_kernel: Any = reference


def use(backend: str | None = None) -> str:
    """Chooses the kernel of this process and returns its name: "numpy".

    `backend` is "auto" (the fastest there is) or "numpy"; None takes the environment variable RNNNLP_BACKEND.
    """
    chosen = backend or os.environ.get("RNNNLP_BACKEND") or "auto"
    if chosen not in BACKENDS:
        raise UserError(f"--backend is {chosen}; it must be one of {', '.join(BACKENDS)}")
    return "numpy"


def forward(
    cell: str,
    pre: np.ndarray,
    batch_sizes: np.ndarray,
    state: State,
    W_h: np.ndarray,
    b_hn: np.ndarray | None,
    *,
    reverse: bool,
) -> tuple[np.ndarray, State, Any]:
    """`forward` of the contract in `reference`, by the kernel in use (float64 always by the reference)."""
    kernel = reference if pre.dtype == np.float64 else _kernel
    h, state_T, tape = kernel.forward(cell, pre, batch_sizes, state, W_h, b_hn, reverse=reverse)
    return h, state_T, (kernel, tape)


def backward(dh: np.ndarray, dstate_T: State, tape: Any) -> tuple[np.ndarray, State, np.ndarray, np.ndarray | None]:
    """`backward` of the contract, by the kernel that wrote the tape."""
    kernel, tape = tape
    return kernel.backward(dh, dstate_T, tape)
