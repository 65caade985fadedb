"""The loss of a language model on a text, written out segment by segment."""

import numpy as np
import pytest

from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.language_modelling import WARMUP, language_model_loss
from tests.gradients import randomize

V, TOKENS = 5, 2004  # one more than a prime number


def ones(length: int) -> np.ndarray:
    return np.ones(length, np.int64)


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("streams", [1, 2, 3, 5])
def test_each_segment_is_read_after_the_tokens_before_it(
    streams: int, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CharLMNetwork(
        CharLMConfig(V, "lstm", embedding_size=3, hidden_size=4), rng=np.random.default_rng(0), dtype=np.float64
    )
    randomize(model.parameters(), np.random.default_rng(1), scale=1.0)
    ids = np.random.default_rng(2).integers(V, size=TOKENS)
    expected = 0.0
    for targets in np.array_split(np.arange(1, TOKENS), streams):
        start = targets[0] - 1
        before = ids[max(0, start - WARMUP) : start]
        state = model.zero_state(1)
        if len(before):
            assert len(before) == WARMUP
            state = model.state_after(before, ones(WARMUP), state)
        expected += model.loss(ids[targets - 1], ids[targets], ones(len(targets)), state)[0]
    monkeypatch.setattr("rnnnlp.tasks.char_lm.network.WINDOW_TOKENS", 150)  # several windows, the last one shorter
    loss_sum, count = language_model_loss(model, ids, streams=streams, shards=shards)
    assert loss_sum == pytest.approx(expected, rel=1e-9)
    assert count == TOKENS - 1
