"""Our side: rnnnlp, with its native or its NumPy backend."""

# N tokens, T steps, B sequences, V vocabulary

import time
from typing import Any

import numpy as np

from benchmarking.cases import (
    BETAS,
    CHARACTERS,
    EMBEDDING,
    EPSILON,
    LABELS,
    LEARNING_RATE,
    LENGTH,
    MAX_NORM,
    PROMPT,
    TEMPERATURE,
    WEIGHT_DECAY,
    Case,
    windows,
)
from benchmarking.documents import MAX_LENGTH, WORDS, Documents
from rnnnlp import kernels
from rnnnlp.batches.documents import batch_of
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import CharTokenizer
from rnnnlp.training.optimizers import AdamW, clipping, global_norm, optimizer

Weights = dict[str, np.ndarray]


def start(backend: str | None, threads: int) -> str:
    """Makes the process ready; returns what runs, for people."""
    assert (AdamW.beta1, AdamW.beta2, AdamW.eps) == (*BETAS, EPSILON)  # what the other side is told
    return f"rnnnlp, {kernels.use(backend, threads)}"


def job(case: Case, documents: Documents | None, weights: Weights | None = None) -> Any:
    """What runs the case: `weights`, `check()` and `run()`. The initial weights are the same in every process."""
    rng = np.random.default_rng(0)
    if documents is None:
        tokenizer = CharTokenizer("".join(chr(ord(" ") + i) for i in range(CHARACTERS - 1)))  # id 0 is none of them
        lm = CharLMNetwork(CharLMConfig(dropout=0.0, **_sizes(case)), tokenizer, rng=rng)
        return TrainCharLM(lm, case) if case.task == "lm" else Generate(lm, tokenizer)
    config = SentimentConfig(labels=LABELS, dropout=0.0, max_length=MAX_LENGTH, **_sizes(case))
    classifier = SentimentNetwork(config, rng=rng)
    return TrainClassifier(classifier, documents) if case.task == "classifier" else Predict(classifier, documents)


def _sizes(case: Case) -> dict[str, Any]:
    return {
        "vocab_size": WORDS if case.of_documents else CHARACTERS,
        "cell": case.cell,
        "embedding_size": EMBEDDING[case.task],
        "hidden_size": case.hidden_size,
        "num_layers": case.num_layers,
    }


class Job:
    def __init__(self, model: Any):
        self.model, self.how = model, ""

    @property
    def weights(self) -> Weights:
        return {name: p.value.copy() for name, p in self.model.parameters().items()}


class Training(Job):
    """The step of `rnnnlp.training.loop`: gradients, clipping, AdamW."""

    def __init__(self, model: Any):
        super().__init__(model)
        self.parameters = model.parameters()
        self.optimizer = optimizer("adamw", self.parameters, weight_decay=WEIGHT_DECAY)

    def step(self, batch: Any) -> tuple[float, float]:
        """Loss and gradient norm."""
        self.model.zero_grad()
        loss = self.gradients(batch)
        norm, _ = global_norm(self.parameters)
        self.optimizer.step(LEARNING_RATE, scale=clipping(norm, MAX_NORM))
        return loss, norm

    def gradients(self, batch: Any) -> float:
        raise NotImplementedError


class TrainCharLM(Training):
    def __init__(self, model: CharLMNetwork, case: Case):
        super().__init__(model)
        self.windows, self.batch_sizes = windows(case), np.full(case.steps, case.batch_size)
        self.state, self.steps = model.zero_state(case.batch_size), 0

    def gradients(self, batch: Any) -> float:
        loss_sum, number, self.state = self.model.gradients(*batch, self.batch_sizes, self.state)
        return loss_sum / number

    def check(self) -> list[float]:
        return [*self.step(self.windows[0]), *self.step(self.windows[1])]

    def run(self) -> None:
        self.step(self.windows[self.steps % len(self.windows)])
        self.steps += 1


class TrainClassifier(Training):
    def __init__(self, model: SentimentNetwork, documents: Documents):
        super().__init__(model)
        self.batches = [
            batch_of(batch, labels, np.arange(len(batch)))
            for batch, labels in zip(documents.batches, documents.labels, strict=True)
        ]

    def gradients(self, batch: Any) -> float:
        done = self.model.gradients(batch)
        return done.loss_sum / done.count

    def check(self) -> list[float]:
        return [*self.step(self.batches[0]), *self.step(self.batches[0])]

    def run(self) -> None:
        for batch in self.batches:
            self.step(batch)


class Generate(Job):
    def __init__(self, model: CharLMNetwork, tokenizer: CharTokenizer):
        super().__init__(model)
        self.rng, self.sampling = np.random.default_rng(0), Sampling(length=LENGTH, temperature=TEMPERATURE)
        self.prompt = tokenizer.decode(PROMPT)

    def check(self) -> list[float]:
        return self.model.decoder().read(np.array(PROMPT)).tolist()

    def run(self) -> None:
        written = "".join(generate(self.model, self.prompt, self.sampling, rng=self.rng))
        assert len(written) == LENGTH


class Predict(Job):
    def __init__(self, model: SentimentNetwork, documents: Documents):
        super().__init__(model)
        self.documents = documents.test

    def check(self) -> list[float]:
        return self.model.logits(self.documents[:64]).ravel().tolist()

    def run(self) -> None:
        self.model.logits(self.documents)


def peak(tries: int = 4) -> float:
    """The most operations a second in a large matrix product, ours or NumPy's."""
    size = 2048
    rng = np.random.default_rng(0)
    a, b = (rng.random((size, size), np.float32) for _ in range(2))
    backend = kernels.of(a)
    shortest = float("inf")
    for _ in range(tries):
        for multiply in (np.matmul, backend.matmul, backend.matmul_nt):
            started = time.perf_counter()
            multiply(a, b)
            shortest = min(shortest, time.perf_counter() - started)
    return 2 * size**3 / shortest
