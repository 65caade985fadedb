"""Fixtures for all tests."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rnnnlp import kernels

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a busy machine is no failure

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# Not RNNNLP_ISA, which chooses the kernels that are tested.
OF_THE_USER = ("RNNNLP_BACKEND", "RNNNLP_CACHE_LIMIT", "RNNNLP_DEBUG", "RNNNLP_TOKEN")


def pytest_make_parametrize_id(val: object) -> str | None:
    """A name for a parameter of bytes. An archive has the time in it, and processes that share tests compare names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def _settings_of_the_user_do_not_count(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither for the tests nor for the commands that they start; the user's cache is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in OF_THE_USER:
            patch.delenv(name, raising=False)
        patch.setenv("RNNNLP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


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
def _logger_as_new() -> None:
    """A command, if only in the fixture of a module, sets the logger up to print; tests look at what is logged."""
    logger = logging.getLogger("rnnnlp")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
