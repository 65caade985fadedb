"""The recurrent layers against torch.nn.LSTM, GRU and RNN with the same weights."""

import numpy as np
import pytest

from rnnnlp.batches.packed import batch_sizes_of, pack
from rnnnlp.layers.recurrent import Recurrent
from tests.gradients import randomize
from tests.parity.torch_or_skip import torch
from tests.parity.twins import CELLS, as_torch_state, as_tuple, packed, recurrent_twin, tensor, twin_name
from tests.recurrences import draw_states

D, H = 5, 7
LENGTHS = {"ragged": [11, 8, 8, 3, 1], "even": [6, 6, 6]}
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}  # relative to the largest entry of each array


def assert_close(name, array, expected, tolerance):
    expected = expected.detach().numpy()
    assert array.dtype == expected.dtype
    error = np.abs(array - expected).max() / np.abs(expected).max()
    assert error <= tolerance, f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_gradients(cell, num_layers, bidirectional, lengths, dtype):
    rng = np.random.default_rng(0)
    layer = Recurrent(cell, D, H, num_layers=num_layers, bidirectional=bidirectional, dtype=dtype, rng=rng)
    randomize(layer.parameters(), rng, scale=0.3)
    twin = recurrent_twin(cell, layer)
    batch_sizes = batch_sizes_of(np.array(lengths))
    shape = (num_layers * (2 if bidirectional else 1), len(lengths), H)
    x, dy = (rng.normal(size=(sum(lengths), d)).astype(dtype) for d in (D, layer.output_size))
    state, dstate_T = (tuple(s.astype(dtype) for s in draw_states(cell, shape, rng)) for _ in range(2))

    y, state_T, tape = layer.forward(x, batch_sizes, state, rng=None)
    dx, dstate = layer.backward(dy, dstate_T, tape)

    their_x, their_state = tensor(x, grad=True), [tensor(s, grad=True) for s in state]
    their_y, their_state_T = twin(packed(their_x, batch_sizes), as_torch_state(their_state))
    outputs = [their_y.data, *as_tuple(their_state_T)]
    sum((out * tensor(d)).sum() for out, d in zip(outputs, [dy, *dstate_T], strict=True)).backward()

    names = ["y", "h_T", "c_T"][: len(outputs)] + ["dx", "dh_0", "dc_0"][: len(outputs)]
    ours = [y, *state_T, dx, *dstate]
    theirs = [*outputs, their_x.grad, *(s.grad for s in their_state)]
    for name, array, expected in zip(names, ours, theirs, strict=True):
        assert_close(name, array, expected, TOLERANCE[dtype])
    their_parameters = dict(twin.named_parameters())
    for name, parameter in layer.parameters().items():
        assert_close(f"d{name}", parameter.grad, their_parameters[twin_name(name)].grad, TOLERANCE[dtype])


def test_packed_as_torch_packs():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(length, 2)) for length in (3, 7, 1, 3, 5)]
    ours = pack(sequences)
    theirs = torch.nn.utils.rnn.pack_sequence([tensor(s) for s in sequences], enforce_sorted=False)
    # torch may put sequences of one length in another order.
    ours_sorted = torch.nn.utils.rnn.pack_sequence([tensor(sequences[i]) for i in ours.order])
    assert ours.batch_sizes.tolist() == theirs.batch_sizes.tolist()
    assert np.array_equal(ours.values, ours_sorted.data.numpy())


def test_torch_from_padded_sequences():
    """A ragged batch as most torch programs make it: padded, with lengths, unsorted."""
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(length, D)) for length in (3, 7, 1, 5)]
    layer = Recurrent("gru", D, H, bidirectional=True, dtype=np.float64, rng=rng)
    padded = torch.nn.utils.rnn.pad_sequence([tensor(s) for s in sequences])
    lengths = torch.tensor([len(s) for s in sequences])
    their_packed = torch.nn.utils.rnn.pack_padded_sequence(padded, lengths, enforce_sorted=False)
    _, their_h_T = recurrent_twin("gru", layer)(their_packed)
    batch = pack(sequences)
    _, (h_T,), _ = layer.forward(batch.values, batch.batch_sizes, layer.zero_state(4, np.float64), rng=None)
    assert_close("h_T", h_T, their_h_T[:, batch.order], 1e-12)
