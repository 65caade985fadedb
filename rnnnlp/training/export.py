"""A trained model as a folder to hand on: without checkpoints, and smaller."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option
from rnnnlp.files import write_atomically
from rnnnlp.folders import current
from rnnnlp.training.card import Measured, with_quantization
from rnnnlp.training.model_folder import CARD, CONFIG, MEMBERS, TOKENIZER, WEIGHTS, SavedModel, read_config
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Task

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Exported:
    """What an export has changed.

    Attributes:
        before: The figures of the model that was exported; None if they were not measured.
        after: Those of the new one.
        bytes_before: The size of its configuration, tokenizer and weights.
        bytes_after: That of the new ones.
    """

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    bytes_before: int
    bytes_after: int


def export(
    task: Task,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    quantize: str,
    overwrite: bool = False,
    measure: Callable[[Path, SavedModel], Figures | None] = lambda folder, model: None,
) -> Exported:
    """Writes the model in a folder into the new folder `out`, with its model card, but without checkpoints.

    Args:
        task: What was trained.
        folder: A run folder, a checkpoint, an ensemble or a saved model.
        out: The new folder.
        quantize: How the weights are stored, as in `SavedModel.save_pretrained`.
        overwrite: Whether to replace a run or model that is in `out`.
        measure: Gives the figures of a model that was loaded from a folder, and the names of what they were measured on
            as "data" and "split"; None where there is nothing to measure on.

    Raises:
        UserError: If there is no model in `folder`, or `out` cannot be written, holds something else, or is, or holds,
            `folder`.
    """
    source = Path(os.path.expanduser(folder))
    refuse_source(source, out)
    model = task.load(source)
    training = read_config(source).get("training")
    with RunFolder.create(out, overwrite=overwrite, to_resume=False) as target:
        before = figures_of(measure(source, model))
        with target.replacement() as new:
            model.write(new.path, training=training, quantize=quantize)
            after = None if before is None else figures_of(measure(new.path, task.load(new.path)))
            measured = None if before is None or after is None else Measured(before, after)
            card = with_quantization(RunFolder(source).card() or f"# {task.title}\n", measured)
            write_atomically(new.path / CARD, card.encode("utf-8", "replace"), sync=False)
            return Exported(before, after, size_of(current(source)), size_of(new.path))


def refuse_source(folder: Path, out: str | os.PathLike[str]) -> None:
    """UserError if the new folder `out` is, or holds, the model in `folder`."""
    real = Path(os.path.realpath(folder))
    if Path(os.path.realpath(os.path.expanduser(out))) in (real, *real.parents):
        raise UserError(
            f"{option('out')} {out} is, or holds, the model that is exported; give the name of a new folder"
        )


def figures_of(measured: Figures | None) -> dict[str, Any] | None:
    """Those of the figures that are one number each, and what they were measured on."""
    if measured is None:
        return None
    numbers = {name: v for name, v in measured.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return numbers | {"data": measured["data"], "split": measured["split"]}


def size_of(folder: Path) -> int:
    """The bytes of the files of a model; those of training, and its card, do not count."""
    places = [folder, *(folder / MEMBERS).glob("*")]
    files = [place / name for place in places for name in (CONFIG, TOKENIZER, WEIGHTS)]
    return sum(path.stat().st_size for path in files if path.is_file())
