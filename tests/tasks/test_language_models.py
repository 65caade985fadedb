"""Language models are measured in Python, with the figures of the command line and in searches of scikit-learn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

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
