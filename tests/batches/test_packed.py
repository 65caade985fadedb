"""The packed layout: there and back again, and where the states before each step stand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnnlp.batches.packed import (
    batch_sizes_of,
    lengths_of,
    offsets_of,
    pack,
    previous_rows,
    sequence_of_row,
    time_steps,
    unpack,
)

lengths_lists = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def tagged(lengths):
    """Sequences `(length, 2)` whose rows hold the index of the sequence and the step."""
    return [np.array([(b, t) for t in range(length)]) for b, length in enumerate(lengths)]


@given(lengths_lists)
def test_unpack_gives_back_what_was_packed(lengths):
    sequences = tagged(lengths)
    packed = pack(sequences)
    assert sorted(packed.order) == list(range(len(lengths)))
    back = unpack(packed.values, packed.batch_sizes)
    for index, sequence in zip(packed.order, back, strict=True):
        assert np.array_equal(sequence, sequences[index])


@given(lengths_lists)
def test_rows_stand_step_by_step_and_longest_first(lengths):
    packed = pack(tagged(lengths))
    ordered = sorted(range(len(lengths)), key=lambda b: -lengths[b])  # stable: equal lengths keep their order
    assert packed.order.tolist() == ordered
    rows = [(b, t) for t in range(max(lengths)) for b in ordered if t < lengths[b]]
    assert list(map(tuple, packed.values)) == rows
    assert packed.batch_sizes.dtype == np.int64
    assert packed.batch_sizes.tolist() == [sum(t < length for length in lengths) for t in range(max(lengths))]


@given(lengths_lists)
def test_lengths_offsets_and_owners(lengths):
    lengths = sorted(lengths, reverse=True)
    packed = pack(tagged(lengths))
    batch_sizes = batch_sizes_of(np.array(lengths))
    assert lengths_of(batch_sizes).tolist() == lengths
    assert sequence_of_row(batch_sizes).tolist() == packed.values[:, 0].tolist()
    for t, start in enumerate(offsets_of(batch_sizes)[:-1]):
        assert packed.values[start].tolist() == [0, t]
    assert offsets_of(batch_sizes)[-1] == sum(lengths)


@given(lengths_lists, st.booleans())
def test_time_steps(lengths, reverse):
    packed = pack(tagged(lengths))
    steps = range(max(lengths))
    for t, (rows, B_t) in zip(
        reversed(steps) if reverse else steps, time_steps(packed.batch_sizes, reverse), strict=True
    ):
        assert packed.values[rows, 1].tolist() == [t] * B_t


@given(lengths_lists, st.booleans())
def test_previous_rows(lengths, reverse):
    packed = pack(tagged(sorted(lengths, reverse=True)))
    where = {tuple(row): len(lengths) + n for n, row in enumerate(packed.values)}  # below the B initial states
    step = 1 if reverse else -1
    expected = [where.get((b, t + step), b) for b, t in packed.values]
    index = previous_rows(packed.batch_sizes, reverse)
    assert np.arange(len(lengths) + len(expected))[index].tolist() == expected


@pytest.mark.parametrize("sequences", [[], [np.array([1]), np.array([], int)]])
def test_nothing_to_pack(sequences):
    with pytest.raises(ValueError, match="empty"):
        pack(sequences)


def test_dtype_is_kept():
    assert pack([np.array([1, 2], np.uint8), np.array([3], np.uint8)]).values.dtype == np.uint8
