"""Language models are measured in Python, with the figures of the command line and in searches of scikit-learn."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from rnnnlp import CharLM, NotFittedError, WordLM
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError

TEXTS = ["good film", "lovely day", "bad film", "awful day"] * 40
OPTIONS: dict[str, Any] = {"steps": 3, "hidden_size": 6, "embedding_size": 4, "batch_size": 2, "backend": "numpy"}
OPTIONS |= {"bptt": 8}
MODELS: dict[str, Any] = {
    "char": CharLM(**OPTIONS),
    "bpe": CharLM(**OPTIONS, tokenizer="bpe", vocab_size=270),
    "word": WordLM(**OPTIONS, samples=4),
}
OTHERS = [*TEXTS[:5], "unknown: é", *TEXTS[5:9]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The texts that are trained on and measured, and a run of each model."""
    folder = tmp_path_factory.mktemp("language_models")
    (folder / "train.txt").write_text("\n".join(TEXTS))
    (folder / "others.txt").write_text("\n".join(OTHERS))
    for name, model in MODELS.items():
        model.fit(folder / "train.txt", out=folder / name)
    return folder


@pytest.mark.parametrize("split", ["all", "train", "validation"])
@pytest.mark.parametrize("name", MODELS)
def test_figures_are_those_of_the_command_line(name: str, split: str, folder: Path, tmp_path: Path):
    given = tmp_path / "given"
    given.mkdir()
    (given / "train.txt").write_text("\n".join(OTHERS))
    (given / "validation.txt").write_text("\n".join(OTHERS[::-1]))
    words = f"evaluate {folder / name} --data {given} --split {split} --backend numpy --json {tmp_path / 'out.json'}"
    assert main(words.split()) == 0
    expected = json.loads((tmp_path / "out.json").read_text())
    figures = MODELS[name].evaluate(given, split=split)
    assert figures == {key: expected[key] for key in figures}
    assert figures.keys() > {"perplexity", "tokens"}


def test_the_encoding_and_the_held_out_text_are_those_of_the_training_data(tmp_path: Path):
    """Other files are read as the command line reads them: in UTF-8, and all of one file is train."""
    own, other, run, out = (tmp_path / name for name in ("own.txt", "other.txt", "run", "out.json"))
    own.write_text("\n".join(["déjà vu", *TEXTS]), encoding="latin-1")
    other.write_text("\n".join(["déjà vu", *OTHERS]), encoding="utf-8")
    model = CharLM(**OPTIONS, encoding="latin-1").fit(own, out=run)
    for data, split in ((own, "all"), (own, "train"), (own, "validation"), (other, "all"), (other, "train")):
        words = ["evaluate", str(run), "--data", str(data), "--split", split, "--backend", "numpy", "--json", str(out)]
        assert main(words) == 0
        expected = json.loads(out.read_text())
        figures = model.evaluate(data, split=split)
        assert figures == {key: expected[key] for key in figures}
        for copy in (CharLM.from_pretrained(run), pickle.loads(pickle.dumps(model))):
            assert copy.evaluate(data, split=split) == pytest.approx(figures, rel=1e-5)  # other kernels
    with pytest.raises(UserError, match=r"other\.txt has no split 'validation'; it has train"):
        model.evaluate(other, split="validation")
    other.write_text("déjà vu", encoding="latin-1")
    with pytest.raises(UserError, match="is not valid UTF-8") as caught:
        model.evaluate(other)
    assert caught.value.__notes__ == [
        "encoding only counts for the data of the training; here give open(path, encoding=...)"
    ]
    with other.open(encoding="latin-1") as opened:
        assert model.evaluate(opened)["tokens"] == 6


@pytest.mark.parametrize("name", MODELS)
def test_texts_are_read_as_their_file_and_the_score_is_minus_the_loss(name: str, folder: Path):
    model = MODELS[name]
    figures = model.evaluate(OTHERS)
    assert figures == model.evaluate(folder / "others.txt")
    loss = figures["loss"] if name == "word" else figures["nats_per_char"]
    assert model.score(OTHERS) == -loss < 0
    opened = type(model).from_pretrained(folder / name)
    assert opened.evaluate(OTHERS)["perplexity"] == pytest.approx(figures["perplexity"], rel=1e-5)  # other kernels


def test_nats_per_character_compare_models_of_other_tokens(folder: Path):
    figures = MODELS["bpe"].evaluate(OTHERS)
    tokens, characters = figures["tokens"], len("\n".join(OTHERS))
    per_token = np.log(figures["perplexity"])
    assert tokens < characters - 1
    assert figures["nats_per_char"] == pytest.approx(per_token * (tokens + 1) / characters)
    assert figures["bits_per_char"] == pytest.approx(figures["nats_per_char"] / np.log(2))


def test_figures_per_character_of_words_are_warned_of(
    folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    warning = "do not compare figures per character with those of other tokenizers"
    model = CharLM(**OPTIONS, tokenizer="word").fit(folder / "train.txt", out=folder / "words")
    for name, expected in (("words", True), ("bpe", False)):
        caplog.clear()
        (model if name == "words" else MODELS[name]).evaluate(OTHERS)
        assert (warning in caplog.text) == expected
        assert main(["evaluate", str(folder / name), "--data", str(folder / "others.txt")]) == 0
        assert (warning in capsys.readouterr().err) == expected


@pytest.mark.parametrize("name", MODELS)
def test_measured_texts_leave_no_entries_in_the_cache(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RNNNLP_CACHE", str(tmp_path / "cache"))
    MODELS[name].evaluate(OTHERS)
    assert main(["evaluate", str(folder / name), "--data", str(folder / "others.txt"), "--backend", "numpy"]) == 0
    assert not (tmp_path / "cache").exists()


def test_what_cannot_be_measured(folder: Path):
    with pytest.raises(NotFittedError, match="not fitted yet; call fit first"):
        CharLM().evaluate(TEXTS)
    with pytest.raises(UserError, match="looks like the text itself"):
        MODELS["char"].evaluate("\n".join(TEXTS))
    with pytest.raises(UserError, match="the split has 1 tokens; to predict one from another it must have 2"):
        MODELS["char"].score(["a"])
    with pytest.raises(UserError, match="has no split 'test'; it has train, validation"):
        MODELS["char"].evaluate(TEXTS, split="test")


@pytest.mark.parametrize("model", [MODELS["char"], MODELS["word"]], ids=["char", "word"])
def test_searches_of_scikit_learn(model: Any):
    worse = {"steps": 1, "lr": 1e-9, "averaging": 0.0}
    better = {"steps": 30, "lr": 0.05, "averaging": 0.0}
    grid = [{name: [value] for name, value in options.items()} for options in (worse, better)]
    search = GridSearchCV(model, grid, cv=2).fit(TEXTS)
    assert search.best_params_ == better
    assert search.score(TEXTS) == search.best_estimator_.score(TEXTS) > search.cv_results_["mean_test_score"].min()
    assert (cross_val_score(model, TEXTS, cv=2) < 0).all()


def lower(texts: list[str]) -> list[str]:
    return [text.lower() for text in texts]


@pytest.mark.parametrize("model", [MODELS["char"], MODELS["word"]], ids=["char", "word"])
def test_pipelines_of_scikit_learn_and_labels_that_are_not_read(model: Any):
    pipeline = Pipeline([("lower", FunctionTransformer(lower)), ("model", model)]).fit(TEXTS)
    assert pipeline.score([text.upper() for text in TEXTS]) == model.score(TEXTS) < 0
    search = GridSearchCV(pipeline, {"model__lr": [1e-9, 0.05]}, cv=2, error_score="raise").fit(TEXTS)
    assert search.score(TEXTS) < 0
    labels = [1, 1, 0, 0] * 40
    scores = cross_val_score(model, TEXTS, labels, cv=2, error_score="raise")
    assert (scores == cross_val_score(model, TEXTS, labels, cv=2, error_score="raise")).all()
    assert (scores < 0).all()


def test_word_models_read_texts_without_a_label_too(tmp_path: Path):
    for label, word in (("neg", "bad"), ("pos", "good"), ("unsup", "unlabelled")):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "0.txt").write_text(f"{word} film " * 40)
    data, run, out = (str(tmp_path / name) for name in ("data", "run", "out.json"))
    model = WordLM(**OPTIONS, samples=4, min_frequency=1).fit(data, out=run)
    assert not model.network_.tokenizer.unknown_characters("unlabelled")
    tokens = model.evaluate(data)["tokens"]
    assert tokens > 200  # 160 of them are in texts with a label
    assert main(["evaluate", run, "--data", data, "--split", "all", "--json", out]) == 0
    assert json.loads(Path(out).read_text())["tokens"] == tokens


def test_texts_are_measured_with_the_column_and_the_separator_of_the_training(tmp_path: Path):
    model = CharLM(**OPTIONS, document_separator=" <end> ", text_column="mine")
    model.fit({"text": ["x"] * len(TEXTS), "mine": TEXTS})
    (tmp_path / "a.csv").write_text("text,mine\nx,good\nx,bad\n")
    for data in ({"text": ["x", "x"], "mine": ["good", "bad"]}, tmp_path / "a.csv"):
        assert model.evaluate(data)["tokens"] == len("good <end> bad") - 1
