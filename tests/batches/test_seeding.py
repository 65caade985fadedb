"""What a seed means does not change from version to version."""

from rnnnlp.batches.seeding import RandomStream


def test_streams_are_those_of_saved_runs():
    names = ("WEIGHTS", "DROPOUT", "DOCUMENTS", "STREAMS", "RESETS", "CROPS", "FOLDS")
    assert {stream.name: stream.value for stream in RandomStream} == {name: k for k, name in enumerate(names, start=1)}
