"""The folder of a run: a model that anyone can open, its figures, and the checkpoints from which it goes on.

    config.json, tokenizer.json     what the model and the run are
    model.safetensors               the best weights on validation so far
    metrics.jsonl                   a line for each logged step and evaluation
    README.md                       the model card
    checkpoints/step-00000400/      a whole model with the weights of that step, and
        training_state.safetensors  unaveraged weights, optimizer, carried state
        training_state.json         step, time, random generators, place in the data

A checkpoint is written under another name and renamed, so it is there whole or not at all.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.models.model import WEIGHTS, Model, load_tensors, save_tensors, write_atomically

KEPT_CHECKPOINTS = 2
STATE_TENSORS, STATE = "training_state.safetensors", "training_state.json"


class RunFolder:
    """An existing run folder; `create` makes one."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.metrics_path = self.path / "metrics.jsonl"

    @classmethod
    def create(cls, path: str | os.PathLike, *, overwrite: bool) -> "RunFolder":
        """A new, empty run folder. UserError if `path` holds anything, unless it is a run and `overwrite` is given."""
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise UserError(f"--out {path} is a file; give the name of a new folder")
        if run.path.is_dir() and any(run.path.iterdir()):
            if not (run.path / "config.json").is_file():
                raise UserError(f"--out {path} is not empty and not a run; give the name of a new folder")
            if not overwrite:
                raise UserError(f"--out {path} already holds a run; go on with --resume {path} or give --overwrite")
            run._clear()
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {path} cannot be made ({error.strerror}); give another folder") from None
        return run

    def _clear(self) -> None:
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        for name in ("config.json", "tokenizer.json", WEIGHTS, "metrics.jsonl", "README.md"):
            (self.path / name).unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------------------- metrics

    def log(self, record: Mapping[str, Any]) -> None:
        """Appends a line to `metrics.jsonl`."""
        with open(self.metrics_path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def forget_metrics_after(self, step: int) -> None:
        """Drops the lines of steps that a resumed run will take again."""
        kept = [line for line in self._metric_lines() if json.loads(line)["step"] <= step]
        write_atomically(self.metrics_path, "".join(kept).encode())

    def _metric_lines(self) -> Iterator[str]:
        if self.metrics_path.is_file():
            with open(self.metrics_path, encoding="utf-8", newline="") as file:
                yield from (line for line in file if line.endswith("}\n"))

    # ----------------------------------------------------------------------------------------------------- checkpoints

    def save_checkpoint(
        self, model: Model, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]
    ) -> Path:
        """Writes `checkpoints/step-...`: the model as it is now (averaged weights), and what a resume needs besides."""
        parent = self.path / "checkpoints"
        parent.mkdir(exist_ok=True)
        final = parent / f"step-{state['step']:08d}"
        temporary = parent / f".{final.name}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        model.save_pretrained(temporary, extra=config)
        save_tensors(temporary / STATE_TENSORS, tensors)
        sums = {name: _sha256(temporary / name) for name in (WEIGHTS, STATE_TENSORS)}
        content = json.dumps({**state, "sha256": sums}, indent=1)
        write_atomically(temporary / STATE, content.encode())
        _sync_folder(temporary)
        if final.exists():  # the same step once more, after a resume: the same content
            shutil.rmtree(final)
        os.replace(temporary, final)
        _sync_folder(parent)
        for old in self.checkpoints()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)
        return final

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(path for path in (self.path / "checkpoints").glob("step-*") if path.is_dir())

    def latest_checkpoint(self) -> Path:
        found = self.checkpoints()
        if not found:
            raise UserError(
                f"{self.path} has no checkpoint to go on from; train again with --out {self.path} --overwrite"
            )
        return found[-1]

    @staticmethod
    def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
        """The averaged weights, the training tensors and the training state; UserError if any of it is damaged."""
        try:
            state = json.loads((path / STATE).read_bytes())
            for name, expected in state["sha256"].items():
                if _sha256(path / Path(name).name) != expected:
                    raise UserError(f"{path / name} is damaged: its checksum is not the one in {STATE}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"{path / STATE} is missing or damaged ({error}); remove this checkpoint to use an older one"
            ) from None
        return load_tensors(path / WEIGHTS), load_tensors(path / STATE_TENSORS), state


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
