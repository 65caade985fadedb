"""POST /v1/predict."""

# n texts, K classes

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.server.batching import Job
from rnnnlp.server.catalogue import Entry
from rnnnlp.server.counters import Counters
from rnnnlp.tasks.sentiment.predictor import Inference, Predictor, as_fields
from rnnnlp.tasks.sentiment.threshold import Threshold


@dataclass(frozen=True)
class Wanted:
    """What a request wants to know of its texts."""

    explain: bool
    threshold: tuple[str, float] | None


class Classification:
    """Answers requests that arrived together. Several threads may call it.

    Args:
        entry: The classifier; it may be another one at the next call.
        counters: Count the texts.
    """

    def __init__(self, entry: Entry, counters: Counters):
        self._entry, self._counters = entry, counters
        self._opened: tuple[Predictor, Inference] | None = None
        self._explaining = threading.Lock()  # the gradients of a model belong to one explanation at a time

    def __call__(self, jobs: Sequence[Job]) -> list[Any]:
        """For each request a list with one answer for each text, or an error."""
        model: Predictor = self._entry.model
        opened = self._opened
        if opened is None or opened[0] is not model:
            opened = self._opened = model, model.inference()
        texts = [text for job in jobs for text in job.texts]
        probabilities, unknown = model.probabilities_and_unknown(texts, opened[1])  # (n, K), (n,)
        self._counters.classified(self._entry.name, len(texts))
        answers: list[Any] = []
        start = 0
        for job in jobs:
            own = slice(start, start + len(job.texts))
            start = own.stop
            try:
                answers.append(self._answers(model, job, probabilities[own], unknown[own]))
            except UserError as error:
                answers.append(error)
        return answers

    def _answers(self, model: Predictor, job: Job, probabilities: Any, unknown: Any) -> list[dict[str, Any]]:
        wanted: Wanted = job.options
        decisions = probabilities.argmax(axis=1)  # (n,)
        if wanted.threshold is not None:
            label, p = wanted.threshold
            if label not in model.labels:
                raise UserError(
                    f"the threshold has the label {label[:100]!r}; it must be one of {', '.join(model.labels)}"
                )
            decisions = Threshold(model.labels.index(label), p).decide(probabilities)
        explained: Sequence[Any] = [None] * len(decisions)
        if wanted.explain:
            with self._explaining:
                explained = model.explain_decisions(job.texts, decisions)
        rows = zip(job.texts, decisions.tolist(), probabilities, unknown, explained, strict=True)
        return [as_fields(model.classes, *row) for row in rows]
