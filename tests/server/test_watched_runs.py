"""The curves of runs that the page watches: lines are read once, and those of another file from its beginning."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rnnnlp.analysis.plots import curves_of
from rnnnlp.errors import UserError
from rnnnlp.server import inspect_models
from rnnnlp.server.catalogue import OTHER, Entry
from rnnnlp.server.inspect_models import run_of, runs_of
from rnnnlp.training.records import LONGEST_LINE, record_of
from rnnnlp.training.run_folder import RunFolder


def line_of(step: int, **more: Any) -> str:
    return json.dumps({"step": step, "seconds": step / 2, "loss": 1 / step, **more}) + "\n"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that are parsed, as they come."""
    lines: list[str] = []

    def counted(line: str) -> dict[str, Any] | None:
        lines.append(line)
        return record_of(line)

    monkeypatch.setattr(inspect_models, "record_of", counted)
    runs_of([])  # forgets what other tests have read
    return lines


def watched(folder: Path) -> int | None:
    """The last step that the page shows; all curves are those of the whole file."""
    (run,) = runs_of([Entry("run", folder, OTHER, "char_lm")])
    assert inspect_models._curves(folder) == curves_of(RunFolder(folder))
    step: int | None = run["step"]
    return step


def test_each_line_is_read_once(tmp_path: Path, parsed: list[str]):
    assert watched(tmp_path) is None
    metrics = tmp_path / "metrics.jsonl"
    third = line_of(3, sample="字")
    metrics.write_text(line_of(1) + "no record\n" + line_of(2, validation={"loss": 2.0}) + third[:9])
    assert (watched(tmp_path), len(parsed)) == (2, 3)
    with open(metrics, "a") as file:
        file.write(third[9:])
    assert (watched(tmp_path), len(parsed)) == (3, 4)
    assert (watched(tmp_path), len(parsed)) == (3, 4)


@pytest.mark.parametrize("in_place", [False, True])
def test_another_file_is_read_from_its_beginning(in_place: bool, tmp_path: Path, parsed: list[str]):
    metrics, other = tmp_path / "metrics.jsonl", tmp_path / "other"
    metrics.write_text("".join(map(line_of, (1, 2, 3))))
    assert watched(tmp_path) == 3
    for steps in ((1, 2), (1, 2, 4, 5), (6, 7, 8, 9, 10)):
        (metrics if in_place else other).write_text("".join(map(line_of, steps)))
        if not in_place:
            os.replace(other, metrics)
        assert watched(tmp_path) == steps[-1]
    metrics.unlink()
    assert watched(tmp_path) is None


def test_runs_that_are_not_served_any_more_are_forgotten(tmp_path: Path, parsed: list[str]):
    (tmp_path / "metrics.jsonl").write_text(line_of(1))
    assert (watched(tmp_path), len(parsed)) == (1, 1)
    runs_of([])
    assert (watched(tmp_path), len(parsed)) == (1, 2)


@pytest.mark.parametrize("odd", ["lock", "metrics"])
def test_a_run_that_cannot_be_read_hides_no_other(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    runs = [Entry(name, tmp_path / name, OTHER, "char_lm") for name in (odd, "usual")]
    for run in runs:
        run.folder.mkdir()
        (run.folder / "metrics.jsonl").write_text(line_of(3))
    if odd == "lock":
        (tmp_path / odd / ".lock").symlink_to(tmp_path)

    def opened(path: Path, *words: str) -> Any:
        if path.parent.name == "metrics":  # as of another user
            raise PermissionError(13, "Permission denied")
        return open(path, *words)

    monkeypatch.setattr(inspect_models, "open", opened, raising=False)
    for _ in range(2):
        assert [(run["name"], run["step"], run["training"]) for run in runs_of(runs)] == [
            (odd, None, False),
            ("usual", 3, False),
        ]
    (said,) = caplog.messages
    assert said.startswith(f"the list of runs has no figures of {odd}: {tmp_path / odd}/")
    if odd == "metrics":
        monkeypatch.setattr(inspect_models, "read_config", lambda _: {"model_type": "char_lm", "model": {}})
        with pytest.raises(UserError, match=r"metrics\.jsonl cannot be read \(Permission denied\); make it readable"):
            run_of(runs[0])


def test_lines_that_are_too_long_are_left_out(tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch):
    long = line_of(2, sample="x" * LONGEST_LINE)
    (tmp_path / "metrics.jsonl").write_text(line_of(1) + long + line_of(3))
    assert (watched(tmp_path), len(parsed)) == (3, 2)
    monkeypatch.setattr(inspect_models, "READ_AT_ONCE", len(line_of(1)) + 5)
    runs_of([])
    (run,) = runs_of([Entry("run", tmp_path, OTHER, "char_lm")])
    assert run["step"] == 1  # no run writes a line of that length
