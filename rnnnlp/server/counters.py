"""What the server counts, as the text that Prometheus reads."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counters:
    """Counts of requests, texts and tokens.

    Attributes:
        requests: By path and status.
        texts: Texts that were classified, by model.
        batches: The calls of the model that this took, by model.
        tokens: Tokens that were generated, by model.
        waiting: The number of texts that wait now.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.texts: Counter[str] = Counter()
        self.batches: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.waiting = waiting
        self._seconds: dict[str, list[float]] = {}  # by path: the sum, and the number in each bucket
        self._lock = threading.Lock()

    def classified(self, model: str, texts: int) -> None:
        """Counts a call of a classifier; several threads may do so."""
        with self._lock:
            self.texts[model] += texts
            self.batches[model] += 1

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self.requests[path, status] += 1
        of_path = self._seconds.setdefault(path, [0.0] * (len(BUCKETS) + 2))
        of_path[0] += seconds
        of_path[1 + sum(seconds > bound for bound in BUCKETS)] += 1

    def text(self) -> str:
        """All counts, a line each."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _heading("requests_total", "counter", "Requests by path and status.")
        for (path, status), number in sorted(self.requests.items()):
            yield f'rnnnlp_requests_total{{path="{_quoted(path)}",status="{status}"}} {number}'
        yield from _heading("request_seconds", "histogram", "Time to the end of the answer.")
        for path, (total, *of_path) in sorted(self._seconds.items()):
            name, below = _quoted(path), 0
            bounds = [*map(str, BUCKETS), "+Inf"]
            for bound, of_bound in zip(bounds, of_path, strict=True):
                below += int(of_bound)
                yield f'rnnnlp_request_seconds_bucket{{path="{name}",le="{bound}"}} {below}'
            yield f'rnnnlp_request_seconds_sum{{path="{name}"}} {total:.6f}'
            yield f'rnnnlp_request_seconds_count{{path="{name}"}} {below}'
        for counts, name, said in (
            (self.texts, "texts_total", "Texts that were classified."),
            (self.batches, "batches_total", "Calls of the model for these texts."),
            (self.tokens, "tokens_total", "Tokens that were generated."),
        ):
            yield from _heading(name, "counter", said)
            for model, number in sorted(counts.items()):
                yield f'rnnnlp_{name}{{model="{_quoted(model)}"}} {number}'
        yield from _heading("waiting_texts", "gauge", "Texts that wait to be classified.")
        yield f"rnnnlp_waiting_texts {self.waiting()}"


def _heading(name: str, kind: str, said: str) -> tuple[str, str]:
    return f"# HELP rnnnlp_{name} {said}", f"# TYPE rnnnlp_{name} {kind}"


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
