"""Imports torch. Without it the comparisons are skipped, or fail if RNNNLP_REQUIRE_TORCH is 1."""

import os

import pytest

if os.environ.get("RNNNLP_REQUIRE_TORCH") == "1":
    import torch
else:
    torch = pytest.importorskip("torch", reason="torch is not installed")

torch.set_num_threads(1)

__all__ = ["torch"]
