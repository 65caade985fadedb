"""The bundled sample reviews: counts, balance, lengths, no repeated texts, and that they can be learned from."""

import json
import math
import re
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "data" / "sample-reviews"
PER_GROUP = {"train": 100, "test": 25}  # texts of one language and one label
LABELS = ("negative", "positive")
HAN = re.compile(r"[\u4e00-\u9fff]")


def read(split):
    lines = (FOLDER / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def everything():
    return read("train") + read("test")


def bare(text):
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def features(row):
    """Words and word pairs of an English text, characters and character pairs of a Chinese one."""
    text = row["text"].lower()
    units = re.findall(r"[a-z']+", text) if row["language"] == "en" else list(text)
    return set(units) | set(pairwise(units))


@pytest.mark.parametrize("split", PER_GROUP)
def test_counts_and_balance(split):
    groups = Counter((row["language"], row["label"]) for row in read(split))
    assert groups == {(language, label): PER_GROUP[split] for language in ("en", "zh") for label in LABELS}


@pytest.mark.parametrize("split", PER_GROUP)
def test_lines_are_plain_utf8_json(split):
    raw = (FOLDER / f"{split}.jsonl").read_bytes()
    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    for line in raw.decode("utf-8").splitlines():
        row = json.loads(line)
        assert list(row) == ["text", "label", "language"]
        assert line == json.dumps(row, ensure_ascii=False)
        assert row["text"] == row["text"].strip()


def test_language_and_length():
    for row in everything():
        text = row["text"]
        if row["language"] == "en":
            assert text.isascii(), text
            assert 4 <= len(text.split()) <= 40, text
        else:
            assert HAN.search(text), text
            assert not re.search("[A-Za-z]", text), text
            assert 6 <= len(text) <= 60, text


def test_labels_and_languages_are_mixed():
    for split in PER_GROUP:
        head = read(split)[:20]
        assert len({(row["language"], row["label"]) for row in head}) == 4


def test_no_text_twice():
    texts = [bare(row["text"]) for row in everything()]
    assert [text for text, n in Counter(texts).items() if n > 1] == []


def test_no_two_texts_nearly_the_same():
    def substrings(row):
        text, n = bare(row["text"]), 4 if row["language"] == "en" else 2
        return {text[i : i + n] for i in range(len(text) - n + 1)}

    rows = [(row["text"], substrings(row)) for row in everything()]
    close = [(a, b) for (a, p), (b, q) in combinations(rows, 2) if len(p & q) > 0.5 * len(p | q)]
    assert close == []


def test_naive_bayes_learns_it():
    seen = {label: Counter() for label in LABELS}
    for row in read("train"):
        seen[row["label"]].update(features(row))
    vocabulary = set().union(*seen.values())
    totals = {label: sum(seen[label].values()) + len(vocabulary) for label in LABELS}

    def score(row, label):
        return sum(math.log((seen[label][f] + 1) / totals[label]) for f in features(row) & vocabulary)

    test = read("test")
    right = sum(max(LABELS, key=lambda label: score(row, label)) == row["label"] for row in test)
    assert right >= 80  # of 100; 90 when the set was written
