"""Figures of runs as a Markdown table."""

import json
import shlex
from pathlib import Path
from statistics import mean
from typing import Any

from rnnnlp.errors import UserError

Run = dict[str, Any]
LIMITS = ("data", "steps", "epochs", "budget")
HEAD = ["variant", "validation, nats a character", "to baseline", "steps", "s a step", "products", "command"]


def read(path: Path) -> list[Run]:
    """The runs in a file of JSON lines; UserError for a line that is none."""
    runs = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            run = json.loads(text)
            row([run], [])
        except (ValueError, TypeError, KeyError):
            raise UserError(f"--table {path}: line {number} is not of a run; give a file that --json wrote") from None
        runs.append(run)
    if not runs:
        raise UserError(f"--table {path} is empty; run some variants with --json {path}")
    return runs


def table(runs: list[Run]) -> str:
    """A row for each variant with its options, best first; runs that differ in the seed alone are averaged."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run["variant"] + json.dumps(settings(run), sort_keys=True), []).append(run)
    ordered = sorted(groups.values(), key=lambda group: figure(group, "validation"))
    rows = [row(group, baseline_of(group, ordered)) for group in ordered]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [HEAD, ["---"] * len(HEAD), *rows])


def row(group: list[Run], baseline: list[Run]) -> list[str]:
    run = group[0]
    seeds = f" ({len(group)} seeds)" if len(group) > 1 else ""
    validation, products = figure(group, "validation"), f"{run['products'] / 1e6:.2f} M"
    difference = "–"
    if baseline:
        difference = f"{validation - figure(baseline, 'validation'):+.4f}"
        products = f"{run['products'] / baseline[0]['products']:.2f} x"
    by_step = run["products_by_step"] / run["products"]
    return [
        run["variant"] + seeds,
        f"{validation:.4f}",
        difference,
        f"{figure(group, 'steps'):.0f}",
        f"{figure(group, 'step_seconds'):.4f}",
        f"{products}, {by_step:.0%} by step",
        f"`{without_seed(run['command']) if seeds else run['command']}`",
    ]


def baseline_of(group: list[Run], groups: list[list[Run]]) -> list[Run]:
    """The baseline on the same data for as long; of several, the one whose options are most like those of `group`."""
    options = group[0]["options"]
    alike = [
        other
        for other in groups
        if other[0]["variant"] == "baseline"
        and all(other[0]["options"].get(name) == options.get(name) for name in LIMITS)
    ]
    return max(alike, key=lambda other: len(settings(other[0]).items() & settings(group[0]).items()), default=[])


def settings(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run["options"].items() if name != "seed"}


def figure(group: list[Run], name: str) -> float:
    return mean(run[name] for run in group)


def without_seed(command: str) -> str:
    words = shlex.split(command)
    if "--seed" in words:
        place = words.index("--seed")
        del words[place : place + 2]
    return shlex.join(words)
