"""The side of rnnnlp, with its native or its NumPy backend."""

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
from benchmarking.installed import (
    CharLMConfig,
    CharLMNetwork,
    Sampling,
    SentimentConfig,
    SentimentNetwork,
    generate,
)
from rnnnlp import __version__, kernels
from rnnnlp.batches.documents import batch_of
from rnnnlp.text import CharTokenizer
from rnnnlp.training.optimizers import AdamW, clipping, global_norm

Weights = dict[str, np.ndarray]


def start(backend: str | None, threads: int) -> str:
    """Makes the process ready; returns what runs, for people."""
    assert (AdamW.beta2, AdamW.eps) == (BETAS[1], EPSILON)  # the values of torch_side
    return f"rnnnlp {__version__}, {kernels.use(backend, threads)}"


def job(case: Case, documents: Documents | None, weights: Weights | None = None) -> Any:
    """Makes what runs the case, with these weights or new ones: `weights`, `check()`, `run()` and `how`."""
    rng = np.random.default_rng(0)
    if documents is None:
        tokenizer = CharTokenizer("".join(chr(ord(" ") + i) for i in range(CHARACTERS - 1)))  # id 0 is unknown
        lm = CharLMNetwork(CharLMConfig(dropout=0.0, **_sizes(case)), tokenizer, rng=rng)
        _set_weights(lm, weights)
        return TrainCharLM(lm, case) if case.task == "lm" else Generate(lm, tokenizer)
    config = SentimentConfig(labels=LABELS, dropout=0.0, max_length=MAX_LENGTH, **_sizes(case))
    classifier = SentimentNetwork(config, rng=rng)
    _set_weights(classifier, weights)
    return TrainClassifier(classifier, documents) if case.task == "classifier" else Predict(classifier, documents)


def _set_weights(network: Any, weights: Weights | None) -> None:
    if weights is not None:
        for name, parameter in network.parameters().items():
            parameter.value[...] = weights[name]


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
        self.optimizer = AdamW(self.parameters, weight_decay=WEIGHT_DECAY, momentum=BETAS[0])

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
        loss_sum, number = done if isinstance(done, tuple) else (done.loss_sum, done.count)  # a tuple in version 0.1
        return loss_sum / number

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
        text = "".join(generate(self.model, self.prompt, self.sampling, rng=self.rng))
        assert len(text) == LENGTH


class Predict(Job):
    def __init__(self, model: SentimentNetwork, documents: Documents):
        super().__init__(model)
        self.documents = documents.test

    def check(self) -> list[float]:
        return self.model.logits(self.documents[:64]).ravel().tolist()

    def run(self) -> None:
        self.model.logits(self.documents)


def peak(tries: int = 4) -> float:
    """The highest number of floating-point operations per second in a large matrix product of rnnnlp or NumPy."""
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
