# The extension module. The Python modules beside it document its functions.

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

Array = np.ndarray

def set_threads(threads: int) -> None:
    """Threads of the pool, the caller's included; at first 1. `kernels.use` and `kernels.running` set them."""

def threads() -> int:
    """Threads of the pool, the caller's included."""

def instruction_set() -> str:
    """The one in use: at first the best that this processor has, or that of RNNNLP_ISA."""

def instruction_sets() -> str:
    """Those that this processor has, best first, joined by ", "."""

def use_instruction_set(isa: str) -> None:
    """ValueError if this processor does not have it. A tape must go back through the one that wrote it."""

def begin_exit() -> None:
    """From now on no kernel of another thread returns: it would need an interpreter that is going."""

def used_bytes() -> int: ...
def kept_bytes() -> int: ...
def empty(shape: Sequence[int]) -> Array:
    """An uninitialized float32 array of one or two dimensions, in memory that is used again when the array is gone."""

class CellFacts(TypedDict):
    """The facts of a cell. An array `(name, a, b)` has `a*H + b` columns."""

    gates: int
    states: int
    extra: list[tuple[str, int, int]]
    saves_gates: bool  # whether the tape begins with the gates (N, G*H)
    saved: list[tuple[str, int, int]]  # further arrays of the tape
    schedule: str  # "fused" or "rowwise"

def cells() -> dict[str, CellFacts]: ...
def forward(
    cell: str,
    pre: Array,
    row_index: Array | None,
    batch_sizes: Array,
    state: Sequence[Array],
    W_h: Array,
    extra: Sequence[Array],
    reverse: bool,
    keep_tape: bool,
    gates_out: Array | None,
    out: Array,
) -> tuple[list[Array], list[Array]]:
    """Returns the final state and the arrays of the tape."""

def backward(
    cell: str,
    dh: Array | None,
    dstate_T: Sequence[Array | None],
    h: Array,
    tape: Sequence[Array],
    batch_sizes: Array,
    state: Sequence[Array],
    W_h: Array,
    extra: Sequence[Array],
    reverse: bool,
    overwrite: bool,
) -> tuple[Array, list[Array], Array, list[Array]]:
    """Returns dpre, dstate_0, dW_h, dextra."""

def matmul(A: Array, A_by_k: bool, B: Array, B_by_k: bool, bias: Array | None, A_sums: Array | None) -> Array:
    """A is (M, K), or (K, M) if `A_by_k`; B is (N, K), or (K, N) if `B_by_k`."""

def softmax_cross_entropy(logits: Array, targets: Array, label_smoothing: float) -> tuple[float, float, Array]: ...
def norms(arrays: Sequence[Array]) -> list[float]: ...
def adam(
    values: Sequence[Array],
    grads: Sequence[Array],
    m: Sequence[Array],
    v: Sequence[Array],
    rows: Sequence[Array | None],
    decays: Sequence[float],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    scale: float,
) -> None: ...
def unique(ids: Array, vocab_size: int) -> tuple[Array, Array]: ...
def gather_rows(table: Array, ids: Array) -> Array: ...
def mean_and_max(x: Array, batch_sizes: Array) -> tuple[Array, Array]: ...
def mean_and_max_backward(dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array) -> Array: ...
def add_rows(rows: Array, ids: Array, table: Array) -> None: ...

class Decoder:
    def __init__(
        self,
        cell: str,
        table: Array,
        layers: Sequence[tuple[Array | None, Array, Array, list[Array]]],
        W_out: Array,
        b_out: Array,
    ) -> None: ...
    def set(self, state: Sequence[Array], logits: Array) -> None: ...
    def state(self) -> list[Array]: ...
    def logits(self) -> Array: ...
    def read(self, tokens: Array) -> None: ...
    def sample(
        self,
        uniforms: Array,
        temperature: float,
        top_k: int,
        top_p: float,
        repetition_penalty: float,
        window: int,
        excluded: int,
        recent: Array,
    ) -> list[int]: ...
