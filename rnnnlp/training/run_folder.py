"""The folder of a run: a model that anyone can open, its figures, and the checkpoints from which it resumes.

    config.json, tokenizer.json     what the model and the run are
    model.safetensors               the best weights on validation so far
    metrics.jsonl                   a line for each logged step and evaluation
    README.md                       the model card
    language_model/                 the run that pretrained a language model for a classifier
    checkpoints/step-00000400/      a whole model with the weights of that step, and
        training_state.safetensors  unaveraged weights, optimizer, carried state
        training_state.json         step, time, random generators, place in the data

A checkpoint is written under another name and renamed, so it is there whole or not at all. Its
`training_state.safetensors` has the checksums of all its files. The process that trains in the folder holds the lock
`.lock`, which the system releases when the process ends, however it ends.
"""

import json
import os
import re
import shutil
import weakref
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.files import (
    CorruptFileError,
    load_tensors,
    publish_folder,
    read_json,
    remove,
    save_tensors,
    write_atomically,
    writing,
)
from rnnnlp.training.earlier import current_names
from rnnnlp.training.model_folder import CONFIG, MEMBERS, TOKENIZER, WEIGHTS, Network, config_bytes, read_config
from rnnnlp.training.records import records
from rnnnlp.training.state import TrainingState

STATE_TENSORS, STATE = "training_state.safetensors", "training_state.json"
METRICS, CARD = "metrics.jsonl", "README.md"
LOCK = ".lock"
LANGUAGE_MODEL = "language_model"
_CHECKPOINT = re.compile(r"step-(\d{8,15})(\.old)?", re.ASCII)
BESIDE_STATE = (CONFIG, TOKENIZER, WEIGHTS, STATE)


class RunFolder:
    """A run folder to look at. `create` and `reopen` give one to train in, locked until it is left as a context."""

    _locked: ClassVar[weakref.WeakSet["RunFolder"]] = weakref.WeakSet()

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(os.path.expanduser(path))
        self.metrics_path = self.path / METRICS
        self._lock: int | None = None  # descriptor
        self._is_new = False

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, overwrite: bool, to_resume: bool = True) -> Self:
        """The folder of a new run. UserError if `path` holds anything, unless it is a run and `overwrite` is given.

        That run stays until `clear`. `to_resume` is whether the user might want to resume it.
        """
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise UserError(f"{option('out')} {path} is a file; give the name of a new folder")
        if run.path.is_dir() and (run.path / CONFIG).is_file():
            if not overwrite:
                instead = f"{option('resume')} to continue it" if to_resume else "the name of a new folder"
                raise UserError(
                    f"{option('out')} {path} already holds a run; give {option('overwrite')} to replace it, "
                    f"or {instead}"
                )
        elif run.path.is_dir() and any(
            entry.name != LOCK and entry not in run._left_over() for entry in run.path.iterdir()
        ):
            raise UserError(f"{option('out')} {path} is not empty and not a run; give the name of a new folder")
        is_new = not run.path.exists()
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{option('out')} {path} cannot be made ({error.strerror}); give another folder") from None
        run._take_lock()
        run._is_new = is_new
        return run

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> Self:
        """The folder of a run to resume. UserError if there is none, or another process trains in it."""
        run = cls(path)
        run.latest_checkpoint()
        run._take_lock()
        with writing(run.path):
            run._remove_left_over()
        return run

    def save_training(self, training: Mapping[str, Any]) -> None:
        """Changes in `config.json` how the model was trained. The folder holds a model at every moment.

        Raises:
            UserError: If the model is damaged, or the folder cannot be written.
        """
        content = config_bytes(read_config(self.path) | {"training": dict(training)})
        tensors = load_tensors(self.path / WEIGHTS, beside=(CONFIG, TOKENIZER))
        save_tensors(self.path / WEIGHTS, tensors, beside=(CONFIG, TOKENIZER), new={CONFIG: content})
        write_atomically(self.path / CONFIG, content)

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
                METRICS,
                CARD,
                TOKENIZER,
                last,
            ):
                if name not in but:
                    remove(self.path / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *exception: Any) -> None:
        if kind is not None and self._is_new and [entry.name for entry in self.path.iterdir()] == [LOCK]:
            shutil.rmtree(self.path, ignore_errors=True)  # nothing came of it
        self._release_lock()

    def _release_lock(self) -> None:
        self._locked.discard(self)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ModuleNotFoundError:
            raise UserError(
                "this system cannot lock a run folder, so rnnnlp cannot train here; "
                "train on Linux or macOS (on Windows: in WSL), and use the trained model anywhere"
            ) from None
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
        self._locked.add(self)

    def process(self) -> int | None:
        """The number of the process that trains in this folder now, or None (0 if it has not said yet)."""
        try:
            import fcntl

            lock = os.open(self.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except (ModuleNotFoundError, OSError):
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            written = os.read(lock, 32)
            return int(written) if written.isdigit() else 0
        finally:
            os.close(lock)
        return None

    @classmethod
    def _release_after_fork(cls) -> None:
        """Closes the locks of the parent in a child, which would else hold them after the parent has ended."""
        for run in list(cls._locked):
            run._release_lock()

    def _left_over(self) -> list[Path]:
        """What killed processes did not finish writing."""
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
        """The records of `metrics.jsonl`; see `records`."""
        if self.metrics_path.is_file():
            yield from records(self.metrics_path)

    def forget_metrics_after(self, step: int) -> None:
        """Drops the lines of steps that a resumed run will take again."""
        kept = [json.dumps(record, ensure_ascii=False) for record in self.metrics() if record["step"] <= step]
        write_atomically(self.metrics_path, "".join(line + "\n" for line in kept).encode("utf-8", "replace"))

    # ----------------------------------------------------------------------------------------------------- checkpoints

    def save_checkpoint(
        self,
        network: Network,
        training: Mapping[str, Any],
        tensors: Mapping[str, np.ndarray],
        state: TrainingState,
    ) -> Path:
        """Writes `checkpoints/step-...`: the network as it is now (averaged weights), and what a resume needs besides.

        Raises:
            UserError: If it cannot be written; the earlier checkpoints are then as they were.
        """
        parent = self.path / "checkpoints"
        final = parent / f"step-{state.step:08d}"
        temporary = parent / f".{final.name}.tmp"
        with writing(final):
            parent.mkdir(exist_ok=True)
            try:
                network.save_pretrained(temporary, training=training)
                write_atomically(temporary / STATE, json.dumps(state.to_json(), indent=1).encode())
                save_tensors(temporary / STATE_TENSORS, tensors, beside=BESIDE_STATE)
                older = final.with_suffix(".old")
                if final.exists():  # the same step once more; one of the two is there at any moment
                    self._remove_checkpoint(older)
                    final.rename(older)
                publish_folder(temporary, final)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            self._remove_checkpoint(older)
            for old in self.checkpoints()[: -training["keep_checkpoints"]]:
                self._remove_checkpoint(old)
        return final

    def _remove_checkpoint(self, path: Path) -> None:
        hidden = path.with_name(f".{path.name}.gone.tmp")  # so that what is half removed is no checkpoint
        if path.exists():
            path.rename(hidden)
            shutil.rmtree(hidden)

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        named = [(_CHECKPOINT.fullmatch(path.name), path) for path in (self.path / "checkpoints").glob("step-*")]
        found = [(int(match[1]), match[2] is None, path) for match, path in named if match and path.is_dir()]
        return [path for _, _, path in sorted(found)]

    def seconds(self) -> float:
        """Seconds of training so far, those of pretraining included."""
        inner = RunFolder(self.path / LANGUAGE_MODEL)
        pretraining = read_state(inner.latest_checkpoint()).seconds if inner.checkpoints() else 0.0
        return read_state(self.latest_checkpoint()).seconds + pretraining

    def latest_checkpoint(self) -> Path:
        if not self.path.is_dir():
            raise UserError(f"{self.path} is not a folder; a folder with a trained model is needed")
        found = self.checkpoints()
        if not found and (self.path / MEMBERS).is_dir():
            raise UserError(
                f"{self.path} is an ensemble, which is not trained itself; give the run of one of its members"
            )
        if not found:
            raise UserError(
                f"{self.path} has no checkpoint to resume from; train again with {option('out')} {self.path} "
                f"{option('overwrite')}"
            )
        return found[-1]

    @staticmethod
    def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], TrainingState]:
        """The averaged weights, the training tensors and the training state.

        Raises:
            UserError: If any of them is damaged.
        """
        tensors = current_names(load_tensors(path / STATE_TENSORS, beside=BESIDE_STATE))
        averaged = current_names(load_tensors(path / WEIGHTS, beside=(CONFIG, TOKENIZER)))
        return averaged, tensors, read_state(path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RunFolder._release_after_fork)


def read_state(path: Path) -> TrainingState:
    """The `training_state.json` of a checkpoint.

    Raises:
        UserError: If it is missing or damaged.
    """
    content = read_json(path / STATE)
    try:
        state = TrainingState.from_json(content)
    except ValueError as error:
        raise CorruptFileError(f"{path / STATE} is damaged: {error}; restore it or train again") from None
    if (named := _CHECKPOINT.fullmatch(path.name)) and int(named[1]) != state.step:
        raise CorruptFileError(f"{path} holds the checkpoint of step {state.step}; give it that number, or remove it")
    return state
