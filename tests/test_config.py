"""Configurations know the number of parameters before there is a network."""

import dataclasses

import numpy as np
import pytest

from rnnnlp.config import seconds, written_duration
from rnnnlp.errors import UserError
from rnnnlp.kernels import CELLS
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import SentimentNetwork


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_number_of_parameters_is_that_of_the_network(cell: str, num_layers: int):
    char_lm = CharLMConfig(7, cell=cell, embedding_size=5, hidden_size=5, num_layers=num_layers)
    base = SentimentConfig(7, ("a", "b", "c"), cell=cell, embedding_size=3, hidden_size=4, num_layers=num_layers)
    for config in (char_lm, dataclasses.replace(char_lm, tied_weights=True)):
        model = CharLMNetwork(config, rng=np.random.default_rng(0))
        assert config.num_parameters == sum(p.value.size for p in model.parameters().values())
    for pooling in POOLINGS:
        for bidirectional in (False, True):
            sentiment = dataclasses.replace(base, pooling=pooling, bidirectional=bidirectional)
            classifier = SentimentNetwork(sentiment, rng=np.random.default_rng(0))
            assert sentiment.num_parameters == sum(p.value.size for p in classifier.parameters().values())


def test_fields_of_the_first_runs():
    """Other n-gram features, and networks beside each other: only runs without them can be opened."""
    values = {"vocab_size": 9, "labels": ["a", "b"]}
    none = values | {"pairs": 0, "members": 1}
    assert SentimentConfig.from_mapping(none, "config.json") == SentimentConfig(9, ("a", "b"))
    for name, many in (("pairs", 16), ("members", 2)):
        with pytest.raises(
            UserError, match=rf"config\.json: it has {name}, which this version does not know any more; train it again"
        ):
            SentimentConfig.from_mapping(values | {name: many}, "config.json")


@pytest.mark.parametrize("text", ["1h30", "30 1h", "90 ", "5m5", "1.5.5h", ""])
def test_what_is_no_duration(text):
    with pytest.raises(UserError, match=r"is not a duration; write it as 90s, 10m, 1\.5h or 1h30m"):
        seconds(text)
    assert (seconds("90"), seconds("1h30m"), seconds("1h30s")) == (90, 5400, 3630)


@pytest.mark.parametrize("number", [90.0, 0.5, 66.25, 600.0, 14 * 24 * 3600.0, 1e7 + 0.125])
def test_a_duration_is_written_as_it_is_read(number):
    assert seconds(written_duration(number)) == number
