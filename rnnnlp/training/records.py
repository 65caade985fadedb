"""The records of `metrics.jsonl`, and which of its lines are records."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from rnnnlp.config import LARGEST_INTEGER

LONGEST_LINE = 1 << 20  # characters; a longer line is skipped
MOST_SKIPPED = 1 << 25  # characters of such lines; after them the file is given up
NUMBERS = ("seconds", "progress", "loss", "lr")  # finite in each record that has them


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file, without lines that were cut off, are too long, or have values that no run writes."""
    for line in lines(path):
        if (record := record_of(line)) is not None:
            yield record


def lines(path: Path) -> Iterator[str]:
    """The lines of a file that may be records, without those that are too long."""
    skipped, is_rest = 0, False  # of a line that is too long
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        for line in iter(lambda: file.readline(LONGEST_LINE), ""):
            is_whole = line.endswith("\n") or len(line) < LONGEST_LINE
            if is_whole and not is_rest and "{" in line:
                yield line
            if not is_whole and (skipped := skipped + len(line)) > MOST_SKIPPED:
                return
            is_rest = not is_whole


def record_of(line: str) -> dict[str, Any] | None:
    """The record that a line has, or None."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int or not 0 <= record["step"] < LARGEST_INTEGER:
        return None
    if not all(is_number(record[name]) for name in NUMBERS if name in record):
        return None
    validation = record.get("validation", {})
    if not isinstance(validation, dict):
        return None
    return None if any(type(value) is int and not is_number(value) for value in validation.values()) else record


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number of a usual size."""
    return type(value) in (int, float) and abs(value) < 1e300
