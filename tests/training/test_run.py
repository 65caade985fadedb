"""What a training gets that nobody gave: a limit of its time, and a number of shards."""

import logging
from typing import Any

import pytest

from rnnnlp.tasks.char_lm.config import CharLMOptions
from rnnnlp.training.distributed import Alone, working_with
from rnnnlp.training.options import DEFAULT_BUDGET
from rnnnlp.training.run import with_limit, with_shards


class Several(Alone):
    """One of several processes, which asks the others for nothing."""

    def __init__(self, size: int):
        self.size = size


def test_a_run_without_a_limit_gets_the_usual_budget(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "rnnnlp"):
        assert with_limit(CharLMOptions(data="")) == CharLMOptions(data="", budget=DEFAULT_BUDGET)
    assert caplog.messages == ["no epochs, steps or budget given: training for 10 minutes"]


@pytest.mark.parametrize("limit", [{"epochs": 2}, {"steps": 3}, {"budget": 4.0}])
def test_a_limit_that_was_given_stays_alone(limit: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    options = CharLMOptions(data="", **limit)
    with caplog.at_level("INFO", "rnnnlp"):
        assert with_limit(options) is options
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("size", "shards", "expected", "idle"),
    [(1, None, None, None), (3, None, 3, None), (3, 3, 3, None), (3, 6, 6, None), (5, 3, 3, 2), (2, 1, 1, 1)],
)
def test_processes_without_a_shard_are_told(
    size: int, shards: int | None, expected: int | None, idle: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    with working_with(Several(size)), caplog.at_level("INFO", "rnnnlp"):
        assert with_shards(CharLMOptions(data="", shards=shards)).shards == expected
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    said = f"a batch has {expected} shards, so {idle} of the {size} processes do not train"
    assert warnings == ([] if idle is None else [said])
    together = f"{size} processes train together; each batch has {expected} shards"
    assert (together in caplog.messages) == (size > 1)
