import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnnlp.batches.streams import STATE_RESET_PROBABILITY, StreamBatches
from rnnnlp.errors import UserError


def epoch(batches):
    return [batches.next() for _ in range(batches.per_epoch)]


def same(window, other):
    return all(np.array_equal(a, b) for a, b in zip(window, other, strict=True))


@st.composite
def corpora(draw):
    bptt = draw(st.integers(1, 9))
    return draw(st.integers(bptt + 1, 300)), draw(st.integers(1, 12)), bptt


@given(corpora(), st.integers(0, 5))
def test_windows_of_an_epoch(corpus, seed):
    length, batch_size, bptt = corpus
    batches = StreamBatches(np.arange(length), batch_size=batch_size, bptt=bptt, seed=seed)
    B = batches.batch_size
    assert 1 <= B <= batch_size
    for _ in range(3):
        streams = []
        for k, window in enumerate(epoch(batches)):
            assert window.reset.shape == (B,)
            assert k > 0 or window.reset.all()
            assert window.batch_sizes.tolist() == [B] * bptt
            assert np.array_equal(window.targets, window.inputs + 1)  # the ids that follow
            streams.append(window.inputs.reshape(bptt, B))
        together = np.concatenate(streams)  # (per_epoch * bptt, B)
        assert (np.diff(together, axis=0) == 1).all()  # each stream continues from step to step and window to window
        assert len(np.unique(together)) == together.size  # no position is read twice
        # What an epoch leaves out is less than a window, and so is what the streams leave between them.
        assert length - together.size <= 2 * B * bptt


@given(corpora(), st.integers(0, 5), st.integers(1, 60))
def test_shuffled_blocks_are_the_same_positions_in_another_order(corpus, seed, block):
    length, batch_size, bptt = corpus
    options = {"batch_size": batch_size, "bptt": bptt, "seed": seed}
    plain = StreamBatches(np.arange(length), **options)
    batches = StreamBatches(np.arange(length), **options, shuffled_block=block)
    assert (batches.per_epoch, batches.batch_size) == (plain.per_epoch, plain.batch_size)
    windows = min(-(-block // bptt), batches.per_epoch)  # of a block
    for _ in range(2):
        expected, found = epoch(plain), epoch(batches)
        for field in ("inputs", "targets"):  # each position once
            read = np.sort(np.concatenate([getattr(window, field) for window in found]))
            assert np.array_equal(read, np.sort(np.concatenate([getattr(window, field) for window in expected])))
        before = None
        for k, window in enumerate(found):
            inputs = window.inputs.reshape(bptt, batches.batch_size)
            assert (np.diff(inputs, axis=0) == 1).all()
            assert np.array_equal(window.targets, window.inputs + 1)
            if k % windows == 0:
                assert window.reset.all()  # no state is carried from one block to another
            else:
                assert np.array_equal(inputs[0], before + 1)  # within a block the text continues
            before = inputs[-1]


def test_the_order_of_blocks_depends_on_seed_and_epoch():
    def orders(seed):
        batches = StreamBatches(np.arange(4001), batch_size=4, bptt=10, seed=seed, shuffled_block=50)
        return [tuple(window.inputs[0] // 50 for window in epoch(batches)) for _ in range(2)]

    first, second = orders(0)
    assert first != second
    assert orders(0) == [first, second]
    assert first != orders(1)[0]
    assert list(first) != sorted(first)


@pytest.mark.parametrize(("block", "said"), [(0, False), (40, False), (41, True), (1000, True)])
def test_blocks_that_are_too_long_to_be_shuffled(block, said, caplog):
    StreamBatches(np.arange(401), batch_size=4, bptt=10, seed=0, shuffled_block=block)
    message = f"shuffle_blocks is {block}, and each of the 4 streams has 90 tokens: too few for two blocks"
    assert (message in caplog.text) == said
    assert ("nothing is shuffled; give at most 40" in caplog.text) == said


def test_batch_size_is_as_asked_for_when_there_is_enough_text():
    assert StreamBatches(np.arange(1000), batch_size=16, bptt=10, seed=0).batch_size == 16
    assert StreamBatches(np.arange(35), batch_size=16, bptt=10, seed=0).batch_size == 3


def test_epochs_together_read_nearly_every_position():
    length, batch_size, bptt = 1003, 4, 5
    batches = StreamBatches(np.arange(length), batch_size=batch_size, bptt=bptt, seed=0)
    seen = np.concatenate([window.targets for _ in range(50) for window in epoch(batches)])
    assert len(np.unique(seen)) >= length - 2 * bptt - batch_size


def test_states_of_streams_are_reset_at_random():
    batches = StreamBatches(np.arange(20_000), batch_size=10, bptt=10, seed=0)
    reset = np.array([window.reset for window in epoch(batches)][1:])  # the first window is reset anyway
    assert reset.mean() == pytest.approx(STATE_RESET_PROBABILITY, abs=0.02)
    assert (reset.sum(axis=0) > 0).all()


def test_epochs_begin_at_different_positions_that_depend_on_seed_and_epoch_alone():
    def first_ids(seed):
        batches = StreamBatches(np.arange(500), batch_size=2, bptt=20, seed=seed)
        return [epoch(batches)[0].inputs[0] for _ in range(8)]

    assert len(set(first_ids(0))) > 3
    assert first_ids(0) == first_ids(0) != first_ids(1)


@pytest.mark.parametrize("block", [0, 14])
def test_resume_at_any_position(block):
    def make():
        return StreamBatches(np.arange(200), batch_size=3, bptt=7, seed=4, shuffled_block=block)

    batches = make()
    for _ in range(2 * batches.per_epoch + 1):
        position = batches.position
        resumed = make()
        resumed.seek(position)
        assert resumed.position == position
        assert same(resumed.next(), batches.next())
        assert resumed.position == batches.position


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_corpus_shorter_than_a_window(length):
    with pytest.raises(UserError, match=f"has {length} tokens and a window needs 8"):
        StreamBatches(np.arange(length), batch_size=2, bptt=7, seed=0)


def test_the_shortest_corpus():
    batches = StreamBatches(np.arange(8), batch_size=2, bptt=7, seed=0)
    for _ in range(3):
        assert batches.next().targets.tolist() == list(range(1, 8))


def test_memory_mapped_ids_give_the_same(tmp_path):
    ids = np.random.default_rng(0).integers(200, size=500).astype(np.uint8)
    np.save(tmp_path / "ids.npy", ids)
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    ours = StreamBatches(ids, batch_size=3, bptt=11, seed=0)
    theirs = StreamBatches(mapped, batch_size=3, bptt=11, seed=0)
    for _ in range(ours.per_epoch + 2):
        window = theirs.next()
        assert same(ours.next(), window)
        assert window.inputs.dtype == np.uint8
