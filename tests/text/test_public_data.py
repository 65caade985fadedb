"""The public data sets, as they are published."""

import numpy as np
import pytest

from rnnnlp.text import WordTokenizer, encode_corpus, load_corpus, load_labelled

EXPECTED = {
    "sst2": {"train": (3310, 3610), "validation": (428, 444), "test": (912, 909)},
    "sst2_phrases": {"train": (29780, 37569), "validation": (428, 444), "test": (912, 909)},
    "online_shopping_10_cats": {"train": (21249, 21088), "validation": (2653, 2644), "test": (2560, 2582)},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_labelled_sets(shared_data, name):
    data = load_labelled(str(shared_data / name))
    assert {split: tuple(np.bincount(rows.labels)) for split, rows in data.splits.items()} == EXPECTED[name]
    assert data.classes.names == ("negative", "positive")


def test_movie_reviews(shared_data):
    data = load_labelled(str(shared_data / "imdb"))
    assert data.classes.names == ("neg", "pos")
    counts = {split: tuple(np.bincount(rows.labels)) for split, rows in data.splits.items()}
    assert counts == {"train": (11875, 11875), "validation": (625, 625), "test": (12500, 12500)}
    # The published number of bytes of the test texts, 12 of which are counted for each row.
    assert sum(len(text.encode()) + 12 for text in data.splits["test"].texts) == 32_650_685
    validation = load_labelled(str(shared_data / "imdb"), splits=("validation",))
    assert validation.splits["validation"].texts == data.splits["validation"].texts


def test_words_of_movie_reviews(shared_data):
    texts = load_labelled(str(shared_data / "imdb"), splits=("validation",)).splits["validation"].texts
    tokenizer = WordTokenizer.train(texts)
    assert sum(text.count("<br />") for text in texts) > 1000
    assert not {"br", "<", ">"} & set(tokenizer.words[:1000])
    unknown = np.concatenate(tokenizer.encode_batch(texts)) == tokenizer.unknown_id
    assert unknown.mean() < 0.06


@pytest.mark.parametrize(
    ("name", "characters", "num_characters"), [("tinyshakespeare", 1_115_394, 65), ("warpeace", 3_258_226, 83)]
)
@pytest.mark.parametrize("kind", ["char", "byte"])
def test_texts(shared_data, tmp_path, name, characters, num_characters, kind):
    corpus = load_corpus(str(shared_data / name / "input.txt"))
    encoded = encode_corpus(corpus, kind, cache_dir=tmp_path)
    assert sum(encoded.characters.values()) == characters
    assert encoded.tokenizer.vocab_size == (num_characters + 1 if kind == "char" else 256)
    raw = (shared_data / name / "input.txt").read_bytes().removeprefix(b"\xef\xbb\xbf")
    assert "".join(encoded.tokenizer.decode(ids) for ids in encoded.ids.values()).encode() == raw
