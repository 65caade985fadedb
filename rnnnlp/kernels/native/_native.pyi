# The extension module; see the Python modules beside it for what its functions mean.

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

def set_threads(threads: int) -> None:
    """Threads of the pool, the caller's included; at first OMP_NUM_THREADS, or the cores of this process."""

def threads() -> int:
    """Threads of the pool, the caller's included."""

def instruction_set() -> str:
    """The one in use: at first the best that this processor has, or that of RNNNLP_ISA."""

def instruction_sets() -> str:
    """Those that this processor has, best first, joined by ", "."""

def use_instruction_set(isa: str) -> None:
    """ValueError if this processor does not have it. A tape must go back through the one that wrote it."""

def used_bytes() -> int: ...
def kept_bytes() -> int: ...
def release_memory() -> None: ...
def empty(shape: Sequence[int]) -> Array:
    """An uninitialized float32 array of one or two dimensions, of memory that is used again once it is gone."""

def forward(
    cell: int,
    pre: Array,
    tokens: Array | None,
    batch_sizes: Array,
    h0: Array,
    c0: Array | None,
    W_h: Array,
    b_hn: Array | None,
    reverse: bool,
    keep: bool,
    gates: Array | None,
    out: Array,
) -> tuple[Array, Array | None, Array | None, Array | None]: ...
def backward(
    cell: int,
    dh: Array | None,
    dh_T: Array | None,
    dc_T: Array | None,
    h: Array,
    gates: Array | None,
    memory: Array | None,
    batch_sizes: Array,
    h0: Array,
    c0: Array | None,
    W_h: Array,
    b_hn: Array | None,
    reverse: bool,
    out: Array | None,
) -> tuple[Array, Array, Array | None, Array, Array | None]: ...
def multiply(
    A: Array,
    A_by_k: bool,
    B: Array,
    B_by_k: bool,
    bias: Array | None,
    out: Array | None,
    add: bool,
    A_sums: Array | None,
) -> Array: ...
def softmax_cross_entropy(
    logits: Array, targets: Array, label_smoothing: float, class_weights: Array | None, scale: float | None
) -> tuple[float, float, Array]: ...
def norms(arrays: Sequence[Array]) -> list[float]: ...
def adam(
    values: Sequence[Array],
    grads: Sequence[Array],
    m: Sequence[Array],
    v: Sequence[Array],
    rows: Sequence[Array | None],
    decays: Sequence[float],
    averages: Sequence[Array] | None,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    step: int,
    scale: float,
    average_keep: float,
) -> None: ...
def distinct(ids: Array, vocabulary: int) -> tuple[Array, Array]: ...
def gather_rows(table: Array, ids: Array) -> Array: ...
def mean_and_max(x: Array, batch_sizes: Array) -> tuple[Array, Array]: ...
def mean_and_max_backward(dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array) -> Array: ...
def add_rows(rows: Array, ids: Array, table: Array) -> None: ...

class LanguageModel:
    def __init__(
        self,
        cell: int,
        table: Array,
        weights: Sequence[tuple[Array | None, Array, Array, Array | None]],
        W_out: Array,
        b_out: Array,
    ) -> None: ...
    def set(self, h: Array, c: Array | None, logits: Array) -> None: ...
    def state(self) -> tuple[Array, Array]: ...
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
