"""The folder of a run: a model that anyone can open, its figures, and the checkpoints from which it resumes.

::

    config.json, tokenizer.json     what the model and the run are
    model.safetensors               the best weights on validation so far
    metrics.jsonl                   a line for each logged step and evaluation
    README.md                       the model card
    language_model/                 the run that pretrained a language model for a classifier
    tensorboard/, trackers.json     what trackers of experiments keep, if it reports to some
    cross_validation.safetensors    what a cross-validation found, for a resume
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.files import (
    JSON_LIMIT,
    TEMPORARY,
    CorruptFileError,
    open_inside,
    open_regular,
    own_folder,
    read_json,
    temporary_name,
    write_atomically,
    writing,
)
from rnnnlp.folders import NEXT, alone, current, finish_replacement, make_folder, publish_folder, remove, replacement
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.training.distributed import by_first
from rnnnlp.training.earlier import current_names
from rnnnlp.training.folder_lock import LOCK, FolderLock, holder
from rnnnlp.training.model_folder import (
    CARD,
    CHECKPOINTS,
    CONFIG,
    ENTRIES,
    FEW_WEIGHTS,
    LANGUAGE_MODEL,
    MEMBERS,
    METRICS,
    QUANTIZATION,
    TOKENIZER,
    WEIGHTS,
    config_bytes,
    holds_model,
    read_config,
)
from rnnnlp.training.network import Network
from rnnnlp.training.records import LONGEST_LINE, lines, records
from rnnnlp.training.state import TrainingState

STATE_TENSORS, STATE = "training_state.safetensors", "training_state.json"
# What killed processes did not finish writing; the second and third kind are of earlier versions.
_LEFT_OVER = re.compile(rf"{TEMPORARY}|\.({'|'.join(map(re.escape, ENTRIES))})\.\d+\.tmp|\.step-.*\.tmp")
_CHECKPOINT = re.compile(r"step-(\d{8,15})(\.old)?", re.ASCII)
BESIDE_STATE = (CONFIG, TOKENIZER, WEIGHTS, STATE)


class RunFolder:
    """A run folder to look at. `create` and `reopen` give one to train in, locked until it is left as a context."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(os.path.expanduser(path))
        self._lock: FolderLock | None = None
        self._is_new = False
        self.when_begun: Callable[[], None] = lambda: None  # called once a new run has its first checkpoint

    @property
    def metrics_path(self) -> Path:
        return current(self.path) / METRICS

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, overwrite: bool, to_resume: bool = True) -> Self:
        """The folder of a new run. UserError if `path` holds anything, unless it is a run and `overwrite` is given.

        That run is kept until `replacement` is left. `to_resume` is whether the user might want to resume it.
        """
        if not os.fspath(path):
            raise UserError(f"{option('out')} is empty; give the name of a new folder")
        run = cls(path)
        run._make(overwrite, to_resume)
        return run

    @by_first
    def _make(self, overwrite: bool, to_resume: bool) -> None:
        """Makes the folder, and locks it."""
        self._require_free(overwrite=overwrite, to_resume=to_resume)
        is_new = not self.path.exists()
        try:
            make_folder(self.path)
        except OSError as error:
            raise UserError(
                f"{option('out')} {self.path} cannot be made ({error.strerror}); give another folder"
            ) from None
        # Another process may just have written into it.
        self._open(lambda: self._require_free(overwrite=overwrite, to_resume=to_resume), make=True)
        self._is_new = is_new

    def _open(self, check: Callable[[], None] = lambda: None, *, make: bool = False) -> None:
        """Locks the folder, checks it once more, and finishes or removes what killed processes left."""
        self._take_lock(make=make)
        try:
            with writing(self.path), alone(self.path):  # nobody else saves a model here, as they may without the lock
                check()
                self._finish_earlier()
        except BaseException:
            self._release_lock()
            raise

    def _require_free(self, *, overwrite: bool, to_resume: bool) -> None:
        out = f"{option('out')} {self.path}"
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{out} is a file; give the name of a new folder")
        if not self.path.is_dir():
            return
        if holds_model(self.path):
            if not overwrite:
                instead = f"{option('resume')} to continue it" if to_resume else "the name of a new folder"
                raise UserError(f"{out} already holds a run; give {option('overwrite')} to replace it, or {instead}")
            return
        places = {self.path, current(self.path)}  # the second may be an export that was interrupted
        found: list[str] = []
        for place in places:
            with suppress(FileNotFoundError):  # a process that ended without a run may just have removed it
                found += [entry.name for entry in place.iterdir() if entry.name not in (LOCK, NEXT)]
        if CONFIG in found:
            raise UserError(
                f"{out} has a {CONFIG} that is not of a run, or is damaged, so nothing there is replaced; "
                "give the name of a new folder"
            )
        if not all(map(_LEFT_OVER.fullmatch, found)):
            raise UserError(f"{out} is not empty and not a run; give the name of a new folder")

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> Self:
        """The folder of a run to resume. UserError if there is none, or another process trains in it."""
        run = cls(path)
        run._reopen()
        return run

    @by_first
    def _reopen(self) -> None:
        self.latest_checkpoint()
        self._open()

    @contextmanager
    def replacement(self) -> Iterator["RunFolder"]:
        """A context that gives a folder to write a new run into, which then replaces the one that is here.

        The run that is here is kept if that fails, or the process is killed.
        """
        with replacement(self.path, ENTRIES) as new:
            yield RunFolder(new)
        self.when_begun()

    @by_first
    def save_training(self, training: Mapping[str, Any]) -> None:
        """Changes in `config.json` how the model was trained. The folder holds a model at every moment.

        Raises:
            UserError: If the model is damaged, or the folder cannot be written.
        """
        content = config_bytes(read_config(self.path) | {"training": dict(training)})
        mapped = load_tensors(self.path / WEIGHTS, beside=(CONFIG, TOKENIZER))
        tensors = {name: mapped.pop(name).copy() for name in list(mapped)}  # Windows replaces no file that is mapped
        save_tensors(self.path / WEIGHTS, tensors, beside=(CONFIG, TOKENIZER), new={CONFIG: content})
        write_atomically(self.path / CONFIG, content)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *exception: Any) -> None:
        with suppress(OSError):
            if kind is not None and self._is_new and os.listdir(self.path) == [LOCK]:  # nothing came of it
                (self.path / LOCK).unlink()
                self.path.rmdir()
        self._release_lock()

    def _take_lock(self, *, make: bool) -> None:
        self._lock = FolderLock(self.path, make=make)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def require_unmoved(self) -> None:
        """UserError if this run trains in the folder, and the folder was moved or removed since it began.

        Another run may be at its path by now.
        """
        if self._lock is not None and not self._lock.is_in_place:
            raise UserError(
                f"{self.path} was moved or removed while a run trained there, so nothing more is written; "
                "resume the run where it is now"
            )

    @by_first
    def save_weights(self, network: Network) -> None:
        """Writes the best weights so far. UserError if they cannot be written."""
        self.require_unmoved()
        network.save_weights(self.path)

    def process(self) -> int | None:
        """The number of the process that trains in this folder now, or None (0 if it is not known)."""
        return holder(self.path)

    def _finish_earlier(self) -> None:
        """Finishes or removes what killed processes left."""
        finish_replacement(self.path, ENTRIES)
        inner = self.path / LANGUAGE_MODEL  # it is not opened again once it is trained
        of_inner = [
            folder for folder in (inner, inner / CHECKPOINTS) if not (inner.is_symlink() or folder.is_symlink())
        ]
        for folder in (self.path, own_folder(self.path / CHECKPOINTS), *of_inner):
            for path in folder.iterdir() if folder.is_dir() else ():
                if _LEFT_OVER.fullmatch(path.name):
                    remove(path)

    # ------------------------------------------------------------------------------------------------------- metrics

    @by_first
    def log(self, record: Mapping[str, Any]) -> None:
        """Appends a line to `metrics.jsonl`, flushed at once.

        If it is too long to be read again, only its numbers are kept.
        """
        self.require_unmoved()
        line = json.dumps(record, ensure_ascii=False)
        if len(line) >= LONGEST_LINE:  # it would not be read again
            line = json.dumps({name: value for name, value in record.items() if isinstance(value, int | float)})
        path = self.path / METRICS
        with writing(path):
            descriptor = open_inside(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with open(descriptor, "w", encoding="utf-8", buffering=1) as file:
                file.write(line + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The records of `metrics.jsonl`; see `records`."""
        if self.metrics_path.is_file():
            yield from records(self.metrics_path)

    def metrics_lines(self) -> list[str]:
        """The lines of `metrics.jsonl`, which `record_of` parses."""
        return list(lines(self.metrics_path)) if self.metrics_path.is_file() else []

    def card(self) -> str | None:
        """The model card; None if there is none, or something else has its name."""
        try:
            with open_regular(current(self.path) / CARD) as file:
                content = file.read(JSON_LIMIT)
        except OSError:
            return None
        return content.decode("utf-8", "replace")

    @by_first
    def forget_metrics_after(self, step: int, *, evaluated: bool) -> None:
        """Drops the records after `step`, because a resumed run writes them again.

        Args:
            step: The last one that is kept.
            evaluated: Whether the evaluation at that step is kept.
        """
        records = [record for record in self.metrics() if record["step"] <= step]
        if not evaluated:
            records = [record for record in records if record["step"] < step or "validation" not in record]
        kept = [json.dumps(record, ensure_ascii=False) for record in records]
        write_atomically(self.path / METRICS, "".join(line + "\n" for line in kept).encode("utf-8", "replace"))

    # ----------------------------------------------------------------------------------------------------- checkpoints

    @by_first
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
        self.require_unmoved()
        parent = own_folder(self.path / CHECKPOINTS)
        final = parent / f"step-{state.step:08d}"
        temporary = temporary_name(final)
        with writing(final):
            make_folder(parent)
            temporary.mkdir()
            try:
                network.write(temporary, training=training)
                write_atomically(temporary / STATE, json.dumps(state.to_json(), indent=1).encode(), sync=False)
                save_tensors(temporary / STATE_TENSORS, tensors, beside=BESIDE_STATE, sync=False)
                older = final.with_suffix(".old")
                if os.path.lexists(final):  # the same step once more; one of the two is there at any moment
                    remove(older)
                    final.rename(older)
                publish_folder(temporary, final)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            remove(older)
            for old in self.checkpoints()[: -training["keep_checkpoints"]]:
                remove(old)
        return final

    def identity(self) -> tuple[int, int] | None:
        """Tells the run that is here from one that replaces it; None if there is none."""
        try:
            status = os.stat(current(self.path) / CONFIG)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first. UserError if one, or their folder, is a link."""
        folder = own_folder(current(self.path) / CHECKPOINTS)
        named = [(_CHECKPOINT.fullmatch(path.name), own_folder(path)) for path in folder.glob("step-*")]
        found = [(int(match[1]), match[2] is None, path) for match, path in named if match and path.is_dir()]
        return [path for _, _, path in sorted(found)]

    def language_model(self) -> "RunFolder":
        """The run inside of this one that pretrains a language model, whether or not it exists."""
        return RunFolder(own_folder(current(self.path) / LANGUAGE_MODEL))

    def seconds(self) -> float:
        """Seconds of training so far, those of pretraining and of folds included."""
        state = read_state(self.latest_checkpoint())
        if state.spent or not self.language_model().checkpoints():
            return state.spent + state.seconds
        return self.seconds_of_pretraining() + (state.seconds if state.step else 0.0)

    def seconds_of_pretraining(self) -> float:
        """How long the language models of this run trained, with the time before it; 0 where it has none."""
        inner = self.language_model()
        return read_state(inner.latest_checkpoint()).seconds if inner.checkpoints() else 0.0

    def _is_quantized(self) -> bool:
        with suppress(UserError):
            return QUANTIZATION in read_config(self.path)
        return False

    def latest_checkpoint(self, remedy: str = "begin a new run in another folder") -> Path:
        """The newest checkpoint; UserError with this remedy if there is none."""
        if not self.path.is_dir():
            raise UserError(f"{self.path} is not a folder; a folder with a trained model is needed")
        found = self.checkpoints()
        if not found and (current(self.path) / MEMBERS).is_dir():
            raise UserError(
                f"{self.path} is an ensemble, which is not trained itself; give the run of one of its members"
            )
        if not found and self._is_quantized():
            raise UserError(
                f"{self.path} is an exported model with int8 weights and no checkpoint; give the run that it is made of"
            )
        if not found:
            raise UserError(f"{self.path} has no checkpoint; {remedy}")
        return found[-1]

    @by_first
    def load_newest(
        self, expected: int
    ) -> tuple[Path, tuple[dict[str, np.ndarray], dict[str, np.ndarray], TrainingState]]:
        """The newest checkpoint, and what `load_checkpoint` gives of it."""
        path = self.latest_checkpoint()
        return path, self.load_checkpoint(path, expected)

    @staticmethod
    def load_checkpoint(
        path: Path, expected: int | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], TrainingState]:
        """The averaged weights, the training tensors and the training state.

        Args:
            path: The checkpoint.
            expected: About the number of values of the training tensors; far more, in either file, are refused before
                they are read.

        Raises:
            UserError: If any of them is damaged.
        """

        def tensors_of(name: str, beside: tuple[str, ...]) -> dict[str, np.ndarray]:
            def check(number: int) -> None:
                if expected is not None and number > FEW_WEIGHTS + 2 * expected:
                    raise CorruptFileError(
                        f"{path / name} holds {number} values and the model needs {expected}; restore it or train again"
                    )

            return current_names(load_tensors(path / name, beside=beside, check=check))

        tensors = tensors_of(STATE_TENSORS, BESIDE_STATE)
        averaged = tensors_of(WEIGHTS, (CONFIG, TOKENIZER))
        return averaged, tensors, read_state(path)


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
