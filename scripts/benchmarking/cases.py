"""What is measured: the cases, their random data, and the arithmetic that they need."""

# N tokens, T steps, B sequences, G gates, H hidden, V vocabulary

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchmarking.documents import WORDS, Documents

CHARACTERS = 65  # vocabulary of the language models
EMBEDDING = {"lm": 64, "generation": 64, "classifier": 128, "inference": 128}
LABELS = ("negative", "positive")
PROMPT = (40, 41, 42, 33, 1, 50, 60, 7)  # ids
LENGTH = 1000  # characters generated in a run
TEMPERATURE = 0.8
BATCH_SIZE = 64  # documents
LEARNING_RATE, WEIGHT_DECAY, MAX_NORM = 1e-3, 0.01, 1.0
BETAS, EPSILON = (0.9, 0.99), 1e-8


@dataclass(frozen=True)
class Case:
    """One case of the benchmark.

    Attributes:
        task: lm (a training step of a language model), classifier (the same of a classifier), generation or inference.
        cell: lstm or gru.
        hidden_size: H.
        num_layers: L.
        batch_size: B.
        steps: T of a language model's window.
        rival: How the other side does it, where there are several ways.
    """

    task: str
    cell: str
    hidden_size: int
    num_layers: int = 1
    batch_size: int = BATCH_SIZE
    steps: int = 0
    rival: str = ""

    @property
    def name(self) -> str:
        sizes = f"{self.batch_size},{self.steps},{self.hidden_size}" if self.task == "lm" else f"{self.hidden_size}"
        layers = f" x{self.num_layers}" if self.num_layers > 1 else ""
        return f"{self.task} {self.cell} {sizes}{layers}" + (f" vs {self.rival}" if self.rival else "")

    @property
    def of_documents(self) -> bool:
        return self.task in ("classifier", "inference")

    @property
    def unit(self) -> str:
        return {"generation": "characters/s", "inference": "reviews/s"}.get(self.task, "ms")

    @property
    def vocab_size(self) -> int:
        return WORDS if self.of_documents else CHARACTERS

    @property
    def tolerance(self) -> float:
        """The relative difference that the two losses may have. With padding, one direction begins on the padding."""
        return 0.1 if self.rival == "padded" else 1e-3


def all_cases(*, of_torch: bool) -> list[Case]:
    """All cases; PyTorch does some of them in two ways."""
    rivals, loops = (("packed", "padded"), ("nn.LSTM", "nn.LSTMCell")) if of_torch else (("",), ("",))
    return [
        Case("lm", "lstm", 128, batch_size=32, steps=64),
        Case("lm", "lstm", 128, batch_size=50, steps=50, num_layers=2),
        Case("lm", "lstm", 256, batch_size=64, steps=64),
        Case("lm", "lstm", 512, batch_size=64, steps=128),
        Case("lm", "lstm", 512, batch_size=128, steps=128),
        Case("lm", "gru", 256, batch_size=64, steps=64),
        *(replace(Case("classifier", cell, 128), rival=rival) for cell in ("lstm", "gru") for rival in rivals),
        *(Case("generation", "lstm", 128, num_layers=2, rival=loop) for loop in loops),
        *(Case("generation", "lstm", 512, rival=loop) for loop in loops),
        *(Case("inference", cell, 128) for cell in ("lstm", "gru")),
    ]


class Window(NamedTuple):
    inputs: np.ndarray  # (N,) time-major
    targets: np.ndarray  # (N,)


def windows(case: Case) -> list[Window]:
    """Some windows of a language model, the same ones in every process."""
    rng = np.random.default_rng(0)
    shape = (case.steps + 1, case.batch_size)
    drawn = [rng.integers(CHARACTERS, size=shape, dtype=np.uint8) for _ in range(8)]
    return [Window(ids[:-1].ravel(), ids[1:].ravel()) for ids in drawn]


def count(case: Case, documents: Documents | None) -> int:
    """The number of steps, characters or reviews of a run."""
    if case.task == "lm":
        return 1
    if documents is None:
        return LENGTH
    return len(documents.batches) if case.task == "classifier" else len(documents.test)


def flops(case: Case, documents: Documents | None) -> float:
    """The number of floating-point operations of the matrix products that a run needs at least.

    The first layer's input is one of few rows of the embedding, so its product is needed once for each unique token.
    A backward pass has two products for each one of the forward pass.
    """
    passes = 3 if case.task in ("lm", "classifier") else 1
    return passes * sum(_forward_flops(case, *sizes) for sizes in _sizes(case, documents))


def _sizes(case: Case, documents: Documents | None) -> Iterator[tuple[int, int, int]]:
    """The number of tokens, of unique tokens, and of multiplications of the head, for each batch of a run."""
    if documents is None:
        tokens = case.batch_size * case.steps if case.task == "lm" else LENGTH
        yield tokens, CHARACTERS, tokens * case.hidden_size * CHARACTERS
        return
    for batch in documents.batches if case.task == "classifier" else documents.test_batches():
        ids = np.concatenate(batch)
        yield len(ids), len(np.unique(ids)), len(batch) * 4 * case.hidden_size * len(LABELS)


def _forward_flops(case: Case, tokens: int, unique: int, head: int) -> float:
    from rnnnlp.kernels import CELLS  # here: other installations import this file, too, and theirs may differ

    directions = 2 if case.of_documents else 1
    columns = directions * len(CELLS[case.cell].gates) * case.hidden_size  # gates of both directions
    recurrence = case.num_layers * tokens * columns * case.hidden_size
    inputs = unique * columns * EMBEDDING[case.task]
    inputs += (case.num_layers - 1) * tokens * columns * directions * case.hidden_size
    return 2.0 * (recurrence + inputs + head)
