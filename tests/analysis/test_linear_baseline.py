"""The linear baselines learn words, or characters where there are no spaces."""

import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.analysis import linear_baseline
from rnnnlp.analysis.linear_baseline import (
    ONE_FOLD,
    Baseline,
    NbSvm,
    baseline_probabilities,
    best_setting,
    fit_baselines,
    folds_of,
    word_pattern,
)
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.text import LabelledSplit
from tests.runs import trained_on

GOOD, BAD = ["a lovely film", "so lovely, so good"], ["a poor film", "so poor, so dull"]
LABELS = np.array([1, 1, 0, 0] * 5)


def test_words_are_learned():
    train = LabelledSplit((GOOD + BAD) * 5, LABELS)
    found = baseline_probabilities(train, ["lovely", "poor", "", "never seen"], 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[0, 1] > 0.9 > 0.1 > found[1, 1]
    np.testing.assert_allclose(found[2:], 0.5, atol=0.2)


def test_characters_are_learned_where_no_spaces_part_words():
    train = LabelledSplit(["质量很好非常喜欢这件衣服", "很好看", "质量很差非常失望这件衣服", "太差了"] * 5, LABELS)
    found = baseline_probabilities(train, ["这个好", "这个差"], 2)
    assert found.argmax(axis=1).tolist() == [1, 0]


def test_words_keep_their_marks():
    def words(text: str) -> list[str]:
        return re.findall(word_pattern(), text)

    for word in ("हिन्दी", "বাংলা", "தமிழ்", "شَدَّة", "שָׁלוֹם", "e\u0301te\u0301", "क्\u200dष", "\U0001e922\U0001e945"):
        assert words(f"{word}, {word}!") == [word, ",", word, "!"]
    before = "It's a_b 3.5 — “no” 很好，❤\ufe0f ½\u200b\r\n"
    assert words(before) == re.findall(r"\w+|[^\w\s]", before)


def test_line_ends_teach_nothing():
    """They would tell which file, and so which class, a text came from."""
    train = LabelledSplit(["好看", "喜欢", "好看\r", "喜欢\r"] * 5, LABELS)
    for baseline in fit_baselines(train, 2):
        np.testing.assert_allclose(baseline.predict_proba(["喜欢", "喜欢\r"]), 0.5, atol=0.01)


def test_a_class_that_the_training_texts_lack_has_no_probability():
    found = baseline_probabilities(LabelledSplit((GOOD + BAD) * 5, 2 * LABELS), ["lovely"], 4)
    assert found.shape == (1, 4)
    assert found[0, 1] == found[0, 3] == 0
    assert found[0, 2] > 0.9


def test_texts_without_a_word_are_an_error():
    with pytest.raises(UserError, match="finds no words in the training texts"):
        baseline_probabilities(LabelledSplit(["", " "], np.array([0, 1])), ["one"], 2)


def test_few_texts_of_each_class_do():
    for labels in ([0, 1], [0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1, 2]):
        train = LabelledSplit(
            ["one word", "two others", "a third", "and more", "the end"][: len(labels)], np.array(labels)
        )
        found = fit_baselines(train, 3)
        assert [b.name for b in found] == ["TF-IDF", "NB-SVM"]
        for baseline in found:
            np.testing.assert_allclose(baseline.predict_proba(train.texts).sum(axis=1), 1, rtol=1e-5)
            assert np.isnan(baseline.accuracy) == (len(labels) < 4)


def test_every_class_has_its_share_of_a_fold():
    labels = np.repeat([0, 1, 2], [50, 10, 1])
    folds = list(folds_of(labels))
    assert np.sum(folds, axis=0).tolist() == [1] * 61
    for held in folds[1:]:
        assert np.bincount(labels[held], minlength=3).tolist() == [10, 2, 0]
    assert len(list(folds_of(np.repeat([0, 1], ONE_FOLD // 2)))) == 1


def test_log_count_ratios_are_those_of_the_formula():
    from scipy.sparse import csr_matrix

    counts = csr_matrix(np.array([[2.0, 1, 0], [1, 0, 0], [0, 3, 1]], np.float32))
    model = NbSvm(counts, np.array([0, 0, 1]), 2)
    p, q = np.array([1, 2, 2]) / 5, np.array([3, 2, 1]) / 6  # of class 1, and of the other; 1 is added to each
    np.testing.assert_allclose(model._ratios[0], np.log(p / q), rtol=1e-6)
    model.fit({"C": 1.0, "beta": 1.0})
    whole = model.probabilities(counts)
    model.fit({"C": 1.0, "beta": 0.0})  # all weights are alike: what is left is naive Bayes
    assert (model.probabilities(counts) != whole).any()


def test_many_classes_do_not_multiply_the_features():
    from scipy.sparse import csr_matrix

    counts = csr_matrix(np.ones((2000, 50), np.float32))
    tracemalloc.start()
    try:
        model = NbSvm(counts, np.arange(2000) % 20, 20)
        assert tracemalloc.get_traced_memory()[0] < 3 * (counts.data.nbytes + counts.indices.nbytes)
    finally:
        tracemalloc.stop()
    assert len(model._ratios) == 20


def test_the_best_setting_is_taken_and_the_better_baseline(caplog: pytest.LogCaptureFixture):
    class Known:
        name = "known"

        @staticmethod
        def settings(texts):
            return [{"C": 1.0}, {"C": 2.0}, {"C": 3.0}]

        def __init__(self, counts, labels, classes):
            self.C = 0.0

        def fit(self, setting):
            self.C = setting["C"]

        def probabilities(self, counts):
            right = 0.9 if self.C == 3 else 0.6 if self.C == 2 else 0.1
            return np.where(np.arange(2) == counts, right, 1 - right)

    labels = np.array([0, 1] * 10)
    assert best_setting(Known, labels[:, None], labels, 2) == ({"C": 3.0}, 1.0)
    with caplog.at_level("INFO", "rnnnlp"):
        baseline_probabilities(LabelledSplit((GOOD + BAD) * 5, LABELS), GOOD, 2)
    assert "linear baselines, cross-validated: TF-IDF 1.0000 (C " in caplog.text
    assert caplog.text.rstrip().endswith("TF-IDF is taken")


def test_evaluate_puts_it_beside_the_network(tmp_path: Path, capsys: pytest.CaptureFixture):
    texts, labels = (GOOD + BAD) * 5, ["up", "up", "down", "down"] * 5
    options = {"steps": 4, "hidden_size": 4, "embedding_size": 4, "evaluations": 1}
    trained_on(texts, labels, tmp_path / "run", **options)
    rows = "".join(f"{json.dumps({'text': t, 'label': name})}\n" for t, name in zip(texts, labels, strict=True))
    for name in ("train", "test"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.jsonl").write_text(rows)
    words = ["evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "data"), "--split", "test", "--baseline"]
    assert main(words) == 0
    head, _, row = (line for line in capsys.readouterr().out.splitlines() if line.startswith("|"))
    assert head.endswith("| ECE after | baseline accuracy (95 %) | baseline macro-F1 |")
    assert row.endswith("| 1.0000 (0.8389 to 1.0000) | 1.0000 |")
    assert main([*words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["baseline"]["accuracy"] == 1


@pytest.mark.parametrize("accuracies", [(0.6, 0.8), (float("nan"), 0.8)])
def test_the_better_baseline_is_taken(accuracies: tuple[float, float], monkeypatch: pytest.MonkeyPatch):
    found = [
        Baseline(str(k), {"C": 1.0}, accuracy, lambda texts, k=k: np.full(len(texts), k))
        for k, accuracy in enumerate(accuracies)
    ]
    monkeypatch.setattr(linear_baseline, "fit_baselines", lambda *given: found)
    assert baseline_probabilities(LabelledSplit([], np.zeros(0, int)), ["a"], 2) == [1]


@pytest.mark.parametrize("texts", [["a b c", "c b a"], ["\u7532\u4e59\u4e19", "\u4e19\u4e59\u7532"]])
def test_pairs_are_learned(texts: list[str]):
    for baseline in fit_baselines(LabelledSplit(texts * 10, np.array([1, 0] * 10)), 2):
        assert baseline.predict_proba(texts).argmax(axis=1).tolist() == [1, 0]
