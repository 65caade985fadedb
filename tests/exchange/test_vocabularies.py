"""The vocabulary of a model that comes from elsewhere, as a tokenizer."""

import logging

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.exchange.vocabularies import Vocabulary
from rnnnlp.text import ByteTokenizer, CharTokenizer, WordTokenizer


def test_characters_in_the_order_of_their_ids():
    for given in ("bac", ["b", "a", "c"], {"a": 1, "c": 2, "b": 0}):
        found = Vocabulary.of(given)
        assert isinstance(found.tokenizer, CharTokenizer)
        assert (found.tokenizer.characters, found.order.tolist(), found.size) == ("bac", [-1, 0, 1, 2], 3)
    assert found.rows(np.array([[5], [6], [7]])).tolist() == [[0], [5], [6], [7]]


def test_markers_among_characters_stand_for_no_text():
    found = Vocabulary.of(["<pad>", "a", "<unk>", "b", "<eos>"])
    assert not found.added_unknown
    assert found.order.tolist() == [2, 0, 1, 3, 4]
    assert found.tokenizer.encode("ab?").tolist() == [2, 3, 0]
    assert found.tokenizer.vocab_size == 5


def test_a_vocabulary_may_have_the_characters_that_stand_for_markers():
    found = Vocabulary.of(["<pad>", "\ue000", "a", "<eos>", "\ue002"])
    assert isinstance(found.tokenizer, CharTokenizer)
    assert found.tokenizer.characters == "\ue001\ue000a\ue003\ue002"
    assert found.order.tolist() == [-1, 0, 1, 2, 3, 4]


def test_words_and_what_stands_for_the_others():
    found = Vocabulary.of(["the", "cat", "other"], unknown="other")
    assert isinstance(found.tokenizer, WordTokenizer)
    assert found.tokenizer.encode("The dog, the cat").tolist() == [1, 0, 0, 1, 2]
    assert found.order.tolist() == [2, 0, 1]
    assert Vocabulary.of(["the", "Cat"]).tokenizer.encode("the cat, The Cat").tolist() == [1, 0, 0, 0, 2]


def test_words_that_are_never_found_are_said(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "rnnnlp"):
        Vocabulary.of(["<pad>", "do", "'s", "well-known", "good"])
    (record,) = caplog.records
    assert "2 of 4 words of the vocabulary are never found" in record.getMessage()
    assert "\"'s\", 'well-known'" in record.getMessage()


def test_a_tokenizer_is_taken_as_it_is():
    found = Vocabulary.of(ByteTokenizer())
    assert (found.size, found.added_unknown) == (256, False)


MISTAKES = {
    "unknown is '<unk>', which is not in the vocabulary; leave it out": (["a", "b"], "<unk>"),
    "unknown is 'a', and a tokenizer has its own unknown symbol; leave it out": (ByteTokenizer(), "a"),
    "unknown is 'other', and the vocabulary also has '<unk>', which stands for the unknown": (
        ["the", "<unk>", "other"],
        "other",
    ),
    "the ids of the vocabulary must be those from 0 to 1, each once": ({"a": 0, "b": 2}, None),
    "the vocabulary is a int; give its characters or words in order": (3, None),
    "the vocabulary has the entry 3; each must be a character or a word": (["a", 3], None),
    "the vocabulary has the entry None; each must be": ([], None),
    "the vocabulary has the entry '\\ud800'; each must be a character": (["a", "\ud800"], None),
    "the vocabulary has the entry '\\udcffb'; each must be": (["the", "\udcffb"], None),
    "the vocabulary has 'a' twice; give each entry once": ("aba", None),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_what_is_no_vocabulary_is_named(message: str):
    given, unknown = MISTAKES[message]
    with pytest.raises(UserError) as raised:
        Vocabulary.of(given, unknown)
    assert message in str(raised.value)
