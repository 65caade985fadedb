import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnnlp.batches.documents import DocumentBatches, batch_of, in_order_of_length, random_crop
from rnnnlp.batches.packed import lengths_of, unpack
from rnnnlp.text.tokenizers import clip


def make_documents(count, seed=0):
    """Documents of 1 to 60 ids; the first id is the document's index."""
    rng = np.random.default_rng(seed)
    return [np.concatenate([[index], rng.integers(99, size=rng.integers(60))]) for index in range(count)]


def make_batches(count=50, batch_size=8, seed=0):
    return DocumentBatches(make_documents(count), np.arange(count) * 10, batch_size=batch_size, seed=seed)


def epoch(batches):
    return [batches.next() for _ in range(batches.per_epoch)]


def indices_of(epoch):
    return [batch.indices.tolist() for batch in epoch]


@pytest.mark.parametrize(("count", "batch_size"), [(50, 8), (48, 8), (3, 8), (1, 1), (900, 2)])
def test_each_epoch_has_each_document_once_with_its_label(count, batch_size):
    documents, batches = make_documents(count), make_batches(count, batch_size)
    for _ in range(2):
        seen = []
        for batch in epoch(batches):
            assert 1 <= len(batch.labels) <= batch_size
            assert np.array_equal(batch.labels, batch.indices * 10)
            for index, ids in zip(batch.indices, unpack(batch.ids, batch.batch_sizes), strict=True):
                assert np.array_equal(ids, documents[index])
                seen.append(index)
        assert sorted(seen) == list(range(count))


def test_order_depends_on_seed_and_epoch_alone():
    batches, same, other = make_batches(), make_batches(), make_batches(seed=1)
    first, second = indices_of(epoch(batches)), indices_of(epoch(batches))
    assert first != second
    assert indices_of(epoch(other)) != first
    same.seek({"epoch": 1, "batch": 0})
    assert indices_of(epoch(same)) == second
    same.seek({"epoch": 0, "batch": 0})
    assert indices_of(epoch(same)) == first


def test_resume_at_any_position():
    batches = make_batches()
    for _ in range(2 * batches.per_epoch + 1):
        position = batches.position
        resumed = make_batches()
        resumed.seek(position)
        assert resumed.position == position
        ahead = make_batches()
        ahead.seek(position)
        for _ in range(batches.per_epoch + 1):
            assert ahead.next().indices.tolist() == resumed.next().indices.tolist()
        resumed.seek(position)
        assert batches.next().indices.tolist() == resumed.next().indices.tolist()
        assert batches.position == resumed.position


def test_documents_of_similar_length_share_a_batch():
    batches = make_batches(2000, 20)
    spread = np.mean([np.ptp(lengths_of(batch.batch_sizes)) for batch in epoch(batches)])
    assert spread < 3  # of 60
    assert np.mean(np.diff([len(batch.batch_sizes) for batch in epoch(batches)]) < 0) > 0.3  # but in no order


def test_in_order_of_length():
    documents = make_documents(23)
    groups = list(in_order_of_length(documents, 5))
    assert [len(group) for group in groups] == [5, 5, 5, 5, 3]
    indices = np.concatenate(groups)
    assert sorted(indices) == list(range(23))
    lengths = [len(documents[index]) for index in indices]
    assert lengths == sorted(lengths, reverse=True)


def test_batch_of_some_indices():
    documents, labels = make_documents(6), np.array([0, 1, 0, 1, 2, 2])
    batch = batch_of(documents, labels, np.array([5, 2]))
    assert set(batch.indices) == {5, 2}
    assert np.array_equal(batch.labels, labels[batch.indices])
    assert batch.ids[: len(batch.indices)].tolist() == batch.indices.tolist()


@given(st.integers(0, 30), st.integers(1, 12))
def test_clip_keeps_the_beginning_and_the_end(length, max_length):
    ids = np.arange(length)
    clipped = clip(ids, max_length)
    if length <= max_length:
        assert np.array_equal(clipped, ids)
        return
    head = max_length // 2
    assert clipped.tolist() == [*range(head), *range(length - (max_length - head), length)]


def test_a_long_document_is_cropped_at_random_differently_in_each_epoch():
    documents = [np.arange(100), np.arange(200, 203)]
    batches = DocumentBatches(documents, np.array([1, 0]), batch_size=2, seed=0, crop=10)
    found = [batches.next() for _ in range(20)]
    starts = set()
    for batch in found:
        long, short = unpack(batch.ids, batch.batch_sizes)
        assert long.tolist() == list(range(long[0], long[0] + 10))
        assert short.tolist() == [200, 201, 202]
        assert batch.indices.tolist() == [0, 1]
        assert batch.labels.tolist() == [1, 0]
        starts.add(int(long[0]))
    assert len(starts) > 10
    assert 0 <= min(starts) < max(starts) <= 90
    batches.seek({"epoch": 7, "batch": 0})
    np.testing.assert_array_equal(batches.next().ids, found[7].ids)


def test_a_crop_may_end_with_the_last_token():
    ends = {int(random_crop(np.arange(5), 4, rng=np.random.default_rng(seed))[-1]) for seed in range(20)}
    assert ends == {3, 4}


def test_each_batch_of_an_epoch_is_cropped_differently():
    batches = DocumentBatches([np.arange(1000)] * 9, np.zeros(9, np.int64), batch_size=1, seed=0, crop=10)
    assert len({int(batch.ids[0]) for batch in epoch(batches)}) > 3
