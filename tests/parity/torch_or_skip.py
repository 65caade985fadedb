"""torch for the comparisons, which are skipped without it, or fail with RNNNLP_REQUIRE_TORCH=1."""

import os

import pytest

if os.environ.get("RNNNLP_REQUIRE_TORCH") == "1":
    import torch
else:
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing is compared with torch.nn")

torch.set_num_threads(1)

__all__ = ["torch"]
