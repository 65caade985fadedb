"""The linear baseline learns words, or characters where there are no spaces. Without scikit-learn most tests skip."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.analysis.linear_baseline import baseline_probabilities
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.text import LabelledSplit
from tests.runs import trained_on

if os.environ.get("RNNNLP_REQUIRE_SKLEARN") == "1":
    import sklearn  # noqa: F401

GOOD, BAD = ["a lovely film", "so lovely, so good"], ["a poor film", "so poor, so dull"]
LABELS = np.array([1, 1, 0, 0] * 5)


@pytest.fixture
def sklearn_or_skip():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: there is no baseline")


learning = pytest.mark.usefixtures("sklearn_or_skip")


@learning
def test_words_are_learned():
    train = LabelledSplit((GOOD + BAD) * 5, LABELS)
    found = baseline_probabilities(train, ["lovely", "poor", "", "never seen"], 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[0, 1] > 0.9 > 0.1 > found[1, 1]
    np.testing.assert_allclose(found[2:], 0.5, atol=0.2)


@learning
def test_characters_are_learned_where_no_spaces_part_words():
    train = LabelledSplit(["质量很好非常喜欢这件衣服", "很好看", "质量很差非常失望这件衣服", "太差了"] * 5, LABELS)
    found = baseline_probabilities(train, ["这个好", "这个差"], 2)
    assert found.argmax(axis=1).tolist() == [1, 0]


@learning
def test_a_class_that_the_training_texts_lack_has_no_probability():
    found = baseline_probabilities(LabelledSplit((GOOD + BAD) * 5, 2 * LABELS), ["lovely"], 4)
    assert found.shape == (1, 4)
    assert found[0, 1] == found[0, 3] == 0
    assert found[0, 2] > 0.9


@learning
def test_texts_without_a_repeated_word_are_an_error():
    with pytest.raises(UserError, match="finds no word twice"):
        baseline_probabilities(LabelledSplit(["one word", "two others"], np.array([0, 1])), ["one"], 2)


def test_without_scikit_learn_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
    with pytest.raises(UserError, match=r"needs scikit-learn; pip install 'rnnnlp\[baseline\]'"):
        baseline_probabilities(LabelledSplit(GOOD + BAD, LABELS[:4]), GOOD, 2)


@learning
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
    assert head.endswith("| ECE after | TF-IDF accuracy (95 %) | TF-IDF macro-F1 |")
    assert row.endswith("| 1.0000 (0.8389 to 1.0000) | 1.0000 |")
    assert main([*words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["baseline"]["accuracy"] == 1
