"""How numbers travel between processes: as they are, or rounded to bfloat16, which halves the bytes.

Every number that may travel is rounded, wherever it is computed: the gradient of each shard, and each sum of two. So
what is rounded does not depend on the number of processes. Sums are added in the dtype of the weights.
"""

from typing import Any

import numpy as np

from rnnnlp.kernels.backend import Array

BLOCK = 1 << 15  # numbers; temporary arrays of this size stay in the cache


class Wire:
    """Numbers travel as they are."""

    def rounded(self, values: Array) -> Array:
        """Values that can travel."""
        return values

    def packed(self, values: Array) -> Array:
        """What is sent of values that can travel."""
        return values

    def unpacked(self, sent: Array, dtype: np.dtype[Any]) -> Array:
        """The values that were sent."""
        return sent


class BFloat16(Wire):
    """The upper half of a float32: all of its exponents, and 8 significant bits, rounded to nearest, ties to even."""

    def rounded(self, values: Array) -> Array:
        bits = values.astype(np.float32, copy=False).ravel().view(np.uint32)
        found = np.empty_like(bits)
        for start in range(0, len(bits), BLOCK):
            block = bits[start : start + BLOCK]
            nearest = block >> 16
            nearest &= 1
            nearest += 0x7FFF
            nearest += block  # infinities stay, and so does the NaN that processors make
            np.bitwise_and(nearest, 0xFFFF0000, out=found[start : start + BLOCK])
        return found.view(np.float32).reshape(values.shape).astype(values.dtype, copy=False)

    def packed(self, values: Array) -> Array:
        return (values.astype(np.float32, copy=False).view(np.uint32) >> 16).astype(np.uint16)

    def unpacked(self, sent: Array, dtype: np.dtype[Any]) -> Array:
        bits = sent.astype(np.uint32)
        bits <<= 16
        return bits.view(np.float32).astype(dtype, copy=False)


WIRES = {"float32": Wire(), "bf16": BFloat16()}
