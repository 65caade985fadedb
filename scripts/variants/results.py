"""The figures of runs as a Markdown table."""

import json
import shlex
from pathlib import Path
from statistics import mean
from typing import Any

from rnnnlp.errors import UserError, option

Run = dict[str, Any]
LIMITS = ("data", "steps", "epochs", "budget")  # runs are compared where these are the same
HEAD = [
    "variant",
    "validation, nats per character",
    "difference from the baseline",
    "steps",
    "seconds per step",
    "multiplications per character",
    "command",
]


def read(path: Path) -> list[Run]:
    """Reads the runs in a file of JSON lines.

    Raises:
        UserError: For a line that is not a run, or if there is none.
    """
    runs = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            run = json.loads(text)
            row([run], [])
        except (ValueError, TypeError, KeyError):
            raise UserError(
                f"{option('table')} {path}: line {number} is not a run; give a file that {option('json')} wrote"
            ) from None
        runs.append(run)
    if not runs:
        raise UserError(f"{option('table')} {path} is empty; run some variants with {option('json')} {path}")
    return runs


def table(runs: list[Run]) -> str:
    """A row for each variant with its options, best first; runs that differ only in the seed are averaged."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run["variant"] + json.dumps(settings(run), sort_keys=True), []).append(run)
    ordered = sorted(groups.values(), key=lambda group: average(group, "validation"))
    rows = [row(group, baseline_of(group, ordered)) for group in ordered]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [HEAD, ["---"] * len(HEAD), *rows])


def row(group: list[Run], baseline: list[Run]) -> list[str]:
    """The cells of a row.

    Args:
        group: The runs of the row, which differ only in the seed.
        baseline: The runs to compare with; empty if there are none.
    """
    run = group[0]
    seeds = f" ({len(group)} seeds)" if len(group) > 1 else ""
    validation, multiplications = average(group, "validation"), f"{run['multiplications'] / 1e6:.2f} M"
    difference = "–"
    if baseline:
        difference = f"{validation - average(baseline, 'validation'):+.4f}"
        multiplications = f"{run['multiplications'] / baseline[0]['multiplications']:.2f} x"
    sequential = run["sequential_multiplications"] / run["multiplications"]
    return [
        run["variant"] + seeds,
        f"{validation:.4f}",
        difference,
        f"{average(group, 'steps'):.0f}",
        f"{average(group, 'step_seconds'):.4f}",
        f"{multiplications}, {sequential:.0%} step after step",
        f"`{without_seed(run['command']) if seeds else run['command']}`",
    ]


def baseline_of(group: list[Run], groups: list[list[Run]]) -> list[Run]:
    """The baseline with the same data and limits; of several, the one that shares the most options with `group`."""
    options = group[0]["options"]
    alike = [
        other
        for other in groups
        if other[0]["variant"] == "baseline"
        and all(other[0]["options"].get(name) == options.get(name) for name in LIMITS)
    ]
    return max(alike, key=lambda other: len(settings(other[0]).items() & settings(group[0]).items()), default=[])


def settings(run: Run) -> dict[str, Any]:
    """The options of a run without the seed."""
    return {name: value for name, value in run["options"].items() if name != "seed"}


def average(group: list[Run], name: str) -> float:
    """The mean of a figure over the runs of a group."""
    return mean(run[name] for run in group)


def without_seed(command: str) -> str:
    words = shlex.split(command)
    if "--seed" in words:
        index = words.index("--seed")
        del words[index : index + 2]
    return shlex.join(words)
