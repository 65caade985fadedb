"""One model that is being made: its options, its folder, and the stages that are finished."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundling.models import ENGLISH, Model

Row = dict[str, Any]  # text, label, and perhaps cat


@dataclass
class Job:
    """One model that is made in a folder, and how far that is."""

    model: Model
    options: argparse.Namespace
    folder: Path
    finished: dict[str, Any] = field(default_factory=dict)

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        """The result of a stage: what an earlier command kept, or what `work` returns."""
        if name not in self.finished:
            say(f"{self.model.name}: {name}")
            self.finished[name] = work()
            self.keep()
        return self.finished[name]

    def keep(self) -> None:
        from rnnnlp.files import write_atomically

        content = {"choices": choices(self.model, self.options), "finished": self.finished}
        write_atomically(self.folder / "stages.json", json.dumps(content, indent=1, ensure_ascii=False).encode())


def choices(model: Model, options: argparse.Namespace) -> dict[str, Any]:
    """The options and the recipe that change what is made; a folder of work has one set of them."""
    kept = (
        "seed",
        "budget",
        "pretrained",
        "leave_out",
        "leave_out_categories",
        "rows",
        "vocab_size",
        "embedding_size",
        "hidden_size",
    )
    given = {name: None if (value := getattr(options, name)) is None else str(value) for name in kept}
    recipe = {name: getattr(model, name) for name in ("ngrams", "joined", "adversarial", "version")}
    return {**given, **recipe, "views": list(model.views)}


def left_out_of(model: Model, options: argparse.Namespace) -> list[str]:
    """The names of what the model does not see."""
    if model is ENGLISH:
        return [options.leave_out] if options.leave_out else []
    return [name.strip() for name in options.leave_out_categories.split(",")] if options.leave_out_categories else []


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def seconds_of(folder: Path) -> float:
    from rnnnlp.training.run_folder import RunFolder

    return round(RunFolder(folder).seconds(), 1)
