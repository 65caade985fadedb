"""The loop of `predict --uncertain`: train, ask, fill in the labels, train."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.tasks.sentiment.ensemble import load_predictor
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import load_labelled, load_plain_texts
from rnnnlp.text.plain import load_texts_to_label
from rnnnlp.training.model_folder import MEMBERS
from tests.cli.furnished import TINY

ODD = [
    '=1+1 "quoted", with a comma',
    "two\nlines",
    "return\r\nand \ttab ",
    "质量很好，非常喜欢",
    "  blanks ",
    "-5 stars",
]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def label_of(text: str) -> str:
    return "good" if "good" in text else "bad"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table in which a third of the texts has labels, and a classifier that was trained on these."""
    home = tmp_path_factory.mktemp("home")
    words = "plot cast score light sound story scene voice music ending".split()
    texts = [f"a {kind} {a} but an odd {b}" for a in words for b in words[:3] for kind in ("good", "bad")]
    labels = [label_of(text) if i % 3 == 0 else "" for i, text in enumerate(texts)]
    rows = [{"review": text, "tone": label} for text, label in zip(texts, labels, strict=True)]
    rows += [{"review": texts[0], "tone": ""}]  # its label is known
    write(home / "pool.csv", rows)
    columns = ["--text-column", "review", "--label-column", "tone"]
    assert (
        main(["train", "sentiment", "--data", str(home / "pool.csv"), *columns, "--out", str(home / "run"), *TINY]) == 0
    )
    return home


def ask(home: Path, *words: str, run: str = "run") -> int:
    return main(["predict", str(home / run), *words, "--text-column", "review", "--label-column", "tone"])


def test_the_whole_loop(home: Path, capsys: pytest.CaptureFixture):
    pool = {row["review"]: row["tone"] for row in reversed(rows_of(home / "pool.csv"))}
    assert ask(home, "--file", str(home / "pool.csv"), "--uncertain", "8", "--out", str(home / "asked.csv")) == 0
    asked = rows_of(home / "asked.csv")
    assert list(asked[0]) == ["review", "tone", "guess", "margin"]
    assert len(asked) == len({row["review"] for row in asked}) == 8
    model = load_predictor(home / "run")
    for row, p in zip(asked, model.predict_proba([row["review"] for row in asked]), strict=True):
        assert row["tone"] == pool[row["review"]] == ""
        assert row["guess"] == model.labels[p.argmax()]
        assert float(row["margin"]) == pytest.approx(p.max() - p.min(), abs=1e-4)

    write(home / "asked.csv", [{**row, "tone": label_of(row["review"])} for row in asked[:6]] + asked[6:])
    both = str(home / "*.csv")
    columns = ["--text-column", "review", "--label-column", "tone"]
    capsys.readouterr()
    assert main(["train", "sentiment", "--data", both, *columns, "--out", str(home / "more"), *TINY]) == 0
    assert "rows without a label (missing) dropped" in capsys.readouterr().err
    assert ask(home, "--file", str(home / "pool.csv"), "--uncertain", "99", run="more") == 0
    again = {row["review"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert again
    assert again.isdisjoint(row["review"] for row in asked[:6])
    assert again.isdisjoint(text for text, label in pool.items() if label)


def test_columns_are_those_of_the_training_unless_others_are_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    """A file without them is read with the usual ones."""
    file = tmp_path / "both.csv"
    write(file, [{"text": "no", "review": "a good plot", "tone": "", "label": ""}])
    write(tmp_path / "usual.csv", [{"text": "no", "stars": "5"}])
    predict = ["predict", str(home / "run"), "--file"]
    for words, text in (
        ([str(file)], "a good plot"),
        ([str(file), "--text-column", "text"], "no"),
        ([str(tmp_path / "usual.csv")], "no"),
    ):
        capsys.readouterr()
        assert main([*predict, *words]) == 0
        assert capsys.readouterr().out.split("\t")[2] == f"{text}\n"
    assert main([*predict[:2], "--files", str(file), "--out", str(tmp_path / "out")]) == 0
    assert '"text": "a good plot"' in (tmp_path / "out" / "both.csv.jsonl").read_text(encoding="utf-8")
    capsys.readouterr()
    assert main([*predict, str(file), "--uncertain", "1"]) == 0
    assert capsys.readouterr().out.startswith('"review","tone","guess","margin"\n"a good plot",')


def test_texts_come_back_unchanged(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    write(tmp_path / "odd.csv", [{"review": text} for text in ODD])
    path = tmp_path / "asked.csv"
    words = ["--file", str(tmp_path / "odd.csv"), "--text-column", "review"]
    assert main(["predict", str(home / "run"), *words, "--uncertain", "9", "--out", str(path)]) == 0
    assert "2 texts or labels begin with one of = + - @" in capsys.readouterr().err
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # for spreadsheets
    found = load_texts_to_label(path)
    assert found.columns == ("review", "label")
    assert sorted(map(str, found.texts)) == sorted(ODD) == sorted(map(str, load_plain_texts(path)))
    write(path, [{**row, "label": "good"} for row in rows_of(path)] + [{"review": "dull", "label": "bad"}] * 2)
    assert sorted(load_labelled(str(path), validation_fraction=0).splits["train"].texts[:-2]) == sorted(ODD)


@pytest.mark.parametrize("label", ["=5", "-1"])
def test_a_label_may_be_taken_for_a_formula(
    label: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """Those of a model of others can be any text; a number is none."""
    monkeypatch.setattr(SentimentNetwork, "labels", (label, label))
    assert main(["predict", str(home / "run"), "some line", "--uncertain", "1"]) == 0
    said = capsys.readouterr()
    assert f'"some line","","{label}",' in said.out
    assert ("1 texts or labels begin with one of = + - @" in said.err) == (label == "=5")


def test_lines_and_arguments_can_be_asked_for(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "lines.txt").write_text("some line\nanother of them\n\n")
    for words in (["--file", str(tmp_path / "lines.txt")], ["some line", "another of them"]):
        assert main(["predict", str(home / "run"), *words, "--uncertain", "2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == '"text","label","guess","margin"'
        assert {line.split(",")[0] for line in lines[1:]} == {'"some line"', '"another of them"'}


def test_minus_one_may_stand_for_no_label(tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,label\ngood,-1\nbad,-1\n")
    assert load_texts_to_label(tmp_path / "a.csv").texts == ["good", "bad"]
    (tmp_path / "b.csv").write_text("text,label\ngood,-1\nbad,1\nodd,\n")
    assert load_texts_to_label(tmp_path / "b.csv").texts == [None, None, "odd"]


def test_texts_that_trained_a_member_of_an_ensemble_are_known(home: Path, tmp_path: Path):
    from rnnnlp.cli.to_label import trained_texts

    model = load_predictor(home / "run")
    of_member = trained_texts(model.classes, home / "run")
    assert of_member
    shutil.copytree(home / "run", tmp_path / "ensemble" / MEMBERS / "0")
    assert trained_texts(model.classes, tmp_path / "ensemble") == of_member


def test_without_the_data_of_the_training_nothing_is_known(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    from rnnnlp.cli.to_label import trained_texts

    classes = load_predictor(home / "run").classes
    assert trained_texts(classes, home / "run")
    caplog.clear()
    monkeypatch.setattr("rnnnlp.training.data_places.is_local", lambda data: False)
    with caplog.at_level("INFO", "rnnnlp"):
        assert trained_texts(classes, home / "run") == frozenset()
    (said,) = caplog.messages
    assert said.startswith(f"texts that trained the model are not left out: {home / 'run'}: its data, ")
    assert said.endswith("; rows of the file with a label are left out all the same")
