"""The NumPy backend: the functions of `kernels.backend.Backend`, for any float dtype.

It is always there, and native kernels are compared with it.
"""

from rnnnlp.kernels.numpy.decoder import Decoder
from rnnnlp.kernels.numpy.loss import softmax_cross_entropy
from rnnnlp.kernels.numpy.matmul import matmul, matmul_nt, matmul_tn
from rnnnlp.kernels.numpy.optimizer import adam, norms
from rnnnlp.kernels.numpy.pooling import mean_and_max, mean_and_max_backward
from rnnnlp.kernels.numpy.recurrent import backward, cells, empty, forward
from rnnnlp.kernels.numpy.rows import add_rows, gather_rows, unique

__all__ = [
    "Decoder",
    "adam",
    "add_rows",
    "backward",
    "cells",
    "empty",
    "forward",
    "gather_rows",
    "matmul",
    "matmul_nt",
    "matmul_tn",
    "mean_and_max",
    "mean_and_max_backward",
    "norms",
    "softmax_cross_entropy",
    "unique",
]
