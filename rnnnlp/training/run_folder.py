"""The folder of a run: a model that anyone can open, its figures, and the checkpoints from which it goes on.

    config.json, tokenizer.json     what the model and the run are
    model.safetensors               the best weights on validation so far
    metrics.jsonl                   a line for each logged step and evaluation
    README.md                       the model card
    language_model/                 of a classifier that learned the language of its texts first: that run
    checkpoints/step-00000400/      a whole model with the weights of that step, and
        training_state.safetensors  unaveraged weights, optimizer, carried state
        training_state.json         step, time, random generators, place in the data

A checkpoint is written under another name and renamed, so it is there whole or not at all; `training_state.safetensors`
has the checksums of all its files. Whoever trains in the folder holds the lock `.lock`, which the system lets go when
the process ends, however it ends.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.models.committee import MEMBERS
from rnnnlp.models.config import LARGEST
from rnnnlp.models.model import CONFIG, TOKENIZER, WEIGHTS, Model
from rnnnlp.models.storage import Damaged, load_tensors, read_json, save_tensors, write_atomically, writing
from rnnnlp.training.health import LossWatch

STATE_TENSORS, STATE = "training_state.safetensors", "training_state.json"
LOCK = ".lock"
LANGUAGE_MODEL = "language_model"
LONGEST_LINE = 1 << 20  # characters of metrics.jsonl
BESIDE_STATE = (CONFIG, TOKENIZER, WEIGHTS, STATE)
STATE_KINDS: dict[str, type | tuple[type, ...]] = {
    "step": int,
    "seconds": float,
    "reserve": float,
    "lr_scale": float,
    "evaluations": int,
    "evaluated_at": int,
    "best_score": (float, type(None)),
    "best_metrics": dict,
    "evaluations_since_best": int,
    "position": dict,
    "rng": dict,
    "data": str,
    "health": dict,
}


class RunFolder:
    """A run folder to look at. `create` and `reopen` give one to train in, locked until it is left as a context."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self.metrics_path = self.path / "metrics.jsonl"
        self._lock: int | None = None  # descriptor

    @classmethod
    def create(cls, path: str | os.PathLike, *, overwrite: bool, to_resume: bool = True) -> Self:
        """The folder of a new run. UserError if `path` holds anything, unless it is a run and `overwrite` is given.

        That run stays until `clear`. `to_resume` is whether it might be what the user wants to go on with.
        """
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise UserError(f"--out {path} is a file; give the name of a new folder")
        if run.path.is_dir() and (run.path / CONFIG).is_file():
            if not overwrite:
                instead = f"go on with --resume {path}" if to_resume else "give the name of a new folder"
                raise UserError(f"--out {path} already holds a run; {instead} or give --overwrite")
        elif run.path.is_dir() and any(
            entry.name != LOCK and entry not in run._left_over() for entry in run.path.iterdir()
        ):
            raise UserError(f"--out {path} is not empty and not a run; give the name of a new folder")
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {path} cannot be made ({error.strerror}); give another folder") from None
        run._take_lock()
        return run

    @classmethod
    def reopen(cls, path: str | os.PathLike) -> Self:
        """The folder of a run to go on with. UserError if there is none, or another process trains in it."""
        run = cls(path)
        run.latest_checkpoint()
        run._take_lock()
        with writing(run.path):
            run._remove_left_over()
        return run

    def clear(self, *, but: Collection[str] = ()) -> None:
        """Removes the run that is in the folder, all `but` what has one of these names."""
        with writing(self.path):
            self._remove_left_over()
            last = CONFIG  # it says that there is a run
            for name in (
                "checkpoints",
                LANGUAGE_MODEL,
                MEMBERS,
                WEIGHTS,
                "metrics.jsonl",
                "README.md",
                TOKENIZER,
                last,
            ):
                if name not in but:
                    remove(self.path / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        with writing(self.path):
            lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(lock, 0)
                os.write(lock, str(os.getpid()).encode())
            except BlockingIOError:
                os.close(lock)
                raise UserError(
                    f"{self.path} is in use: process {self.process()} trains in it; "
                    "wait, stop it, or give another folder"
                ) from None
            except OSError:
                os.close(lock)
                raise
        self._lock = lock

    def process(self) -> int | None:
        """The number of the process that trains in this folder now, or None (0 if it has not said yet)."""
        try:
            lock = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.read(lock, 32)
            return int(written) if written.isdigit() else 0
        finally:
            os.close(lock)
        return None

    def _left_over(self) -> list[Path]:
        """What killed writers did not finish."""
        return [path for folder in (self.path, self.path / "checkpoints") for path in folder.glob(".*.tmp")]

    def _remove_left_over(self) -> None:
        for path in self._left_over():
            remove(path)

    # ------------------------------------------------------------------------------------------------------- metrics

    def log(self, record: Mapping[str, Any]) -> None:
        """Appends a line to `metrics.jsonl`, which is there to be read at once."""
        with writing(self.metrics_path), open(self.metrics_path, "a", encoding="utf-8", buffering=1) as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The lines of `metrics.jsonl`, without any that was cut off, up to one that is senselessly long."""
        if not self.metrics_path.is_file():
            return
        with open(self.metrics_path, encoding="utf-8", errors="replace", newline="") as file:
            for line in iter(lambda: file.readline(LONGEST_LINE), ""):
                if len(line) == LONGEST_LINE:
                    return
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(record, dict) and type(record.get("step")) is int:
                    yield record

    def forget_metrics_after(self, step: int) -> None:
        """Drops the lines of steps that a resumed run will take again."""
        kept = [json.dumps(record, ensure_ascii=False) for record in self.metrics() if record["step"] <= step]
        write_atomically(self.metrics_path, "".join(line + "\n" for line in kept).encode("utf-8", "replace"))

    # ----------------------------------------------------------------------------------------------------- checkpoints

    def save_checkpoint(
        self, model: Model, config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]
    ) -> Path:
        """Writes `checkpoints/step-...`: the model as it is now (averaged weights), and what a resume needs besides.

        UserError if it cannot be written; the earlier ones are then as they were.
        """
        parent = self.path / "checkpoints"
        final = parent / f"step-{state['step']:08d}"
        temporary = parent / f".{final.name}.tmp"
        with writing(final):
            parent.mkdir(exist_ok=True)
            try:
                model.save_pretrained(temporary, extra=config)
                write_atomically(temporary / STATE, json.dumps(state, indent=1).encode())
                save_tensors(temporary / STATE_TENSORS, tensors, beside=BESIDE_STATE)
                _sync_folder(temporary)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            older = final.with_suffix(".old")
            if final.exists():  # the same step once more; one of the two is there at any moment
                self._remove_checkpoint(older)
                final.rename(older)
            temporary.rename(final)
            _sync_folder(parent)
            self._remove_checkpoint(older)
            for old in self.checkpoints()[: -config["keep_checkpoints"]]:
                self._remove_checkpoint(old)
        return final

    def _remove_checkpoint(self, path: Path) -> None:
        hidden = path.with_name(f".{path.name}.gone.tmp")  # so that what is half removed is no checkpoint
        if path.exists():
            path.rename(hidden)
            shutil.rmtree(hidden)

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        found = [path for path in (self.path / "checkpoints").glob("step-*") if path.is_dir()]
        return sorted(found, key=lambda path: (path.stem, path.suffix != ".old"))

    def latest_checkpoint(self) -> Path:
        if not self.path.is_dir():
            raise UserError(f"{self.path} is not a folder; a folder with a trained model is needed")
        found = self.checkpoints()
        if not found and (self.path / MEMBERS).is_dir():
            raise UserError(
                f"{self.path} is a committee, which is not trained itself; give the run of one of its members"
            )
        if not found:
            raise UserError(
                f"{self.path} has no checkpoint to go on from; train again with --out {self.path} --overwrite"
            )
        return found[-1]

    @staticmethod
    def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
        """The averaged weights, the training tensors and the training state; UserError if any of it is damaged."""
        tensors = load_tensors(path / STATE_TENSORS, beside=BESIDE_STATE)
        return load_tensors(path / WEIGHTS, beside=(CONFIG, TOKENIZER)), tensors, read_state(path)


def read_state(path: Path) -> dict[str, Any]:
    """The `training_state.json` of a checkpoint, of which the keys and their kinds are checked."""
    state = read_json(path / STATE)
    if isinstance(state, dict):  # a run from before the loss was watched goes on all the same
        state.setdefault("health", LossWatch().to_mapping())
    if not isinstance(state, dict) or set(state) != set(STATE_KINDS):
        raise Damaged(f"{path / STATE} is damaged: it must have {', '.join(STATE_KINDS)}; restore it or train again")
    for key, kind in STATE_KINDS.items():
        value = state[key]
        senseless = isinstance(value, bool) or (isinstance(value, int | float) and not abs(value) < LARGEST)
        if senseless or not isinstance(value, kind):
            raise Damaged(f"{path / STATE} is damaged: {key} is {value!r}; restore it or train again")
    return state


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
