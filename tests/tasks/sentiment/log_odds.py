"""The derivative of the log-odds of a decision along embeddings: contributions of `explain` are compared with it."""

from collections.abc import Sequence

import numpy as np

from rnnnlp.tasks.sentiment.predictor import Predictor
from tests.gradients import EPS


def slope_along(tables: Sequence[np.ndarray], model: Predictor, text: str, label: int) -> float:
    """The derivative of the log-odds of `label` as all tables grow by the same factor; they stay as they were."""
    before = [table.copy() for table in tables]
    found = []
    for factor in (1 + EPS, 1 - EPS, 1):
        for table, values in zip(tables, before, strict=True):
            table[...] = values * factor
        p = model.predict_proba([text])[0, label]
        found.append(np.log(p / (1 - p)))
    return float(found[0] - found[1]) / (2 * EPS)
