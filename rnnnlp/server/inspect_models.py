"""What the page shows of language models and runs: a text through a model, an unrolled example, curves of training."""

import math
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.analysis.hidden_units import rank_units, read, text_features, unit_values, values_of
from rnnnlp.analysis.plots import Curves, curves_of
from rnnnlp.analysis.unrolled import unroll
from rnnnlp.errors import UserError
from rnnnlp.kernels import CELLS
from rnnnlp.server.catalogue import Entry
from rnnnlp.server.schemas import InspectRequest, UnrollRequest
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.training.model_folder import read_config
from rnnnlp.training.run_folder import RunFolder

LONGEST_TEXT = 4000  # characters that are looked at
POINTS = 400  # of a curve
KEPT_CURVES = 256
DIGITS = 6


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
            cell, given.text, hidden_size=given.hidden_size, scale=given.scale, bptt=given.bptt, seed=given.seed
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
    """What is known of each run, in a few figures."""
    runs = []
    for entry in entries:
        folder = RunFolder(entry.folder)
        curves = _curves(folder)
        runs.append(
            {
                "name": entry.name,
                "kind": entry.kind,
                "training": folder.process() is not None,
                "step": curves.last.get("step"),
                "seconds": curves.last.get("seconds"),
                "progress": curves.last.get("progress"),
                "loss": curves.loss[-1] if curves.loss else None,
                "validation_loss": curves.validation_loss[-1] if curves.validation_loss else None,
                "accuracy": curves.accuracy[-1] if curves.accuracy else None,
            }
        )
    return runs


def run_of(entry: Entry) -> dict[str, Any]:
    """The curves, the last sample and the settings of a run."""
    folder = RunFolder(entry.folder)
    curves, config = _curves(folder), read_config(folder.path)
    settings = {"model_type": config["model_type"], **_flat(config["model"]), **_flat(config.get("training", {}))}
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


def _curves(folder: RunFolder) -> Curves:
    """The curves of a run, read again only if the file has changed."""
    try:
        status = os.stat(folder.metrics_path)
    except OSError:
        return Curves()
    return _curves_of(folder.path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(KEPT_CURVES)
def _curves_of(path: Path, _: tuple[int, int, int]) -> Curves:
    return curves_of(RunFolder(path))


def _thinned(values: Sequence[float]) -> list[float]:
    """At most POINTS of the values: the means of equal parts."""
    if len(values) <= POINTS:
        return list(values)
    return [float(part.mean()) for part in np.array_split(np.array(values, float), POINTS)]


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings as short texts, without those that are not set."""
    return {name: str(value)[:200] for name, value in values.items() if value is not None}
