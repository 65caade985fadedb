"""The first 20 training steps of whole networks against the same networks in torch.nn."""

import numpy as np
import pytest

from rnnnlp.batches.documents import batch_of
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.optimizers import OPTIMIZERS, Adam, clipping, global_norm
from tests.parity.torch_or_skip import torch
from tests.parity.twins import CELLS, CharLMTwin, SentimentTwin, as_torch_state, as_tuple, tensor

V, H, STEPS = 6, 8, 20
LR, MOMENTUM, WEIGHT_DECAY, MAX_NORM = 0.02, 0.6, 0.01, 0.3
TOLERANCE = 1e-6  # torch clips to max_norm / (norm + 1e-6), which is why it is not tighter


def their_optimizer(twin):
    parameters = list(twin.parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=LR,
        betas=(MOMENTUM, Adam.beta2),
        eps=Adam.eps,
    )


def train(model, gradients, twin, their_loss):
    """The losses of both at each step, each trained with its own gradients.

    `gradients(k)` and `their_loss(k)` compute the loss of step k.
    """
    ours = OPTIMIZERS["adamw"](model.parameters(), weight_decay=WEIGHT_DECAY, momentum=MOMENTUM)
    theirs = their_optimizer(twin)
    losses, clipped = [], 0
    for step in range(STEPS):
        model.zero_grad()
        loss_sum, count = gradients(step)
        norm, _ = global_norm(model.parameters())
        clipped += norm > MAX_NORM
        ours.step(LR, clipping(norm, MAX_NORM))

        theirs.zero_grad()
        loss = their_loss(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), MAX_NORM)
        theirs.step()
        losses.append((loss_sum / count, loss.item()))
    assert clipped, "no gradient was ever large enough to be clipped"
    return np.array(losses).T


def every_id_first(rng, size):
    """Random ids with each id at least once: torch.optim, unlike ours, also changes embeddings without a gradient."""
    return np.concatenate([rng.permutation(V), rng.integers(V, size=size - V)])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("num_layers", "tied"), [(1, False), (1, True), (2, False)])
def test_language_model(cell, num_layers, tied):
    T, B = 5, 3
    config = CharLMConfig(
        vocab_size=V,
        cell=cell,
        embedding_size=H if tied else 4,
        hidden_size=H,
        num_layers=num_layers,
        dropout=0.0,
        tied_weights=tied,
    )
    rng = np.random.default_rng(0)
    model = CharLMNetwork(config, rng=rng, dtype=np.float64)
    twin = CharLMTwin(model)
    batch_sizes = np.full(T, B)
    windows = [(every_id_first(rng, T * B), rng.integers(V, size=T * B)) for _ in range(STEPS)]
    state = model.zero_state(B)
    their_state = as_torch_state([tensor(s) for s in state])

    def gradients(step):
        nonlocal state
        loss_sum, count, state = model.gradients(*windows[step], batch_sizes, state, label_smoothing=0.1)
        return loss_sum, count

    def their_loss(step):
        nonlocal their_state
        inputs, targets = windows[step]
        logits, end = twin(tensor(inputs), batch_sizes, their_state)
        their_state = as_torch_state([s.detach() for s in as_tuple(end)])  # carried, and the gradient cut
        return torch.nn.functional.cross_entropy(logits, tensor(targets), label_smoothing=0.1)

    ours, theirs = train(model, gradients, twin, their_loss)
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("cell", "pooling", "num_layers", "bidirectional"),
    [(cell, "mean+max", num_layers, both) for cell in CELLS for num_layers, both in [(1, True), (2, True), (1, False)]]
    + [("gru", pooling, 1, both) for pooling in POOLINGS for both in (True, False)],
)
def test_classifier(cell, pooling, num_layers, bidirectional):
    config = SentimentConfig(
        vocab_size=V,
        labels=("bad", "fair", "good"),
        cell=cell,
        embedding_size=4,
        hidden_size=H,
        num_layers=num_layers,
        bidirectional=bidirectional,
        pooling=pooling,
        dropout=0.0,
    )
    rng = np.random.default_rng(0)
    model = SentimentNetwork(config, rng=rng, dtype=np.float64)
    twin = SentimentTwin(model)
    weights = np.array([0.5, 1.0, 2.0])
    batches = []
    for _ in range(STEPS):
        documents = [rng.integers(V, size=3), every_id_first(rng, 9), rng.integers(V, size=1), rng.integers(V, size=6)]
        batches.append(batch_of(documents, rng.integers(3, size=4), np.arange(4)))

    def their_loss(step):
        batch = batches[step]
        logits = twin(tensor(batch.ids), batch.batch_sizes)
        losses = torch.nn.functional.cross_entropy(logits, tensor(batch.labels), reduction="none")
        return (tensor(weights[batch.labels]) * losses).mean()

    def gradients(step):
        done = model.gradients(batches[step], sample_weights=weights[batches[step].labels])
        return done.loss_sum, done.count

    ours, theirs = train(model, gradients, twin, their_loss)
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE)
