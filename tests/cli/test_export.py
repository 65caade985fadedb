"""`rnnnlp export --quantize int8`, and the commands that take its folder as that of a run."""

import json
import shutil
from pathlib import Path

import pytest

from rnnnlp import CharLM, SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import WEIGHTS, read_config

SMALL = "--hidden-size 24 --embedding-size 24 --evaluations 1 --batch-size 16 --lr 0.02".split()
TEXT = "To be, or not to be, that is the question.\n" * 40
TEXTS = ["a lovely film", "it broke, what a waste"]
FILES = {"config.json", "tokenizer.json", "model.safetensors", "README.md", ".lock"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text(TEXT)
    reviews, text = ["--data", "sample-reviews"], ["--data", str(home / "text.txt"), "--bptt", "16"]
    for words in (
        ["train", "sentiment", *reviews, "--steps", "20", *SMALL, "--out", str(home / "reviews")],
        ["train", "charlm", *text, "--steps", "4", *SMALL, "--out", str(home / "lm")],
        ["pretrain", *text, "--samples", "9", "--steps", "2", *SMALL, "--out", str(home / "words")],
    ):
        assert main(words) == 0
    members = [SentimentNetwork.from_pretrained(home / "reviews")] * 2
    training = {"runs": ["a", "b"], "data": "sample-reviews"}
    Ensemble(members, [1.0, 1.0]).save_pretrained(home / "ensemble", training=training)
    assert main(["export", str(home / "reviews"), "--quantize", "int8", "--out", str(home / "small")]) == 0
    return home


def export(run: Path, out: Path, *words: str) -> int:
    return main(["export", str(run), "--quantize", "int8", "--out", str(out), *words])


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("reviews", ["accuracy", "macro_f1"]),
        ("ensemble", ["accuracy", "macro_f1"]),
        ("lm", ["bits_per_char", "perplexity"]),
        ("words", ["perplexity"]),
    ],
)
def test_it_measures_before_and_after(
    name: str, figures: list[str], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert export(home / name, tmp_path / "out", "--json", str(tmp_path / "out.json")) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[-2:] == ["before", "int8"]
    found = json.loads((tmp_path / "out.json").read_text())
    assert (found["quantize"], found["before"]["split"]) == ("int8", "validation")
    assert found["bytes_after"] < 0.6 * found["bytes_before"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.count("## Quantization") == 1
    for place, when in ((home / name, "before"), (tmp_path / "out", "after")):  # what `evaluate` measures
        assert main(["evaluate", str(place), "--json", "-"]) == 0
        measured = json.loads(capsys.readouterr().out)
        for figure in figures:
            assert found[when][figure] == pytest.approx(measured[figure], rel=1e-6)
    for figure in figures:
        assert found["after"][figure] == pytest.approx(found["before"][figure], rel=0.05)
        row = (figure, f"{found['before'][figure]:.4f}", f"{found['after'][figure]:.4f}")
        assert row in [tuple(line.split()) for line in said]
        assert f"| {figure} | {row[1]} | {row[2]} |" in card
    model = FILES - {".lock", "README.md"}
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.name in model)
    assert size == found["bytes_after"]
    assert said[-1].split() == ["size", "in", "MB", f"{found['bytes_before'] / 1e6:.2f}", f"{size / 1e6:.2f}"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == (FILES - {"tokenizer.json"} | {"members"} if name == "ensemble" else FILES)


def test_an_exported_classifier_is_used_as_any_other(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    small, large = load_predictor(home / "small"), load_predictor(home / "reviews")
    assert abs(small.predict_proba(TEXTS) - large.predict_proba(TEXTS)).max() < 0.05
    capsys.readouterr()
    assert main(["predict", str(home / "small"), *TEXTS, "--explain"]) == 0
    assert capsys.readouterr().out.count("for: ") == 2
    words = ["train", "sentiment", "--data", "sample-reviews", "--from", str(home / "small"), "--steps", "2"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert "quantization" not in read_config(tmp_path / "run")
    assert main(["train", "sentiment", "--resume", str(tmp_path / "run"), "--steps", "4"]) == 0
    assert main(["ensemble", str(home / "small"), str(home / "reviews"), "--out", str(tmp_path / "both")]) == 0
    assert "quantization" not in read_config(tmp_path / "both" / "members" / "0")


def test_an_exported_language_model_generates_and_is_trained_from(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert export(home / "lm", tmp_path / "lm") == 0
    capsys.readouterr()
    assert main(["generate", str(tmp_path / "lm"), "--length", "20", "--seed", "1"]) == 0
    assert len(capsys.readouterr().out) == 21
    words = ["--data", str(home / "text.txt"), "--from", str(tmp_path / "lm"), "--steps", "1", "--bptt", "16"]
    assert main(["train", "charlm", *words, "--out", str(tmp_path / "more")]) == 0
    model = CharLM.from_pretrained(tmp_path / "lm")
    model.save_pretrained(tmp_path / "again", quantize="int8")
    assert read_config(tmp_path / "again")["quantization"] == "int8"
    assert model.generate(length=5, seed=1) == CharLM.from_pretrained(tmp_path / "again").generate(length=5, seed=1)


def test_data_that_are_not_there_are_said_in_one_line(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    shutil.copytree(home / "lm", tmp_path / "lm")
    shutil.rmtree(tmp_path / "lm" / "checkpoints")  # which know where the data are
    config = json.loads((tmp_path / "lm" / "config.json").read_text())
    assert config["training"]["data"] == str(home / "text.txt")
    (home / "text.txt").rename(home / "moved.txt")
    try:
        assert export(tmp_path / "lm", tmp_path / "out", "--json", "-") == 0
        said = capsys.readouterr()
        (line,) = [line for line in said.err.splitlines() if "without figures" in line]
        assert line.startswith(f"{tmp_path}/lm: exporting without figures: ")
        assert "are not at" in line
        assert "give --data" in line
        figures = json.loads(said.out)
        assert (figures["before"], figures["after"]) == (None, None)
        assert "## Quantization" in (tmp_path / "out" / "README.md").read_text()
        assert export(tmp_path / "lm", tmp_path / "out", "--overwrite", "--data", str(home / "moved.txt")) == 0
        assert "bits_per_char" in capsys.readouterr().out
        assert export(tmp_path / "lm", tmp_path / "other", "--data", str(home / "nothing.txt")) == 2
        assert not (tmp_path / "other").exists()
    finally:
        (home / "moved.txt").rename(home / "text.txt")


def test_it_is_exported_again_with_one_section_in_the_card(home: Path, tmp_path: Path):
    assert export(home / "small", tmp_path / "out") == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("# Sentiment classifier\n")
    assert card.count("## Quantization") == 1
    assert "## Model" in card
    assert export(home / "reviews", tmp_path / "out") == 2  # not without --overwrite
    assert export(home / "reviews", tmp_path / "out", "--overwrite") == 0


def test_save_pretrained_of_the_public_classes(home: Path, tmp_path: Path):
    classifier = SentimentClassifier.from_pretrained(home / "reviews")
    classifier.save_pretrained(tmp_path / "float32")
    classifier.save_pretrained(tmp_path / "int8", quantize="int8")
    assert (tmp_path / "int8" / WEIGHTS).stat().st_size < 0.5 * (tmp_path / "float32" / WEIGHTS).stat().st_size
    assert "## Quantization" in (tmp_path / "int8" / "README.md").read_text()
    assert "## Quantization" not in (tmp_path / "float32" / "README.md").read_text()
    found = SentimentClassifier.from_pretrained(tmp_path / "int8")
    assert found.get_params() == classifier.get_params()
    assert abs(found.predict_proba(TEXTS) - classifier.predict_proba(TEXTS)).max() < 0.05


def test_it_measures_on_the_named_columns(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    data = tmp_path / "odd.csv"
    data.write_text("review,tone\n" + "a lovely film,positive\nit broke,negative\n" * 3)
    words = ["--data", str(data), "--text-column", "review", "--label-column", "tone"]
    assert export(home / "reviews", tmp_path / "out", *words) == 0
    assert "accuracy" in capsys.readouterr().out
