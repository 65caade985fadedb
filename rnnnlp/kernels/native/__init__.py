"""The native kernels: the functions of `kernels.backend.Backend` in C++, on one pool of threads.

Importing this package fails with ImportError where the extension was not built. All arrays are float32 and
C-contiguous. Only `out` of `forward` and `dh` of `backward` may be columns of a wider array. A wrong type, shape or
layout raises TypeError or ValueError. Results are new arrays, which use the memory of arrays that are gone. They have
the same bits for any number of threads.
"""

from rnnnlp.kernels.native._native import (
    instruction_set,
    instruction_sets,
    set_threads,
    threads,
    use_instruction_set,
)
from rnnnlp.kernels.native.decoder import Decoder
from rnnnlp.kernels.native.loss import softmax_cross_entropy
from rnnnlp.kernels.native.matmul import matmul, matmul_nt, matmul_tn
from rnnnlp.kernels.native.optimizer import adam, norms
from rnnnlp.kernels.native.pooling import mean_and_max, mean_and_max_backward
from rnnnlp.kernels.native.recurrent import backward, cells, empty, forward
from rnnnlp.kernels.native.rows import add_rows, gather_rows, unique

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
