"""The n-gram baseline: its probabilities are those of the formula, and sum to one."""

import math
from fractions import Fraction

import pytest
from ngram_baseline import WittenBell, main


def test_by_hand():
    model = WittenBell("aab", order=2)
    # one character: a twice, b once, two kinds of three and the unseen
    a, b = (Fraction(2) + Fraction(2, 3)) / 5, (Fraction(1) + Fraction(2, 3)) / 5
    assert model.probability("", "a") == pytest.approx(float(a))
    # after a: a once, b once, two kinds
    assert model.probability("a", "b") == pytest.approx(float((1 + 2 * b) / 4))
    # after b: never seen with anything, so the shorter context
    assert model.probability("b", "a") == pytest.approx(float(a))


def test_sums_to_one():
    model = WittenBell("to be or not to be, that is the question", order=4)
    for context in ("", "t", "to ", "e, ", "xyz"):
        everything = sum(model.probability(context, c) for c in [*model.alphabet, "unseen"])
        assert everything == pytest.approx(1)


def test_an_unseen_character_is_one_character(tmp_path, capsys):
    (tmp_path / "train.txt").write_text("ab" * 50)
    (tmp_path / "validation.txt").write_text("abcadb")
    assert main(["--data", str(tmp_path), "--order", "1"]) == 0
    said = capsys.readouterr().out
    assert "100 training and 6 validation characters, 2 unique" in said
    seen, unseen = (Fraction(50) + Fraction(2, 3)) / 102, Fraction(2, 3) / 102
    assert f"{-(4 * math.log(seen) + 2 * math.log(unseen)) / 6:.4f} nats" in said


def test_known_figure(shared_data, capsys):
    assert main(["--data", str(shared_data / "tinyshakespeare/input.txt"), "--order", "5"]) == 0
    assert "1.6688 nats, 2.4076 bits" in capsys.readouterr().out  # known: 1.669 and 2.408


def test_mistakes(capsys):
    assert main(["--data", "nowhere.txt"]) == 2
    assert main(["--data", "python-docs", "--order", "0"]) == 2
    assert "--order is 0; it must be at least 1" in capsys.readouterr().err
