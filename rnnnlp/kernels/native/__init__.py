"""The native kernels: the arithmetic of `reference`, and what surrounds it in a training step, in C++ on one pool of threads.

Importing this package fails with ImportError where the extension was not built. Everything is float32 and C-contiguous; a
wrong type, shape or layout is a TypeError or ValueError, because only other parts of this library call these functions.
Results are new arrays whose memory is used again once they are gone, and the same bits whatever the number of threads.
"""

# N tokens, T steps, B sequences, H hidden, G gates (and G*H columns of them)

from rnnnlp.kernels.native._native import (
    empty,
    instruction_set,
    instruction_sets,
    set_threads,
    threads,
    use_instruction_set,
)
from rnnnlp.kernels.native.products import product, product_nt, product_tn
from rnnnlp.kernels.native.recurrence import backward, forward

__all__ = [
    "backward",
    "empty",
    "forward",
    "instruction_set",
    "instruction_sets",
    "product",
    "product_nt",
    "product_tn",
    "set_threads",
    "threads",
    "use_instruction_set",
]
