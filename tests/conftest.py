"""Fixtures for all tests."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnnlp import kernels

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the checkout; without it a test is skipped, or fails where it must run."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    if os.environ.get("RNNNLP_REQUIRE_SHARED") == "1":
        pytest.fail(f"RNNNLP_REQUIRE_SHARED is 1, but there is no {SHARED_DATA}")
    pytest.skip(f"needs the public data sets in {SHARED_DATA}")


@pytest.fixture(autouse=True)
def _numpy_unless_asked() -> None:
    """Each test begins with the NumPy backend, whatever a command in an earlier one chose."""
    kernels.use("numpy")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    """A command sets the logger of its process up to print; later tests, in any order, look at what is logged."""
    logger = logging.getLogger("rnnnlp")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
