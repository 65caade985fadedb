"""What the training loop drives: the options of the loss of a window."""

import numpy as np
import pytest

from rnnnlp.batches.shards import WHOLE
from rnnnlp.tasks.char_lm.config import CharLMConfig, CharLMTraining
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective

V = 5


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_loss_of_a_window_is_that_of_the_network(label_smoothing: float):
    network = CharLMNetwork(CharLMConfig(V, embedding_size=2, hidden_size=3), rng=np.random.default_rng(0))
    ids = np.random.default_rng(1).integers(V, size=60)
    options = {"label_smoothing": label_smoothing, "batch_size": 2, "bptt": 4, "lr": 0.1, "evaluations": 1}
    objective = CharLMObjective(network, ids, ids, len(ids), CharLMTraining(data="", **options), {})
    objective.next_batch()
    w, state = objective.window, network.zero_state(2)
    window = w.inputs, w.targets, w.batch_sizes, state
    smoothed = network.gradients(*window, rng=np.random.default_rng(2), label_smoothing=label_smoothing)[0]
    plain = network.gradients(*window, rng=np.random.default_rng(2))[0]
    assert (smoothed == plain) == (label_smoothing == 0)
    assert objective.gradients(WHOLE, rng=np.random.default_rng(2)).loss_sum == pytest.approx(smoothed, rel=1e-6)


def test_a_part_of_the_validation_text_has_its_share_of_the_characters():
    network = CharLMNetwork(CharLMConfig(V, embedding_size=2, hidden_size=3), rng=np.random.default_rng(0))
    ids = np.random.default_rng(1).integers(V, size=60)
    config = CharLMTraining(data="", batch_size=2, bptt=4, lr=0.1, evaluations=1, validation_tokens=20)
    figures = CharLMObjective(network, ids, ids, len(ids), config, {}).evaluate()
    assert figures["nats_per_char"] == pytest.approx(np.log(figures["perplexity"]))
