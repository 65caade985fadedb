"""What the page shows of language models and runs: a text through a model, an unrolled example, curves of training."""

import functools
import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.analysis.hidden_units import rank_units, read, text_features, unit_values, values_of
from rnnnlp.analysis.plots import Curves
from rnnnlp.analysis.unrolled import unroll
from rnnnlp.errors import UserError
from rnnnlp.files import unreadable
from rnnnlp.kernels import CELLS
from rnnnlp.server.catalogue import Entry
from rnnnlp.server.schemas import InspectRequest, UnrollRequest
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.training.model_folder import read_config
from rnnnlp.training.records import LONGEST_LINE, record_of
from rnnnlp.training.run_folder import RunFolder

LONGEST_TEXT = 4000  # characters that are looked at
POINTS = 400  # of a curve
MOST_READINGS = 256  # runs whose curves are kept
READ_AT_ONCE = 1 << 24  # bytes of the metrics of a run
DIGITS = 6


@dataclass
class _Reading:
    """What was read of the metrics of a run.

    Attributes:
        curves: The curves in all lines that were read.
        offset: The place of the next line.
        last: The last line that was read; another file has another one there.
    """

    curves: Curves = field(default_factory=Curves)
    offset: int = 0
    last: bytes = b""


_readings: dict[Path, _Reading] = {}  # by the folder of the run
_lock = threading.Lock()  # of these: requests are answered in several threads

log = logging.getLogger(__name__)


def inspection(model: CharLMNetwork, given: InspectRequest) -> dict[str, Any]:
    """A text through the eyes of a language model: what came, what was expected, and the values of a unit."""
    if len(given.text) > LONGEST_TEXT:
        raise UserError(f"the text has {len(given.text)} characters; at most {LONGEST_TEXT} are looked at: give fewer")
    reading = read(model, given.text)
    unit, values = given.unit, None
    if unit is not None:
        values = unit_values(model, reading, unit.layer, unit.index, unit.value)
    tokens: list[dict[str, Any]] = []
    names = {int(k): model.tokenizer.decode([int(k)]) for k in np.unique(reading.likeliest)}
    for t, (start, end) in enumerate(reading.spans.tolist()):
        token = {
            "start": start,
            "end": end,
            "surprise": None if t == 0 else round(float(reading.surprise[t]), 4),
            "likeliest": [
                (names[int(k)], round(float(p), 4)) for k, p in zip(reading.likeliest[t], reading.p[t], strict=True)
            ],
            "value": None if values is None else round(float(values[t]), 5),
        }
        if tokens and tokens[-1]["start"] == start and tokens[-1]["end"] == end:  # bytes of one character
            before = tokens[-1]["surprise"]
            tokens[-1]["surprise"] = None if before is None else round(before + token["surprise"], 4)
            tokens[-1] |= {name: token[name] for name in ("value", "likeliest")}
        else:
            tokens.append(token)
    L, _, H = reading.states.shape
    ranked = None
    if given.rank:
        marked = [(start, end) for start, end in given.marked if start < end]
        found = rank_units(reading, text_features(given.text, marked))
        ranked = {name: [vars(unit) for unit in units] for name, units in found.items()}
    return {"tokens": tokens, "values": values_of(model), "layers": L, "units": H, "ranked": ranked}


def unrolled(given: UnrollRequest) -> dict[str, Any]:
    """An example for each of the cells that were asked for."""
    if unknown := [cell for cell in given.cells if cell not in CELLS]:
        raise UserError(f"cells has {unknown[0]!r}; there are {', '.join(CELLS)}: give some of these")
    cells = {}
    for cell in given.cells:
        found = unroll(
            cell,
            given.text,
            hidden_size=given.hidden_size,
            spectral_radius=given.spectral_radius,
            bptt=given.bptt,
            seed=given.seed,
        )
        cells[cell] = {
            "values": {name: _rounded(values) for name, values in found.values.items()},
            "loss": round(found.loss, DIGITS),
            "gradients": _rounded(found.gradients),
            "norms": _rounded(found.norms),
            "first": found.first,
        }
    return {"text": given.text, "cells": cells}


def runs_of(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What is known of each run, in a few figures. The curves of other runs are forgotten."""
    with _lock:
        for gone in _readings.keys() - {entry.folder for entry in entries}:
            del _readings[gone]
        return [_figures(entry) for entry in entries]


def _figures(entry: Entry) -> dict[str, Any]:
    """A run in the list of runs. One that cannot be read has no figures, so that the others are shown."""
    try:
        curves, training = _curves(entry.folder), RunFolder(entry.folder).process() is not None
    except UserError as error:
        _log_left_out(entry.name, str(error))
        curves, training = Curves(), False
    return {
        "name": entry.name,
        "kind": entry.kind,
        "training": training,
        "step": curves.last.get("step"),
        "seconds": curves.last.get("seconds"),
        "progress": curves.last.get("progress"),
        "loss": curves.loss[-1] if curves.loss else None,
        "validation_loss": curves.validation_loss[-1] if curves.validation_loss else None,
        "accuracy": curves.accuracy[-1] if curves.accuracy else None,
    }


@functools.lru_cache(maxsize=1000)
def _log_left_out(name: str, reason: str) -> None:
    """Cached, so a run that is asked for again and again is named once."""
    log.warning("the list of runs has no figures of %s: %s", name, reason)


def run_of(entry: Entry) -> dict[str, Any]:
    """The curves, the last sample and the settings of a run."""
    config = read_config(entry.folder)
    settings = {"model_type": config["model_type"], **_flat(config["model"]), **_flat(config.get("training", {}))}
    with _lock:
        curves = _curves(entry.folder)
        return {
            "name": entry.name,
            "steps": _thinned(curves.steps),
            "seconds": _thinned(curves.seconds),
            "loss": _thinned(curves.loss),
            "validation_steps": curves.validation_steps[-POINTS:],
            "validation_seconds": curves.validation_seconds[-POINTS:],
            "validation_loss": curves.validation_loss[-POINTS:],
            "accuracy": curves.accuracy[-POINTS:],
            "sample": curves.sample,
            "settings": settings,
        }


def _rounded(values: np.ndarray) -> list[Any]:
    """Lists of numbers with six significant digits; None for what is not finite."""
    if values.ndim > 1:
        return [_rounded(row) for row in values]
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values.tolist()]


def _curves(folder: Path) -> Curves:
    """The curves of a run. Lines of its metrics that were read before are not read again.

    Raises:
        UserError: If they cannot be read.
    """
    path = RunFolder(folder).metrics_path
    try:
        reading = _read_on(path, _readings.pop(folder, _Reading())) if path.is_file() else _Reading()
    except OSError as error:
        raise unreadable(path, error) from None
    if not reading.offset:
        return reading.curves
    _readings[folder] = reading
    if len(_readings) > MOST_READINGS:
        del _readings[next(iter(_readings))]  # read least recently
    return reading.curves


def _read_on(path: Path, reading: _Reading) -> _Reading:
    """What was read of a file of metrics, with its new lines; all lines if it is another file."""
    with open(path, "rb") as file:
        file.seek(reading.offset - len(reading.last))
        if file.read(len(reading.last)) != reading.last:
            reading = _Reading()
            file.seek(0)
        while lines := file.read(READ_AT_ONCE).split(b"\n")[:-1]:  # whole ones
            for line in lines:
                text = line.decode("utf-8", "replace")
                if len(text) < LONGEST_LINE and (record := record_of(text)) is not None:
                    reading.curves.add(record)
            reading.last = lines[-1] + b"\n"
            reading.offset += sum(map(len, lines)) + len(lines)
            file.seek(reading.offset)
    return reading


def _thinned(values: Sequence[float]) -> list[float]:
    """At most POINTS of the values: the means of equal parts."""
    if len(values) <= POINTS:
        return list(values)
    return [float(part.mean()) for part in np.array_split(np.array(values, float), POINTS)]


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings as short texts, without those that are not set."""
    return {name: str(value)[:200] for name, value in values.items() if value is not None}
