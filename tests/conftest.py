"""Fixtures for all tests."""

import logging
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from rnnnlp import kernels
from rnnnlp.training.distributed import Alone

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a busy machine is no failure
# Seconds until what a test waits for counts as hung: a limit, not a promise of speed.
PATIENCE = float(os.environ.get("RNNNLP_TEST_PATIENCE", "1800"))

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# Not RNNNLP_ISA, which chooses the kernels that are tested.
OF_THE_USER = (
    *("RNNNLP_BACKEND", "RNNNLP_CACHE_LIMIT", "RNNNLP_DEBUG", "RNNNLP_TOKEN"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN"),
)
# Why a test may be skipped where RNNNLP_NO_SKIPS is 1, as in `.ci/run`. A skip for another reason is a failure there.
MAY_BE_SKIPPED = (
    # The machine cannot do it.
    *(
        "needs the right to mount a file system",
        "the file system has no such names",
        "needs the public data sets",
        "needs a C compiler",
    ),
    *("needs Linux, bash, g++ and setarch", "threadpoolctl knows no BLAS here", "this huggingface_hub has requests"),
    # There is no such case.
    *("relu has no bound", "stands for bytes"),
    # A later step of `.ci/run` installs what the test needs, and requires the test.
    *("could not import 'tensorboard", "needs the extra mpi", "needs rnnnlp[docs]", "needs rnnnlp[web]"),
    *("the test client of starlette needs it", "needs playwright", "needs chromium", "needs node", "node is not"),
    *("no graph is compared", "RNNNLP_NODE_MODULES names no node_modules folder", "torch is not installed"),
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return unless_it_may_be_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return unless_it_may_be_skipped((yield))


def unless_it_may_be_skipped(report: Report) -> Report:
    """The report; where skips are forbidden, that of a failure in place of a skip that is not expected."""
    if os.environ.get("RNNNLP_NO_SKIPS") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        assert isinstance(report.longrepr, tuple)
        reason = report.longrepr[2]
        if not any(expected in reason for expected in MAY_BE_SKIPPED):
            report.outcome, report.longrepr = "failed", f"{reason}, and RNNNLP_NO_SKIPS is 1"
    return report


def pytest_make_parametrize_id(val: object) -> str | None:
    """A name for a parameter of bytes. An archive has the time in it, and processes that share tests compare names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def _signals_as_in_a_terminal() -> Iterator[None]:
    """Tests may run under `nohup`, which ignores SIGHUP, or behind `&` in a script, which ignores SIGINT."""
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


@pytest.fixture(scope="session", autouse=True)
def _settings_of_the_user_do_not_count(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither for the tests nor for the commands that they start; the user's cache is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in OF_THE_USER:
            patch.delenv(name, raising=False)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
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


class TickingClock:
    """A clock that goes on by `tick` seconds at each look; `seconds` is what it shows."""

    seconds, tick = 0.0, 0.001

    def look(self) -> float:
        self.seconds += self.tick
        return self.seconds


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> TickingClock:
    """The clock by which budgets are measured; it does not depend on the speed of the machine."""
    clock = TickingClock()
    monkeypatch.setattr(Alone, "now", lambda alone: clock.look())
    return clock


@pytest.fixture(autouse=True)
def _logger_as_new() -> None:
    """A command, if only in the fixture of a module, sets the logger up to print; tests look at what is logged."""
    logger = logging.getLogger("rnnnlp")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)
