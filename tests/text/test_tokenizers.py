"""Every tokenizer: round trips, the same ids in the `tokenizers` library, streaming, and hostile files."""

import json
import pickle

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnnlp.errors import UserError
from rnnnlp.text import (
    TOKENIZERS,
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    WordTokenizer,
    load_tokenizer,
    train_tokenizer,
)
from tests.text.samples import HARD_TEXTS

OPTIONS = {
    "char": {},
    "byte": {},
    "word": {"min_frequency": 1},
    "bpe": {"min_frequency": 1, "vocab_size": 400},
}
ANY_TEXT = st.text()  # whole characters, no surrogates


@pytest.fixture(scope="module", params=OPTIONS)
def tokenizer(request):
    """Each kind, trained on half of the hard texts, so that the other half has unknowns."""
    return train_tokenizer(request.param, HARD_TEXTS[::2], **OPTIONS[request.param])


@pytest.fixture(scope="module")
def library(tokenizer, tmp_path_factory):
    """The same tokenizer as the `tokenizers` library opens it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(folder)
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_a_pickle_is_as_small_as_the_vocabulary(tokenizer):
    pickled = pickle.dumps(tokenizer)
    assert len(pickled) < 1_000_000
    again = pickle.loads(pickled)
    assert again.tokens == tokenizer.tokens
    for text in HARD_TEXTS:
        assert again.encode(text).tolist() == tokenizer.encode(text).tolist()


def assert_as_library(tokenizer, library, text):
    ids = tokenizer.encode(text)
    assert ids.tolist() == library.encode(text).ids
    assert tokenizer.decode(ids) == library.decode(ids.tolist(), skip_special_tokens=False)


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_library_gives_the_same_ids_and_text(tokenizer, library, text):
    assert_as_library(tokenizer, library, text)


@given(ANY_TEXT)
@settings(max_examples=150)
def test_library_gives_the_same_ids_and_text_for_any_text(tokenizer, library, text):
    assert_as_library(tokenizer, library, text)


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
@given(text=ANY_TEXT)
@settings(max_examples=100)
def test_nothing_is_lost(kind, text):
    tokenizer = CharTokenizer.train([text]) if kind == "char" else LOSSLESS[kind]
    assert tokenizer.decode(tokenizer.encode(text)) == text


LOSSLESS = {"byte": ByteTokenizer(), "bpe": BPETokenizer.train(HARD_TEXTS, vocab_size=300)}


def test_batch_is_each_text_encoded(tokenizer):
    for ids, text in zip(tokenizer.encode_batch(HARD_TEXTS), HARD_TEXTS, strict=True):
        assert ids.dtype == tokenizer.dtype
        assert ids.tolist() == tokenizer.encode(text).tolist()


@pytest.mark.parametrize("size", [1, 7, 1 << 16, (1 << 16) + 1, 300_000])
def test_long_texts_are_encoded_as_at_once(tokenizer, library, size):
    text = ("".join(HARD_TEXTS) + "\n") * (size // 400 + 1)
    assert tokenizer.encode(text).tolist() == library.encode(text).ids


def test_long_texts_in_a_batch(tokenizer):
    texts = ["short", "a long line of words " * 20_000, "", "short again"]
    for ids, text in zip(tokenizer.encode_batch(texts), texts, strict=True):
        assert ids.tolist() == tokenizer.encode(text).tolist()


@given(st.binary(max_size=40))
def test_streaming_bytes_joins_to_decode(data):
    tokenizer = ByteTokenizer()
    decoder = tokenizer.decoder()
    texts = [decoder.push([byte]) for byte in data]
    assert "".join([*texts, decoder.flush()]) == tokenizer.decode(data) == data.decode("utf-8", errors="replace")


def test_streaming_joins_to_decode(tokenizer):
    for text in HARD_TEXTS:
        ids = tokenizer.encode(text)
        decoder = tokenizer.decoder()
        assert "".join([*(decoder.push([i]) for i in ids), decoder.flush()]) == tokenizer.decode(ids)
        decoder = tokenizer.decoder()
        texts = [decoder.push(ids[:2]), decoder.push([]), decoder.push(ids[2:]), decoder.flush()]
        assert "".join(texts) == tokenizer.decode(ids)


def test_streaming_after_a_token_begins_with_what_separates_tokens(tokenizer):
    ids = tokenizer.encode("the best of all")
    for cut in range(1, len(ids)):
        decoder = tokenizer.decoder(continues=True)
        rest = decoder.push(ids[cut:]) + decoder.flush()
        assert tokenizer.decode(ids[:cut]) + rest == tokenizer.decode(ids)


def test_streaming_waits_for_whole_characters():
    decoder = ByteTokenizer().decoder()
    assert [decoder.push([byte]) for byte in "中".encode()] == ["", "", "中"]
    assert decoder.push([0xE4]) == ""
    assert decoder.flush() == "\ufffd"


def test_saved_tokenizer_is_loaded_again(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.to_json() == tokenizer.to_json()
    assert (loaded.vocab_size, loaded.unknown_id) == (tokenizer.vocab_size, tokenizer.unknown_id)
    for text in HARD_TEXTS:
        assert loaded.encode(text).tolist() == tokenizer.encode(text).tolist()


@pytest.mark.parametrize("text", ["\ud800", "fine \udfff", "\udc80" * 3])
def test_half_characters_are_refused(tokenizer, text):
    if isinstance(tokenizer, ByteTokenizer) and text.startswith("\udc80"):
        pytest.skip("stands for bytes")
    for encode in (tokenizer.encode, lambda text: tokenizer.encode_batch(["fine", text])):
        with pytest.raises(UserError, match="half a character"):
            encode(text)


@pytest.mark.parametrize(
    ("characters", "dtype"), [(255, np.uint8), (256, np.uint16), (65535, np.uint16), (65536, np.int32)]
)
def test_smallest_type_that_holds_the_vocabulary(characters, dtype):
    tokenizer = CharTokenizer(
        "".join(map(chr, range(0xE000, 0xE000 + min(characters, 5000))))
        + "".join(map(chr, range(0x20000, 0x20000 + max(0, characters - 5000))))
    )
    assert tokenizer.vocab_size == characters + 1
    assert tokenizer.encode(tokenizer.characters[-1]).tolist() == [characters]
    assert tokenizer.encode("").dtype == dtype


def test_unknown_characters():
    tokenizer = CharTokenizer.train(["abc"])
    assert tokenizer.encode("aéb中").tolist() == [1, 0, 2, 0]
    assert tokenizer.unknown_characters("aéb中é") == ["é", "中"]
    assert tokenizer.decode([1, 0, 2]) == "a<unk>b"
    assert WordTokenizer.train(["one two two one"]).unknown_characters("One three, two THREE") == [
        "three",
        ",",
        "THREE",
    ]
    assert ByteTokenizer().unknown_characters("é") == []


def test_words():
    def words(text, **options):
        return WordTokenizer.train([text], min_frequency=1, **options).words

    assert sorted(words("Don't stop!!!! It’s 中文")) == sorted(["don't", "stop", "!!!", "!", "it’s", "中", "文"])
    assert sorted(words("A<br />B &amp; <sigh>")) == sorted(["a", "b", "&", "<", "sigh", ">"])
    assert sorted(words("A<br />", lowercase=False, normalizer=None)) == sorted(["A", "<", "br", "/", ">"])


def test_frequency_and_size_limit_the_words():
    text = "a a a b b c"
    assert WordTokenizer.train([text]).words == ["a", "b"]
    assert WordTokenizer.train([text], vocab_size=2).words == ["a"]
    assert BPETokenizer.train([text], vocab_size=257).vocab_size == 257


def test_training_again_gives_the_same(tokenizer):
    again = train_tokenizer(tokenizer.kind, HARD_TEXTS[::2], **OPTIONS[tokenizer.kind])
    assert again.to_json() == tokenizer.to_json()


def test_html_entities_are_undone_once():
    tokenizer = WordTokenizer.train(["& < > lt ; ' \""], min_frequency=1)
    assert tokenizer.decode(tokenizer.encode("&amp;lt; &#39; &QUOT; &#x3E;")) == "& lt ; ' \" >"


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("chars", {}, r"must be one of char, byte, word, bpe"),
        ("char", {"vocab_size": 5}, "vocab_size has no meaning for a char tokenizer"),
        ("word", {"vocab_size": 1}, "vocab_size is 1; it must be at least 2"),
        ("bpe", {"vocab_size": 255}, "vocab_size is 255; it must be at least 256"),
        ("bpe", {"normalizer": "xml"}, r"normalizer is 'xml'; it must be one of None, 'html'"),
    ],
)
def test_wrong_options(kind, options, message):
    with pytest.raises(UserError, match=message):
        train_tokenizer(kind, ["text"], **options)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*tokenizer\.json .*; expected a folder with a saved tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"null", b"[]", b"{}", b"[" * 100_000, b'{"model": {"vocab": 1}}'])
def test_files_that_are_no_tokenizer(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(UserError, match=r"tokenizer\.json is damaged"):
        load_tokenizer(tmp_path)


def test_truncated_files(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, len(whole) // 20):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"tokenizer\.json is damaged"):
            load_tokenizer(tmp_path)


def damage(content):
    """Each thing that may be wrong in a tokenizer's file, one at a time."""
    for key in content:
        yield {**content, key: "x"}
        yield {other: value for other, value in content.items() if other != key}
    vocabulary = content["model"]["vocab"]
    first, *_, last = vocabulary
    for wrong in ({first: 1}, {last: -1}, {last: 2**40}, {last: "0"}, {last: None}, {"ab\u1234": len(vocabulary) + 1}):
        yield {**content, "model": {**content["model"], "vocab": {**vocabulary, **wrong}}}
    if content["model"].get("merges"):
        for wrong_merge in (["a", "\u0416"], ["a", "zzzz"], ["a"], "ab"):
            yield {**content, "model": {**content["model"], "merges": [wrong_merge]}}
        without_a_byte = {symbol: i for i, symbol in enumerate(s for s in vocabulary if s != "~")}
        yield {**content, "model": {**content["model"], "vocab": without_a_byte, "merges": []}}


def test_damaged_files(tokenizer, tmp_path):
    for content in damage(tokenizer.to_json()):
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"tokenizer\.json is damaged"):
            load_tokenizer(tmp_path)


def test_kinds():
    assert list(TOKENIZERS) == ["char", "byte", "word", "bpe"]


@given(ANY_TEXT)
@settings(max_examples=150)
def test_spans_are_the_characters_of_each_token(tokenizer, text):
    spans = tokenizer.spans(text)
    assert spans.shape == (len(tokenizer.encode(text)), 2)
    assert (np.diff(spans[:, 0]) >= 0).all()
    assert (spans[:, 0] <= spans[:, 1]).all()
    assert not len(spans) or (spans.min() >= 0 and spans.max() <= len(text))
    if tokenizer.kind in ("char", "byte", "bpe"):  # these leave out nothing
        covered = {position for start, stop in spans for position in range(start, stop)}
        assert covered == set(range(len(text)))


def test_spans_of_words_are_those_of_the_text_as_it_was_given():
    tokenizer = WordTokenizer(["good", "&", "好", "don't"])
    text = "A <br /> GOOD  &amp; 好好, Don't"
    found = [text[start:stop] for start, stop in tokenizer.spans(text)]
    assert found == ["A", "GOOD", ";", "好", "好", ",", "Don't"]  # an entity stands for one sign: its last


def test_spans_of_a_long_text(tokenizer):
    text = "good 好 " * 20_000
    spans = tokenizer.spans(text)
    assert len(spans) == len(tokenizer.encode(text))
    assert spans[-1, 0] >= len(text) - 2 >= spans[-1, 1] - 2


def test_an_extended_tokenizer_keeps_its_rules():
    old = WordTokenizer(["ไทย"], rules=1)
    extended = old.extended(["a new word"] * 2)
    assert extended.rules == 1
    assert extended.encode("ไทย new").tolist() == [1, extended.encode("new")[0]]
    as_is = WordTokenizer(["Good"], lowercase=False, normalizer=None).extended(["New day"] * 2)
    assert (as_is.lowercase, as_is.normalizer) == (False, None)
    assert as_is.encode("Good").tolist() == [1]
