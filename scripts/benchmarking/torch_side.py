"""The side of PyTorch: what someone who knows it well writes for the same work."""

# T steps, B sequences, D embedding, H hidden, V vocabulary

import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from benchmarking.cases import (
    BATCH_SIZE,
    BETAS,
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
from benchmarking.documents import Documents

NAMES = {"W_x": "weight_ih", "W_h": "weight_hh", "b_x": "bias_ih", "b_h": "bias_hh"}
_threads = 1  # of all cases, as given to `start`


def start(backend: str | None, threads: int) -> str:
    """Makes the process ready; returns what runs, for people."""
    global _threads
    _threads = threads
    torch.set_num_threads(threads)
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def job(case: Case, documents: Documents | None, weights: dict[str, np.ndarray]) -> Any:
    """Makes what runs the case with these weights: `check()`, `run()`, and `how`, which of several ways it takes."""
    torch.set_num_threads(_threads)  # `Generate` may have left another number
    model = Model(case)
    model.load_state_dict({_torch_name(name): torch.from_numpy(w.copy()) for name, w in weights.items()})
    if documents is None:
        return TrainCharLM(model, case) if case.task == "lm" else Generate(model, case.rival)
    if case.task == "classifier":
        return TrainClassifier(model, documents, model.packed if case.rival == "packed" else model.padded)
    return Predict(model, documents)


def _torch_name(name: str) -> str:
    layer, *direction, kind = name.split(".")  # recurrent, 0 and forward, W_x
    if layer != "recurrent":
        return name
    return f"recurrent.{NAMES[kind]}_l{direction[0]}" + ("_reverse" if direction[1] == "reverse" else "")


class Model(nn.Module):
    """A language model, with a head over each step, or a classifier, with mean and maximum pooling."""

    def __init__(self, case: Case):
        super().__init__()
        size, H = EMBEDDING[case.task], case.hidden_size
        self.embedding = nn.Embedding(case.vocab_size, size)
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[case.cell]
        self.recurrent = kind(size, H, case.num_layers, bidirectional=case.of_documents)
        self.head = nn.Linear(4 * H, len(LABELS)) if case.of_documents else nn.Linear(H, case.vocab_size)

    def packed(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """`ids (T, B)` padded, longest first, `lengths (B,)` -> logits `(B, K)`."""
        y, _ = self.recurrent(pack_padded_sequence(self.embedding(ids), lengths))
        y, _ = pad_packed_sequence(y)  # (T, B, 2*H), zeros behind the end
        return self.pooled(y, _inside(ids, lengths), lengths)

    def padded(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The same as `packed`, but the layers also compute the padding."""
        y, _ = self.recurrent(self.embedding(ids))  # (T, B, 2*H)
        inside = _inside(ids, lengths)
        return self.pooled(y * inside, inside, lengths)

    def pooled(self, y: Tensor, inside: Tensor, lengths: Tensor) -> Tensor:
        largest = y.masked_fill(~inside, -torch.inf).max(dim=0).values
        return self.head(torch.cat([y.sum(dim=0) / lengths[:, None], largest], dim=1))


def _inside(ids: Tensor, lengths: Tensor) -> Tensor:
    """A mask `(T, B, 1)`: whether a document has that step."""
    return (torch.arange(len(ids))[:, None] < lengths)[..., None]


class Training:
    """A training step with `AdamW(fused=True)`, which takes no sparse gradients: the embedding's is dense."""

    def __init__(self, model: Model):
        self.model, self.how = model, ""
        self.parameters = list(model.parameters())
        groups = [
            {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in self.parameters if p.ndim == 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, fused=True)

    def step(self, batch: Any) -> tuple[float, float]:
        """Loss and gradient norm."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(*batch)
        loss.backward()
        norm = clip_grad_norm_(self.parameters, MAX_NORM)
        self.optimizer.step()
        return loss.item(), norm.item()

    def loss(self, *batch: Any) -> Tensor:
        raise NotImplementedError


class TrainCharLM(Training):
    def __init__(self, model: Model, case: Case):
        super().__init__(model)
        drawn = [[torch.from_numpy(ids.astype(np.int64)) for ids in window] for window in windows(case)]
        self.windows = [(inputs.view(case.steps, case.batch_size), targets) for inputs, targets in drawn]
        self.state: Any = None
        self.steps = 0

    def loss(self, *batch: Any) -> Tensor:
        inputs, targets = batch
        h, state = self.model.recurrent(self.model.embedding(inputs), self.state)  # (T, B, H)
        self.state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        return F.cross_entropy(self.model.head(h).flatten(0, 1), targets)

    def check(self) -> list[float]:
        return [*self.step(self.windows[0]), *self.step(self.windows[1])]

    def run(self) -> None:
        self.step(self.windows[self.steps % len(self.windows)])
        self.steps += 1


class TrainClassifier(Training):
    def __init__(self, model: Model, documents: Documents, forward: Callable[[Tensor, Tensor], Tensor]):
        super().__init__(model)
        self.forward = forward
        self.batches = []
        for batch, labels in zip(documents.batches, documents.labels, strict=True):
            ids, lengths, order = _collated([torch.from_numpy(ids.astype(np.int64)) for ids in batch])
            self.batches.append((ids, lengths, torch.from_numpy(labels)[order]))

    def loss(self, *batch: Any) -> Tensor:
        ids, lengths, labels = batch
        return F.cross_entropy(self.forward(ids, lengths), labels)

    def check(self) -> list[float]:
        return [*self.step(self.batches[0]), *self.step(self.batches[0])]

    def run(self) -> None:
        for batch in self.batches:
            self.step(batch)


def _collated(documents: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """`ids (T, B)` padded, longest first, `lengths (B,)`, and the indices `(B,)` of the documents."""
    lengths, order = torch.tensor([len(d) for d in documents]).sort(descending=True, stable=True)
    return pad_sequence([documents[i] for i in order.tolist()]), lengths, order


class Predict:
    """Batches sorted by length, packed or padded, whichever is faster on some of them."""

    def __init__(self, model: Model, documents: Documents):
        self.documents = [torch.from_numpy(ids.astype(np.int64)) for ids in documents.test]
        self.model = model
        order = torch.tensor([-len(d) for d in self.documents]).argsort(stable=True)
        tried = order.split(BATCH_SIZE)[::16]
        self.forward, self.how = fastest(
            {"packed": model.packed, "padded": model.padded}, lambda forward: self.logits(forward, tried)
        )

    @torch.inference_mode()
    def logits(self, forward: Callable[[Tensor, Tensor], Tensor], batches: Any) -> Tensor:
        logits = torch.empty(len(self.documents), len(LABELS))
        for indices in batches:
            ids, lengths, order = _collated([self.documents[i] for i in indices.tolist()])
            logits[indices[order]] = forward(ids, lengths)
        return logits

    def check(self) -> list[float]:
        return self.logits(self.model.packed, [torch.arange(64)])[:64].flatten().tolist()

    def run(self) -> None:
        order = torch.tensor([-len(d) for d in self.documents]).argsort(stable=True)
        self.logits(self.forward, order.split(BATCH_SIZE))


class Generate:
    """Generates with `nn.LSTM` or `nn.LSTMCell`, with the fastest of three ways to sample, on one or all threads."""

    def __init__(self, model: Model, rival: str):
        self.model = model
        self.ids = list(torch.arange(model.embedding.num_embeddings)[:, None])
        self.rng = np.random.default_rng(0)
        self.loop = {"nn.LSTM": self.by_layers, "nn.LSTMCell": self.by_cells}[rival]
        samplers = {"multinomial": multinomial, "exponential": exponential, "numpy": self.by_numpy}
        threads = sorted({1, _threads})
        ways = {f"{name}, {n} threads": (samplers[name], n) for name, n in product(samplers, threads)}
        self.way, self.how = fastest(ways, lambda way: self.generate(way, 100))

    @torch.inference_mode()
    def generate(self, way: tuple[Callable, int], length: int) -> str:
        sample, threads = way
        torch.set_num_threads(threads)
        step, logits = self.loop()
        tokens = []
        for _ in range(length):
            token = sample(logits)  # (1,)
            tokens.append(token)
            logits = step(token)
        return "".join(chr(ord(" ") + i) for i in torch.cat(tokens).tolist())

    def by_layers(self) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """A function from a token `(1,)` to the next logits `(V,)`, and the logits after the prompt."""
        model, state = self.model, None

        def step(token: Tensor) -> Tensor:
            nonlocal state
            h, state = model.recurrent(model.embedding(token), state)  # (n, H): no batch
            return model.head(h[-1])

        return step, step(torch.tensor(PROMPT))

    def by_cells(self) -> tuple[Callable[[Tensor], Tensor], Tensor]:
        """The same with a cell for each layer."""
        model, cells = self.model, self.cells()
        _, (h0, c0) = model.recurrent(model.embedding(torch.tensor(PROMPT[:-1])))  # (L, H)
        states = [(h[None], c[None]) for h, c in zip(h0, c0, strict=True)]

        def step(token: Tensor) -> Tensor:
            x = model.embedding(token)
            for k, cell in enumerate(cells):
                states[k] = cell(x, states[k])
                x = states[k][0]
            return model.head(x)[0]

        return step, step(torch.tensor(PROMPT[-1:]))

    def cells(self) -> list[nn.LSTMCell]:
        cells = []
        for k in range(self.model.recurrent.num_layers):
            weights = {name: getattr(self.model.recurrent, f"{name}_l{k}").detach() for name in NAMES.values()}
            cell = nn.LSTMCell(weights["weight_ih"].shape[1], self.model.recurrent.hidden_size)
            cell.load_state_dict(weights)
            cells.append(cell)
        return cells

    def by_numpy(self, logits: Tensor) -> Tensor:
        p = logits.numpy() / TEMPERATURE
        p -= p.max()
        cumulative = np.exp(p, out=p).cumsum()
        return self.ids[min(int(cumulative.searchsorted(self.rng.random() * cumulative[-1])), len(p) - 1)]

    @torch.inference_mode()
    def check(self) -> list[float]:
        return self.loop()[1].tolist()

    def run(self) -> None:
        assert len(self.generate(self.way, LENGTH)) == LENGTH


def multinomial(logits: Tensor) -> Tensor:
    return torch.multinomial(torch.softmax(logits / TEMPERATURE, dim=-1), 1)


def exponential(logits: Tensor) -> Tensor:
    """Samples a token by exponential variables: the first one with these rates has these probabilities."""
    p = torch.softmax(logits / TEMPERATURE, dim=-1)
    return (p / torch.empty_like(p).exponential_()).argmax(dim=-1, keepdim=True)


def fastest(ways: dict[str, Any], run: Callable[[Any], Any]) -> tuple[Any, str]:
    """The way with which `run` takes the shortest time, and its name."""
    shortest: dict[str, float] = {}
    for name in [*ways] * 3:
        started = time.perf_counter()
        run(ways[name])
        shortest[name] = min(time.perf_counter() - started, shortest.get(name, float("inf")))
    best = min(shortest, key=lambda name: shortest[name])
    return ways[best], best
