"""The native kernels, and what their tests share. Without the kernels these tests are skipped."""

import numpy as np
import pytest

from rnnnlp.kernels import CELLS

native = pytest.importorskip("rnnnlp.kernels.native", reason="the native kernels are not built", exc_type=ImportError)

NATIVE_CELLS = [cell for cell in CELLS if cell in native.cells()]
each_isa = pytest.mark.parametrize("isa", native.instruction_sets().split(", "))

__all__ = ["NATIVE_CELLS", "each_isa", "native", "random"]


def random(*shape: int) -> np.ndarray:
    """The same random numbers for each shape."""
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(np.float32)
