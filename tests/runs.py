"""Training runs of tests: the library's one way from options to a trained network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.tasks import load_task
from rnnnlp.text import Classes, LabelledData, LabelledSplit
from rnnnlp.text.labelled import hold_out_validation
from rnnnlp.training.run import train


def trained(task: str, folder: str | Path, *, loaded: Any = None, overwrite: bool = False, **options: Any) -> Any:
    """The network of a task, trained in a run folder with these options; `loaded` are data that are there already."""
    found = load_task(task)
    return train(found, found.options_from(options), folder, data=loaded, overwrite=overwrite)


def trained_on(texts: Sequence[str], labels: Sequence[str], folder: str | Path, **options: Any) -> Any:
    """A classifier, trained on texts and labels that are in memory."""
    names = tuple(sorted(set(labels)))
    split = LabelledSplit(list(texts), np.array([names.index(label) for label in labels], np.int64))
    data = LabelledData(hold_out_validation(split, "the given texts"), Classes(names), "the given texts")
    return trained("sentiment", folder, loaded=data, data=data.source, **options)
