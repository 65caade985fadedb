"""`rnnnlp ensemble`, and the commands that take its folder as that of a run."""

import json
from pathlib import Path

import pytest

from rnnnlp.cli.main import main

TINY = "--hidden-size 6 --embedding-size 5 --evaluations 1 --steps 30 --batch-size 16 --lr 0.02".split()
TEXTS = ["a lovely film", "它坏了，很失望"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name, options in (("words", []), ("characters", ["--tokenizer", "char", "--seed", "3"])):
        words = ["train", "sentiment", "--data", "sample-reviews", *options, *TINY, "--out", str(home / name)]
        assert main(words) == 0
    assert main(["ensemble", str(home / "words"), str(home / "characters"), "--out", str(home / "ensemble")]) == 0
    return home


def test_it_prints_what_it_does(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    words = ["ensemble", "--out", str(tmp_path / "the out"), str(home / "characters"), str(home / "words")]
    assert main(words) == 0  # runs may stand after an option
    said = capsys.readouterr().err.splitlines()
    assert said[-4].startswith(f"{home}/characters: weight ")
    assert said[-3].startswith(f"{home}/words: weight ")
    assert said[-2].startswith("ensemble: accuracy ")
    assert said[-1] == f"{tmp_path}/the out: done; use it with: rnnnlp predict '{tmp_path}/the out' \"...\""
    assert main(words) == 2
    assert main([*words, "--overwrite"]) == 0


def test_predict_takes_an_ensemble(home: Path, capsys: pytest.CaptureFixture):
    words = ["predict", str(home / "ensemble"), *TEXTS, "--explain"]
    assert main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[2] for line in shown[::2]] == TEXTS
    assert main([*words, "--json", "-", "--threshold", "negative=0"]) == 0
    for line, text in zip(map(json.loads, capsys.readouterr().out.splitlines()), TEXTS, strict=True):
        assert line["label"] == "negative"
        assert sum(line["probabilities"].values()) == pytest.approx(1)
        assert all(text[word["start"] : word["end"]] == word["text"] for word in line["words"])


def test_evaluate_takes_an_ensemble(home: Path, capsys: pytest.CaptureFixture):
    words = ["evaluate", str(home / "ensemble")]
    assert main([*words, "--json", "-"]) == 0
    said = capsys.readouterr()
    assert "sample-reviews: the weights of the ensemble were fitted to validation texts of these data" in said.err
    of_training = json.loads(said.out)
    card = (home / "ensemble" / "README.md").read_text()
    assert f"| ensemble | | | {of_training['accuracy']:.4f} |" in card  # the same texts
    assert f"error of the ensemble is {of_training['expected_calibration_error']:.4f}." in card
    assert main([*words, "--split", "test", "--mistakes", "2", "--threshold", "negative"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("sample-reviews, test:\naccuracy ")
    assert said.count("), but labelled ") == 2
    assert "best F1" in said


def test_files_that_trained_a_member_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name in ("seen", "other", "new"):
        rows = "".join(f"{word} {name} {k},{word}\n" for k in range(20) for word in ("fine", "poor"))
        (tmp_path / f"{name}.csv").write_text("text,label\n" + rows)
    runs = [str(tmp_path / name) for name in ("a", "b")]
    for run in runs:
        assert main(["train", "sentiment", "--data", str(tmp_path / "seen.csv"), *TINY, "--out", run]) == 0
    out, other = str(tmp_path / "ensemble"), str(tmp_path / "other.csv")
    assert main(["ensemble", *runs, "--data", other, "--out", out]) == 0
    capsys.readouterr()
    files = ["--files", str(tmp_path / "seen.csv"), str(tmp_path / "new.csv"), "--out", str(tmp_path / "figures")]
    assert main(["evaluate", out, *files]) == 0
    said = capsys.readouterr().err
    assert f"was trained on {tmp_path / 'seen.csv'}: its figures there are too good" in said
    assert "new.csv: its figures" not in said


def test_evaluate_compares_an_ensemble_with_the_baseline(home: Path, capsys: pytest.CaptureFixture):
    assert main(["evaluate", str(home / "ensemble"), "--split", "test", "--baseline"]) == 0
    assert "| baseline accuracy (95 %) |" in capsys.readouterr().out
