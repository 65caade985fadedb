import numpy as np
import pytest

from rnnnlp.batches.packed import batch_sizes_of, unpack
from rnnnlp.layers.loss import softmax
from rnnnlp.layers.pooling import POOLINGS, pooling
from tests.gradients import check_gradients, pairs, randomize, read_only
from tests.recurrences import EVEN, RAGGED

SIZE = 4


def plain_pooling(kind, sequence, bidirectional, query):
    """One sequence `(length, D)` to `(D,)`."""
    half = SIZE // 2
    last = np.concatenate([sequence[-1, :half], sequence[0, half:]]) if bidirectional else sequence[-1]
    mean, largest = sequence.mean(axis=0), sequence.max(axis=0)
    if kind == "attention":
        return softmax(sequence @ query) @ sequence
    return {"last": last, "mean": mean, "max": largest, "mean+max": np.concatenate([mean, largest])}[kind]


@pytest.mark.parametrize("lengths", [*RAGGED.values(), EVEN[2], [7]], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("kind", POOLINGS)
def test_values_and_gradients(kind, bidirectional, lengths):
    rng = np.random.default_rng(0)
    layer = pooling(kind, SIZE, bidirectional=bidirectional, dtype=np.float64, rng=rng)
    randomize(layer.parameters(), rng)
    batch_sizes = batch_sizes_of(np.array(lengths))
    x, dy = rng.normal(size=(sum(lengths), SIZE)), rng.normal(size=(len(lengths), layer.output_size))
    y, tape = layer.forward(read_only(x), batch_sizes)
    query = layer.query.value if kind == "attention" else None
    expected = [plain_pooling(kind, sequence, bidirectional, query) for sequence in unpack(x, batch_sizes)]
    np.testing.assert_allclose(y, expected, rtol=1e-13)
    dx = layer.backward(read_only(dy), tape)
    gradients = {"x": (x, dx)} | pairs(layer.parameters())
    # Over a single step attention has nothing to choose from.
    zero = ["query"] if max(lengths) == 1 else []
    check_gradients(lambda: np.sum(layer.forward(x, batch_sizes)[0] * dy), gradients, zero=zero)


def test_max_of_equal_values_gives_the_error_to_one_of_them():
    layer = pooling("max", 1, bidirectional=False, dtype=np.float64, rng=np.random.default_rng(0))
    _, tape = layer.forward(np.ones((3, 1)), np.array([1, 1, 1]))
    assert layer.backward(np.ones((1, 1)), tape).sum() == 1


def test_attention_does_not_overflow():
    layer = pooling("attention", 1, bidirectional=False, dtype=np.float32, rng=np.random.default_rng(0))
    layer.query.value[:] = 1
    y, _ = layer.forward(np.array([[1e4], [-1e4], [5e3]], np.float32), np.array([2, 1]))
    assert y[:, 0].tolist() == [1e4, -1e4]


def test_an_unknown_pooling():
    with pytest.raises(ValueError, match="'median'"):
        pooling("median", 1, bidirectional=False, dtype=np.float32, rng=np.random.default_rng(0))
