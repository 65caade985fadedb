"""Of a text that is longer than a classifier reads, only the ends are encoded, and the ids stay the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.linear import LinearModel
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import BPETokenizer, ByteTokenizer, CharTokenizer, WordTokenizer, load_tokenizer, words
from rnnnlp.text.chunks import line_blocks, lines
from rnnnlp.text.tokenizers import clip
from tests.text.samples import HARD_TEXTS

TOKENIZERS = {
    "char": CharTokenizer.train(HARD_TEXTS),
    "byte": ByteTokenizer(),
    "word": WordTokenizer.train(HARD_TEXTS, min_frequency=1),
    "word as it is": WordTokenizer.train(HARD_TEXTS, min_frequency=1, lowercase=False, normalizer=None),
    "bpe": BPETokenizer.train(HARD_TEXTS, vocab_size=320),
    "bpe of html": BPETokenizer.train(HARD_TEXTS, vocab_size=320, lowercase=True, normalizer="html"),
}
PIECES = [
    *(" ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u2028", "_", ">", "a", "b's", "don't", "...", "!!!!", "12 34"),
    *("<", "<br />", "<a href='x y z' b>", "</p>", "<!-- a b c -->", "<3 x", "< b", "<\u017fpan x y>"),
    *("&amp;", "&nbsp;", "&lt;b c&gt;", "&", "İ x", "e\u0301 x", "中文 很好", "한국 어", "x" * 40),
    *("ที่นี่ ดี", "\u0e48 ก", "က္ကို", "a\u200db", "\u200d", "\u200b", "ཤིས་པོ", "❤\ufe0f", "\ufe0f", "か\u3099"),
    *(" the cat sat on a mat ", "it is good and it is bad and nothing else", "<br\n/>", "<p\r\nid=1>"),
]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=150).map("".join)


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]


def assert_as_clipped(tokenizer, text, max_length):
    (ids,) = tokenizer.encode_batch([text], max_length)
    assert ids.dtype == tokenizer.dtype
    assert ids.tolist() == clip(tokenizer.encode(text), max_length).tolist()
    spans = tokenizer.spans(text, max_length)
    assert spans.tolist() == clip(tokenizer.spans(text), max_length).tolist()


@given(text=TEXTS, max_length=st.sampled_from([1, 2, 3, 5, 8, 20, 50, 200]))
@settings(max_examples=50)
def test_any_text(tokenizer, text, max_length):
    with pytest.MonkeyPatch.context() as patch:  # short texts count as long ones, and are encoded in small blocks
        patch.setattr(words, "_LONG", 64)
        patch.setattr(words, "_CHARACTERS_PER_TOKEN", 1)
        patch.setattr(words, "line_blocks", lambda chunks: line_blocks(chunks, 150))
        patch.setattr(words, "lines", lambda chunks: lines(chunks, 150))
        assert_as_clipped(tokenizer, text, max_length)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_tag_ends_in_its_line(tokenizer, end, tmp_path):
    """So short texts have the ids of long ones, which are encoded line by line."""
    text = f"a<br{end}/>b <p{end}class=x>c"
    by_lines = np.concatenate([tokenizer.encode(part) for part in lines([text])])
    assert tokenizer.encode(text).tolist() == by_lines.tolist()
    if isinstance(tokenizer, WordTokenizer) and tokenizer.normalizer:
        earlier = WordTokenizer(tokenizer.words, rules=3)
        earlier.save(tmp_path)
        opened = load_tokenizer(tmp_path)
        assert opened.rules == 3
        assert (len(opened.encode("<p\nid=1>")), len(tokenizer.encode("<p\nid=1>"))) == (0, 6)


@pytest.mark.parametrize("unit", ["a lovely lamp ", "lamp", "<a lamp "])
def test_texts_of_more_than_a_block(unit):
    tokenizer, text = TOKENIZERS["word"], unit * (270_000 // len(unit))
    (ids,) = tokenizer.encode_batch([text], 7)
    assert ids.tolist() == clip(tokenizer.encode(text), 7).tolist()


def test_long_and_short_texts_in_one_batch(tokenizer):
    texts = ["", "short", "a long line of words " * 1000, "short again", "lines\n" * 3000]
    for text, ids in zip(texts, tokenizer.encode_batch(iter(texts), 50), strict=True):
        assert ids.tolist() == clip(tokenizer.encode(text), 50).tolist()


def test_half_a_character_in_the_middle_is_refused(tokenizer):
    text = "a lot of words " * 5000
    with pytest.raises(UserError, match="half a character"):
        tokenizer.encode_batch([f"{text}\ud83d{text}"], 10)


@pytest.mark.parametrize("unit", ["a lovely lamp and ", "a lovely lamp\n"])
@pytest.mark.parametrize("view", [None, "words"])
def test_only_the_ends_are_encoded(view, unit, monkeypatch):
    network = SentimentNetwork(
        SentimentConfig(vocab_size=50, labels=("bad", "good"), embedding_size=4, hidden_size=4, max_length=20),
        WordTokenizer.train([unit], min_frequency=1),
        rng=np.random.default_rng(1),
    )
    if view is not None:
        network.add_linear(LinearModel({view: 3}, 2))
        network.linear.weights[...] = 1
        network.stacking[...] = 0.5
    read = []
    encode, spans = network.tokenizer._encode_whole, network.tokenizer._spans

    def encoded(texts):
        read.extend(map(len, texts))
        return encode(texts)

    def with_spans(chunks, begin=0):
        chunks = list(chunks)
        read.extend(map(len, chunks))
        return spans(chunks, begin)

    monkeypatch.setattr(network.tokenizer, "_encode_whole", encoded)
    monkeypatch.setattr(network.tokenizer, "_spans", with_spans)
    (ids,) = network.encode([unit * 100_000])
    assert len(ids) == 20
    assert sum(read) < 10_000
    assert len(network.explain([unit * 100_000])[0]) == 20
    assert sum(read) < 100_000
