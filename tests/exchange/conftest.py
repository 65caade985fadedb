"""Fixtures of exports."""

import os

import pytest


@pytest.fixture(scope="session")
def onnx_or_skip() -> None:
    """Skips a test where the extra `onnx` is not installed, unless it must run."""
    for name in ("onnx", "onnxruntime"):
        if os.environ.get("RNNNLP_REQUIRE_ONNX") == "1":
            __import__(name)
        else:
            pytest.importorskip(name, reason=f"{name} is not installed: no graph is compared")
