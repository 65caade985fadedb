"""A classifier on several data sets at once: a table, a list, and the mistakes that were asked for."""

import json
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.display import columns
from rnnnlp.tasks import load_task
from rnnnlp.tasks.sentiment.report import details, thresholds

TINY = "--hidden-size 8 --embedding-size 6 --evaluations 1 --steps 4".split()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = str(tmp_path_factory.mktemp("runs") / "run")
    assert main(["train", "sentiment", "--data", "sample-reviews", *TINY, "--out", run]) == 0
    return run


@pytest.fixture
def other(tmp_path: Path) -> str:
    path = tmp_path / "other.csv"
    path.write_text("text,label\n" + "".join(f"a review {i},{'posi' if i % 3 else 'nega'}tive\n" for i in range(30)))
    return str(path)


def test_several_data_sets_are_a_table(run: str, other: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "figures.json"
    words = ["evaluate", run, "--split", "train", "--data", "sample-reviews", "--data", other, "--json", str(path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    head, line, *rows = said.splitlines()
    assert head == "| data set | texts | accuracy (95 %) | macro-F1 | ECE before | ECE after |"
    assert line == "| --- | --- | --- | --- | --- | --- |"
    figures = json.loads(path.read_text())
    assert [of_set["data"] for of_set in figures] == ["sample-reviews", other]
    for of_set, row in zip(figures, rows, strict=True):
        low, high = of_set["accuracy_interval"]
        assert low < of_set["accuracy"] < high
        errors = f"{of_set['uncalibrated_error']:.4f} | {of_set['expected_calibration_error']:.4f}"
        assert row == (
            f"| {of_set['data']} | {of_set['examples']} | {of_set['accuracy']:.4f} ({low:.4f} to {high:.4f}) | "
            f"{of_set['macro_f1']:.4f} | {errors} |"
        )
        assert of_set["mistakes"] == []


def test_the_most_confident_mistakes_of_each_set(run: str, other: str, capsys: pytest.CaptureFixture):
    words = ["evaluate", run, "--split", "train", "--data", "sample-reviews", "--data", other, "--mistakes", "3"]
    assert main(words) == 0
    parts = capsys.readouterr().out.split("\n\n")
    assert [part.splitlines()[0] for part in parts[1:]] == [
        "most confident mistakes in sample-reviews:",
        f"most confident mistakes in {other}:",
    ]
    assert all(part.count("), but labelled ") == 3 for part in parts[1:])
    assert main([*words, "--json", "-"]) == 0
    for of_set in json.loads(capsys.readouterr().out):
        assert len(of_set["mistakes"]) == 3
        probabilities = [mistake["probability"] for mistake in of_set["mistakes"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert all(mistake["label"] != mistake["prediction"] for mistake in of_set["mistakes"])


@pytest.mark.parametrize(("asked", "shown"), [([], 5), (["--mistakes", "0"], 0), (["--mistakes", "7"], 7)])
def test_mistakes_of_one_set(asked: list[str], shown: int, run: str, capsys: pytest.CaptureFixture):
    assert main(["evaluate", run, "--split", "train", *asked]) == 0
    said = capsys.readouterr().out
    assert said.count("), but labelled ") == shown
    assert ("most confident mistakes" in said) == (shown > 0)
    assert "|" not in said


def test_thresholds_of_a_class(run: str, capsys: pytest.CaptureFixture):
    """The table says what the option does: precision and recall at a threshold are those that it then has."""
    words = ["evaluate", run, "--split", "train", "--mistakes", "0"]
    assert main([*words, "--threshold", "negative"]) == 0
    table = capsys.readouterr().out
    assert "from precision  recall      F1" in table
    assert table.count("best F1") == 1
    assert main([*words, "--threshold", "negative", "--json", "-"]) == 0
    for row in json.loads(capsys.readouterr().out)["thresholds"]:
        assert main([*words, "--threshold", f"negative={row['threshold']}", "--json", "-"]) == 0
        of_class = json.loads(capsys.readouterr().out)["per_class"]["negative"]
        assert of_class["recall"] == row["recall"]
        assert of_class["f1"] == pytest.approx(row["f1"])


def test_thresholds_of_several_sets(run: str, other: str, capsys: pytest.CaptureFixture):
    words = ["evaluate", run, "--split", "train", "--data", "sample-reviews", "--data", other]
    assert main([*words, "--threshold", "negative"]) == 0
    tables = capsys.readouterr().out.split("\n\n")[1:]
    assert [table.splitlines()[0] for table in tables] == ["thresholds in sample-reviews:", f"thresholds in {other}:"]
    assert all("from precision" in table.splitlines()[1] for table in tables)


def test_data_that_are_not_there_are_named_before_others_are_measured(
    run: str, other: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    calls: list[str] = []
    monkeypatch.setattr("rnnnlp.cli.evaluate.measured", lambda source, model, data, *more: calls.append(data))
    assert main(["evaluate", run, "--data", other, "--data", f"{other}.gone"]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert calls == []


def test_prediction_from_a_threshold_on(run: str, capsys: pytest.CaptureFixture):
    def predicted(*options: str) -> list[dict]:
        assert main(["predict", run, "a lovely film", "broken", *options, "--json", "-"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    weights = []
    for label in ("positive", "negative"):
        always = predicted("--threshold", f"{label}=0", "--explain")
        assert [line["label"] for line in always] == [label, label]
        weights.append([word["weight"] for line in always for word in line["words"]])
    assert weights[0] == pytest.approx([-weight for weight in weights[1]], abs=2e-6)  # those for the label
    assert max(map(abs, weights[0])) > 1e-4
    never = predicted("--threshold", "negative=1")
    assert [line["label"] for line in never] == ["positive", "positive"]
    assert [line["probabilities"] for line in never] == [line["probabilities"] for line in predicted()]


def test_each_figure_is_below_its_name():
    figures = {
        **{"accuracy": 0.7, "macro_f1": 0.35, "expected_calibration_error": 0.1, "uncalibrated_error": 0.2},
        **{"temperature": 1.5, "examples": 1234, "confusion_matrix": [[4, 1], [2, 3]]},
        "per_class": {
            "a": {"precision": 0.1, "recall": 0.2, "f1": 0.3, "examples": 5},
            "b": {"precision": 0.4, "recall": 0.5, "f1": 0.6, "examples": 7},
        },
    }
    assert details(figures) == [
        "accuracy 0.7000, macro-F1 0.3500 over 1,234 texts",
        "expected calibration error 0.1000, uncalibrated 0.2000 (temperature 1.500)",
        "           class precision  recall      F1   texts   predicted as a b",
        "               a    0.1000  0.2000  0.3000       5                4 1",
        "               b    0.4000  0.5000  0.6000       7                2 3",
    ]
    rows = [(0.25, 0.5, 1.0, 0.6), (0.5, 0.75, 0.875, 0.7)]
    assert thresholds([dict(zip(("threshold", "precision", "recall", "f1"), row, strict=True)) for row in rows]) == [
        " from precision  recall      F1",
        " 0.25    0.5000  1.0000  0.6000",
        " 0.50    0.7500  0.8750  0.7000  best F1",
    ]


def test_each_figure_of_a_language_model_has_its_name():
    of_both = {"data": "a", "split": "all", "tokens": 9}
    (line,) = load_task("char_lm").report([of_both | {"nats_per_char": 1.0, "bits_per_char": 2.0, "perplexity": 3.0}])
    assert "1.0000 nats per character, 2.0000 bits per character, perplexity 3.000 over 9" in line
    (line,) = load_task("word_lm").report([of_both | {"perplexity_forward": 1.0, "perplexity_reverse": 2.0}])
    assert "1.000 read forward, 2.000 read backward, over 9" in line


def test_columns_of_classes_are_even():
    """Also below short names, beside long ones, and where a character takes two columns of a terminal."""
    c = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "examples": 5}
    for names in (("a", "b"), ("negative", "好评"), ("a name of many letters", "e\u0301")):
        figures = {
            **dict.fromkeys(("accuracy", "macro_f1", "expected_calibration_error", "uncalibrated_error"), 0.5),
            **{"temperature": 1.0, "examples": 10, "per_class": dict.fromkeys(names, c)},
            "confusion_matrix": [[1234, 5], [67, 12345]],
        }
        head, *rows = details(figures)[2:]
        assert {columns(row) for row in rows} == {columns(head)}
    assert "predicted as    a     b" in details(figures | {"per_class": {"a": c, "b": c}})[2]


def test_several_texts_are_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture):
    text = tmp_path / "text.txt"
    text.write_text("To be, or not to be, that is the question.\n" * 20)
    run = str(tmp_path / "run")
    assert main(["train", "charlm", "--data", str(text), "--out", run, *TINY, "--bptt", "8", "--batch-size", "2"]) == 0
    capsys.readouterr()
    assert main(["evaluate", run, "--data", str(text), "--data", str(text)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert "nats per character" in first


def measured(capsys: pytest.CaptureFixture, *words: str) -> tuple[str, int]:
    """The split and the number of texts or tokens that `evaluate` measures with these words."""
    capsys.readouterr()
    assert main(["evaluate", *words, "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    return figures["split"], figures.get("examples", figures.get("tokens"))


def test_a_file_that_is_no_split_is_measured_whole(run: str, other: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert measured(capsys, run) == ("validation", 20)
    assert measured(capsys, run, "--data", other) == ("all", 30)
    assert measured(capsys, run, "--data", other, "--split", "train") == ("train", 30)
    assert measured(capsys, run, "--data", other, "--baseline") == ("validation", 2)  # the rest trains the baseline
    rows = Path(other).read_text()
    for name, expected in (
        ("test.csv", ("test", 30)),
        ("dev.csv", ("validation", 30)),
        ("train.csv", ("validation", 30)),
    ):
        (tmp_path / "splits").mkdir(exist_ok=True)
        (tmp_path / "splits" / name).write_text(rows)
        assert measured(capsys, run, "--data", str(tmp_path / "splits")) == expected
    assert measured(capsys, run, "--data", str(tmp_path / "splits"), "--split", "all") == ("all", 90)


def test_only_of_the_data_of_the_training_is_a_part_held_out(tmp_path: Path, capsys: pytest.CaptureFixture):
    book, other, run = tmp_path / "book.txt", tmp_path / "other.txt", str(tmp_path / "run")
    book.write_text("one lamp, two lamps. " * 50)
    other.write_text("two tents, one tent. " * 50)
    options = [*TINY, "--bptt", "8", "--batch-size", "2"]
    assert main(["train", "charlm", "--data", str(book), *options, "--out", run]) == 0
    assert measured(capsys, run) == ("validation", 104)
    assert measured(capsys, run, "--data", f"{tmp_path}/./book.txt") == ("validation", 104)
    assert measured(capsys, run, "--data", str(other)) == ("all", 1049)
    assert main(["evaluate", run, "--data", str(other), "--split", "validation"]) == 2
    assert "has no split 'validation'; it has train: name one of these" in capsys.readouterr().err


def test_a_class_that_does_not_occur_is_not_in_the_macro_average(tmp_path: Path, capsys: pytest.CaptureFixture):
    rows = [
        f"{word} {word} {i},{label}\n"
        for label, word in (("a", "lamp"), ("b", "tent"), ("c", "radio"))
        for i in range(20)
    ]
    (tmp_path / "all.csv").write_text("text,label\n" + "".join(rows))
    (tmp_path / "two.csv").write_text("text,label\n" + "".join(rows[:40]))
    options = (
        "--hidden-size 8 --embedding-size 8 --epochs 20 --lr 0.05 --dropout 0 --batch-size 8 --evaluations 1".split()
    )
    run = str(tmp_path / "run")
    assert main(["train", "sentiment", "--data", str(tmp_path / "all.csv"), *options, "--out", run]) == 0
    capsys.readouterr()
    assert main(["evaluate", run, "--data", str(tmp_path / "two.csv"), "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["macro_f1"] == figures["accuracy"] == 1


def test_every_row_has_its_prediction(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Also a row without a text; and labels that are numbers are numbers in the JSON."""
    data, run = tmp_path / "stars.csv", str(tmp_path / "run")
    data.write_text("text,label\n" + "good film,5\nbad film,1\n" * 20)
    assert main(["train", "sentiment", "--data", str(data), *TINY, "--out", run]) == 0
    gaps = tmp_path / "gaps.jsonl"
    gaps.write_text('{"text": "good"}\n{"text": null}\n{"text": NaN}\n{"text": "bad"}\n{"id": 3}\n')
    capsys.readouterr()
    assert main(["predict", run, "--file", str(gaps)]) == 0
    said = capsys.readouterr()
    labels = [line.split("\t")[0] for line in said.out.splitlines()]
    assert [label == "(no text)" for label in labels] == [False, True, True, False, True]
    assert "3 of the 5 rows have no text, and so no prediction" in said.err
    assert main(["predict", run, "--file", str(gaps), "--explain", "--json", "-"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(rows[1]) == list(rows[0]) == ["text", "label", "probabilities", "unknown_words", "words"]
    assert set(rows[1].values()) == {None}
    assert all(row["label"] in (1, 5) for row in (rows[0], rows[3]))
    assert [words["text"] for words in rows[3]["words"]] == ["bad"]


def test_the_data_of_the_training_are_read_as_there_whatever_they_are_called(tmp_path, monkeypatch, capsys):
    """Under another spelling of their path, too."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{word} caf\u00e9 {k},{word}\n" for k in range(30) for word in ("good", "bad"))
    Path("reviews.csv").write_bytes(f"text,label\n{rows}".encode("cp1252"))
    words = (
        "train sentiment --data reviews.csv --encoding cp1252 --steps 2 --hidden-size 4 --embedding-size 4 --out run"
    )
    assert main(words.split()) == 0
    figures = []
    for data in ("reviews.csv", "./reviews.csv", str(tmp_path / "reviews.csv")):
        capsys.readouterr()
        assert main(["evaluate", "run", "--data", data, "--json", "-"]) == 0
        figures.append({**json.loads(capsys.readouterr().out), "data": "", "seconds": 0})
    assert figures[0] == figures[1] == figures[2]


def test_a_byte_model_is_evaluated_on_any_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.pdf", "b.pdf"):
        Path(name).write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 20)
    words = "train charlm --tokenizer byte --data a.pdf --steps 2 --hidden-size 4 --bptt 8 --out run"
    assert main(words.split()) == 0
    assert main("evaluate run --data b.pdf".split()) == 0


def test_a_baseline_needs_texts_to_measure_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{word} {k},{word}\n" for k in range(9) for word in ("good", "bad"))
    Path("reviews.csv").write_text(f"text,label\n{rows}")
    Path("lonely.csv").write_text("text,label\ngood one,good\nbad one,bad\n")
    words = "train sentiment --data reviews.csv --steps 2 --hidden-size 4 --embedding-size 4 --out run"
    assert main(words.split()) == 0
    assert main("evaluate run --data lonely.csv --baseline".split()) == 2
    assert "lonely.csv: there is no text to measure on; give two or more of a class" in capsys.readouterr().err
