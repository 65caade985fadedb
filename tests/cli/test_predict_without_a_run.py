"""`rnnnlp predict` with bundled models, and their names wherever a run may be named."""

import io
import json
import os
import shutil
from pathlib import Path

import pytest

from rnnnlp import SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.cli.predict import looks_like_run
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.bundled import bundled_models
from tests.bundled import MODELS, install_models


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installation")
    install_models(folder)
    return folder


@pytest.fixture(autouse=True)
def _installed(installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", installation / "rnnnlp")
    monkeypatch.chdir(tmp_path)


def output(words: list[str], capsys: pytest.CaptureFixture, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(words) == code
    out, err = capsys.readouterr()
    return out, "".join(line for line in err.splitlines(True) if not line.startswith("kernels: "))


def error(words: list[str], capsys: pytest.CaptureFixture) -> str:
    return output(words, capsys, 2)[1]


def test_a_text_is_classified_by_the_model_of_its_script(capsys: pytest.CaptureFixture):
    out, err = output(["predict", "a good film"], capsys)
    assert out.endswith("\ta good film\n")
    assert err == "bundled model: reviews-en (English); --model RUN chooses another\n"
    _, err = output(["predict", "我很喜欢"], capsys)
    assert err.startswith("bundled model: reviews-zh (Chinese); ")


def test_texts_of_several_scripts(capsys: pytest.CaptureFixture):
    texts = ["a good film", "很好", "10/10", "a bad film"]
    out, err = output(["predict", *texts, "--json", "-"], capsys)
    assert err.startswith("bundled model: reviews-en (English), reviews-zh (Chinese); --model RUN chooses another")
    found = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in found] == texts
    for name, text, row in (("reviews-zh", "很好", found[1]), ("reviews-en", "10/10", found[2])):
        (alone,) = SentimentClassifier.from_pretrained(name).predict_proba([text])
        assert list(row["probabilities"].values()) == pytest.approx(alone.tolist(), abs=1e-6)


def test_options_work_as_with_a_run(capsys: pytest.CaptureFixture):
    words = ["predict", "--explain", "--threshold", "negative=0", "--json", "-", "a good film"]
    row = json.loads(output(words, capsys)[0])
    assert row["label"] == "negative"
    assert [word["text"] for word in row["words"]] == ["a", "good", "film"]


def test_texts_to_label_need_a_model_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "x.csv").write_text("text\na good film\na bad film\n")
    words = ["predict", "--file", "x.csv", "--uncertain", "1"]
    assert "--uncertain is 1, and no model is named; give a run, or --model" in error(words, capsys)
    out, _ = output([*words, "--model", "reviews-en"], capsys)
    assert len(out.splitlines()) == 2


def test_a_file_and_standard_input(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "x.csv").write_text("text\na good film\n\n很好\n", encoding="utf-8")
    out, _ = output(["predict", "--file", "x.csv"], capsys)
    assert [line.split("\t")[2] for line in out.splitlines()] == ["a good film", "很好"]
    typed = io.TextIOWrapper(io.BytesIO(b"a bad film\n"))
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", typed)
    out, err = output(["predict"], capsys)
    assert out.endswith("a bad film\n")
    assert err.startswith("reading texts from standard input, one on each line; ")


def test_a_model_may_be_chosen(installation: Path, capsys: pytest.CaptureFixture):
    run = str(installation / "runs" / "reviews-en")
    expected, _ = output(["predict", "reviews-en", "很好", "runs/none"], capsys)
    for model in ("reviews-en", run):
        out, err = output(["predict", "--model", model, "很好", "runs/none"], capsys)
        assert out == expected
        assert "bundled model" not in err


def test_a_folder_wins_over_a_bundled_model(installation: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    shutil.copytree(installation / "runs" / "reviews-zh", tmp_path / "reviews-en")
    expected, _ = output(["predict", "reviews-zh", "很好"], capsys)
    assert output(["predict", "reviews-en", "很好"], capsys)[0] == expected


@pytest.mark.parametrize(
    "words",
    [
        ["runs/my-run"],
        ["runs\\my-run", "a text"],
        ["run.v2"],
        ["my_run"],
        ["reviews-eng"],
        ["myrun", "a good film"],
        ["myrun", "--file", "x.csv"],
    ],
    ids=" ".join,
)
def test_a_mistyped_run_is_no_text(words: list[str], capsys: pytest.CaptureFixture):
    said = error(["predict", *words], capsys)
    assert f"{words[0]} is not a folder; give the folder of a trained model, or, if it is a text, also --model " in said
    assert "reviews-en, reviews-zh" in said


@pytest.mark.parametrize(
    "words",
    [
        *(["Terrible!"], ["Meh", "Great"], ["I give it 10/10."], ["不错", "a good film"], ["good/bad, and/or fine"]),
        *(["质量不错.下次还来"], ["~质量不错"], ["优点/缺点都有"], ["ดี/ไม่ดี_มาก"]),
    ],
)
def test_a_text_is_no_mistyped_run(words: list[str]):
    assert not looks_like_run(words[0], words[1:], MODELS)


def test_a_path_with_a_space_is_no_text(tmp_path: Path):
    os.mkdir(tmp_path / "runs")
    assert looks_like_run("runs/my run", [], MODELS)
    assert looks_like_run("./my run", [], MODELS)


def test_a_path_in_chinese_is_no_text(tmp_path: Path):
    os.mkdir(tmp_path / "runs")
    assert looks_like_run("runs/评论", [], MODELS)
    assert looks_like_run("./评论", [], MODELS)
    assert not looks_like_run("评论", ["a good film"], MODELS)


def test_a_script_that_no_model_knows(capsys: pytest.CaptureFixture):
    said = error(["predict", "Отличный фильм"], capsys)
    assert "the text is written in Cyrillic script, which no bundled model knows (reviews-en knows English; " in said
    said = error(["predict", "a film", "หนังดีมาก", "很好"], capsys)
    assert "1 of 3 texts are written in Thai script" in said
    assert "there are no letters in what was given" in error(["predict", "10/10 !!!"], capsys)


def test_a_text_of_unknown_words_is_told(capsys: pytest.CaptureFixture):
    out, err = output(["predict", "a good film", "quite splendid acting film", "--json", "-"], capsys)
    assert [json.loads(line)["unknown_words"] for line in out.splitlines()] == [0, 0.75]
    assert "the model does not know many of the words of 1 of 2 texts, so do not rely on" in err
    assert "many of the words" not in output(["predict", "a good film"], capsys)[1]


def test_names_of_bundled_models_wherever_a_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "x.csv").write_text("text,label\n" + "a good film,positive\nan awful film,negative\n" * 12)
    out, _ = output(["evaluate", "reviews-en", "--data", "x.csv", "--json", "-"], capsys)
    assert json.loads(out)["examples"] == 24
    assert "reviews-en does not say what it was trained on; give --data" in error(["evaluate", "reviews-en"], capsys)
    tiny = ["--steps", "2", "--batch-size", "4", "--evaluations", "1"]
    output(["train", "sentiment", "--from", "reviews-en", "--data", "x.csv", "--out", "mine", *tiny], capsys)
    output(["ensemble", "reviews-en", "mine", "--data", "x.csv", "--out", "both"], capsys)
    _, err = output(["export", "reviews-en", "--quantize", "int8", "--out", "small"], capsys)
    assert "exporting without figures: " in err
    output(["export", "reviews-en", "--quantize", "int8", "--out", "small", "--data", "x.csv", "--overwrite"], capsys)
    assert "| accuracy | " in (tmp_path / "small" / "README.md").read_text()
    for command in (["evaluate", "reviews"], ["predict", "--model", "reviews", "a"], ["ensemble", "reviews", "mine"]):
        said = error([*command, *(["--out", "new", "--data", "x.csv"] if command[0] == "ensemble" else [])], capsys)
        assert "reviews is not a folder, and no bundled model has that name; give " in said
        assert "reviews-en, reviews-zh" in said
    with pytest.raises(UserError, match="no bundled model has that name"):
        SentimentClassifier(from_="reviews", steps=2).fit(["good", "bad"] * 9, ["a", "b"] * 9)


def test_the_list_of_bundled_models(installation: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    out, _ = output(["models"], capsys)
    assert out.splitlines()[0] == "reviews-en\tEnglish, 2.0 MB, version 1 of 2026-01-01"
    assert "for: short opinions (negative, positive)" in out
    assert "accuracy: IMDB test 0.930" in out
    rows = json.loads(output(["models", "--json", "-"], capsys)[0])
    assert [row["name"] for row in rows] == list(MODELS) == list(bundled_models())
    index = installation / "data" / "models" / "index.json"
    content = index.read_text(encoding="utf-8")
    try:
        index.write_text("{}")
        assert "index.json is not a list of models; install rnnnlp again" in error(["models"], capsys)
    finally:
        index.write_text(content, encoding="utf-8")


def test_without_bundled_models(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", tmp_path / "rnnnlp")
    assert output(["models"], capsys)[0] == "no model is bundled with this installation\n"
    assert "no model is bundled with this installation; give the run folder" in error(["predict"], capsys)
    assert "a text is not a folder; a folder with a trained model is needed" in error(["predict", "a text"], capsys)
