"""The native kernels: the functions of `kernels.backend.Backend` in C++, on one pool of threads.

Importing this package fails with ImportError where the extension was not built. Everything is float32 and
C-contiguous, but for outputs of a recurrence and their errors, which may be columns of a wider array; a wrong type,
shape or layout is a TypeError or ValueError, because only other parts of this library call these functions. Results
are new arrays, where none is given, whose memory is used again once they are gone, and the same bits whatever the
number of threads.
"""

# N tokens, T steps, B sequences, H hidden, G gates (and G*H columns of them)

from rnnnlp.kernels.native._native import (
    instruction_set,
    instruction_sets,
    set_threads,
    threads,
    use_instruction_set,
)
from rnnnlp.kernels.native.generation import Decoder
from rnnnlp.kernels.native.products import matmul, matmul_nt, matmul_tn
from rnnnlp.kernels.native.recurrence import backward, cells, empty, forward
from rnnnlp.kernels.native.training import (
    adam,
    add_rows,
    gather_rows,
    mean_and_max,
    mean_and_max_backward,
    norms,
    softmax_cross_entropy,
    unique,
)

__all__ = [
    "Decoder",
    "adam",
    "add_rows",
    "backward",
    "cells",
    "empty",
    "forward",
    "gather_rows",
    "instruction_set",
    "instruction_sets",
    "matmul",
    "matmul_nt",
    "matmul_tn",
    "mean_and_max",
    "mean_and_max_backward",
    "norms",
    "set_threads",
    "softmax_cross_entropy",
    "threads",
    "unique",
    "use_instruction_set",
]
