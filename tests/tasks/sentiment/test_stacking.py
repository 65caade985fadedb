"""Stacking weights: the least cross-entropy over weights that are not negative, and the folder of the ensemble."""

import itertools
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.layers.loss import softmax, softmax_cross_entropy
from rnnnlp.tasks.sentiment.config import EnsembleOptions, SentimentOptions
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.estimator import SentimentClassifier
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.stacking import make_ensemble, validation_texts
from rnnnlp.tasks.sentiment.train import load_data
from rnnnlp.text import Classes
from rnnnlp.training.calibration import curvature, fit_temperature, stacking_weights
from rnnnlp.training.data_places import are_own_data
from rnnnlp.training.model_folder import training_of
from tests.gradients import difference_quotients
from tests.runs import trained

K = 3


def members(n: int, knowledge: list[float], seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Labels, and logits that know so much of them beside noise of their own."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(K, size=n)
    return [k * np.eye(K)[targets] + rng.normal(size=(n, K)) for k in knowledge], targets


def loss_of(logits: list[np.ndarray], targets: np.ndarray, weights: np.ndarray) -> float:
    """The mean of what is minimised, in the way of the definition."""
    n, K = logits[0].shape
    p = softmax(sum(w * z for w, z in zip(weights, logits, strict=True)))
    wanted = np.eye(K)[targets] * n / (n + 2) + 2 / K / (n + 2)
    return float(-(wanted * np.log(p)).sum() / n)


def slopes(logits: list[np.ndarray], targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weights = weights.copy()
    return difference_quotients(lambda: loss_of(logits, targets, weights), weights)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [5, 60, 800])
def test_the_weights_are_a_minimum(n: int, seed: int):
    """The conditions of Karush, Kuhn and Tucker: no slope where a weight is, none but upwards where it is 0."""
    logits, targets = members(n, [2.0, 0.0, 1.0, -0.5, 1.5], seed)
    weights = stacking_weights(logits, targets)
    slope = slopes(logits, targets, weights)
    assert (weights >= 0).all()
    np.testing.assert_allclose(slope[weights > 0], 0, atol=1e-8)
    assert (slope[weights == 0] > -1e-8).all()


def test_a_member_that_says_the_opposite_is_left_out():
    assert stacking_weights(*members(500, [2.0, -0.5, 1.0]))[1] == 0


def test_no_weights_of_a_grid_are_better():
    logits, targets = members(200, [1.0, 0.7])
    least = loss_of(logits, targets, stacking_weights(logits, targets))
    grid = np.linspace(0, 3, 61)
    others = [loss_of(logits, targets, np.array(weights)) for weights in itertools.product(grid, grid)]
    assert least < min(others) < least + 1e-3


@pytest.mark.parametrize("size", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("n", [4, 300])
def test_the_weight_of_one_is_its_temperature(n: int, size: float):
    logits, targets = members(n, [1.5])
    (weight,) = stacking_weights([size * logits[0]], targets)
    assert weight == pytest.approx(1 / fit_temperature(size * logits[0], targets), rel=1e-3)


def test_noise_is_left_out():
    logits, targets = members(2000, [2.0, 0.0, 1.0], seed=3)
    noise = logits[1] - np.eye(K)[targets] * 0.2  # even a little wrong
    weights = stacking_weights([logits[0], noise, logits[2]], targets)
    assert weights[1] == 0
    np.testing.assert_allclose(weights[[0, 2]], stacking_weights([logits[0], logits[2]], targets), rtol=1e-6)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_does_not_matter(order: tuple[int, ...]):
    logits, targets = members(100, [2.0, 0.5, 1.0])
    expected = stacking_weights(logits, targets)[list(order)]
    np.testing.assert_allclose(stacking_weights([logits[m] for m in order], targets), expected, rtol=1e-6)


def test_the_scale_of_a_member_does_not_matter():
    logits, targets = members(100, [2.0, 0.5, 1.0])
    scales = np.array([1e-3, 1.0, 1e5])
    expected = stacking_weights(logits, targets) / scales
    scaled = [s * z + 7 for s, z in zip(scales, logits, strict=True)]  # what all classes have says nothing
    np.testing.assert_allclose(stacking_weights(scaled, targets), expected, rtol=1e-6)


def test_members_that_are_the_same_share_the_weight():
    logits, targets = members(100, [2.0, 1.0])
    one, other = stacking_weights(logits, targets)
    weights = stacking_weights([logits[0], logits[1], logits[0]], targets)
    np.testing.assert_allclose(weights, [one / 2, other, one / 2], rtol=1e-4)


def test_a_member_without_information_has_no_weight():
    logits, targets = members(50, [1.0])
    weights = stacking_weights([np.ones((50, K)), logits[0], -logits[0]], targets)
    assert weights[0] == weights[2] == 0 < weights[1]
    assert not stacking_weights([np.ones((50, K))], targets).any()
    assert not stacking_weights([-10 * np.eye(K)[targets]], targets).any()


@pytest.mark.parametrize("size", [1.0, 1e4, 1e8])
def test_certain_members_and_one_class_only(size: float):
    rng = np.random.default_rng(0)
    targets = np.zeros(30, np.int64)
    logits = [size * (np.eye(K)[targets] + 0.1 * rng.normal(size=(30, K))) for _ in range(2)]
    wrong = size * np.eye(K)[rng.integers(K, size=30)]
    weights = stacking_weights([*logits, wrong], targets)
    assert np.isfinite(weights).all()
    assert np.abs(slopes([z / size for z in [*logits, wrong]], targets, weights * size)[weights > 0]).max() < 1e-6


def test_curvature_is_that_of_the_loss():
    logits, targets = members(20, [1.0, 0.3])
    x, weights, step = np.stack(logits), np.array([0.7, 0.2]), 1e-5

    def slope(w: np.ndarray) -> np.ndarray:
        return np.tensordot(x, softmax_cross_entropy(np.tensordot(w, x, 1), targets)[2] / 20, 2)

    expected = [(slope(weights + step * e) - slope(weights - step * e)) / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(curvature(x, softmax(np.tensordot(weights, x, 1))), expected, rtol=1e-7)


OPTIONS = {"hidden_size": 4, "embedding_size": 4, "batch_size": 16, "epochs": 3, "evaluations": 1, "lr": 0.02}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two classifiers, of which each knows half of what speaks for a label."""
    home = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=600)
    first, second = np.where(rng.random((2, 600)) < 0.8, labels, 1 - labels)  # right eight times in ten
    for name, columns, start in (
        ("films", "text,label", 0),
        ("reviews", "review,mark", 0),
        ("halves", "text,label", 1),
    ):
        parts = zip(np.array(["bad", "good"])[first], np.array(["poor", "fine"])[second], strict=True)
        rows = [f"{' film and '.join(part[start:])} end,{label}" for part, label in zip(parts, labels, strict=True)]
        (home / f"{name}.csv").write_text("\n".join([columns, *rows, ""]))
    classifier_of(home / "films.csv", home / "words", seed=1, max_length=2)  # the first one and the last one
    classifier_of(home / "halves.csv", home / "characters", seed=2, tokenizer="char", epochs=6)
    return str(home / "words"), str(home / "characters")


def classifier_of(data: Path, out: Path, *, overwrite: bool = False, **options) -> None:
    trained("sentiment", out, overwrite=overwrite, **{"data": str(data), **OPTIONS, **options})


def test_the_folder_holds_the_fitted_ensemble(runs: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "rnnnlp"):
        ensemble = make_ensemble(EnsembleOptions(runs=runs), tmp_path / "out")
    texts = ["a good film", "a bad film", "film"]
    opened = Ensemble.from_pretrained(tmp_path / "out")
    assert np.array_equal(opened.predict_proba(texts), ensemble.predict_proba(texts))
    assert len(ensemble.members) == 2
    for run in runs:
        assert f"{run}: weight " in caplog.text
    assert "on the 30 validation texts of " in caplog.text
    assert "The weights were fitted to these texts" in caplog.text
    card = (tmp_path / "out" / "README.md").read_text()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    data = json.loads((Path(runs[0]) / "config.json").read_text())["training"]["data"]
    reading = {"text_column": None, "label_column": None, "encoding": None, "quoting": "auto"}
    assert config["training"] == {"runs": list(runs), "data": data, **reading}
    assert f"    rnnnlp ensemble {runs[0]} {runs[1]} --out RUN --data {data}" in card
    halves = str(Path(data).parent / "halves.csv")
    assert f"| {runs[1]} | {halves} | {ensemble.weights[1]:.4g} | 0." in card
    assert [training["seed"] for training in opened.trainings] == [1, 2]


def test_a_run_of_weight_0_is_left_out(runs: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture):
    contrary = SentimentNetwork.from_pretrained(runs[0])
    contrary.head.weight.value *= -1
    contrary.head.bias.value *= -1
    if contrary.ngrams is not None:
        contrary.ngrams.weight.value *= -1
    contrary.save_pretrained(tmp_path / "contrary")
    names = (str(tmp_path / "contrary"), runs[0])
    data = json.loads((Path(runs[0]) / "config.json").read_text())["training"]["data"]
    with caplog.at_level(logging.INFO, "rnnnlp"):
        ensemble = Ensemble.from_runs(names, data=data, out=str(tmp_path / "out"))
    assert len(ensemble.members) == 1
    assert [training["seed"] for training in ensemble.trainings] == [1]
    assert f"{names[0]}: weight 0 (left out); alone: accuracy 0." in caplog.text
    assert f"| {names[0]} | not known | 0 (left out) |" in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "members" / "1").exists()


def test_other_data_and_columns(runs: tuple[str, str], tmp_path: Path):
    other, columns = str(Path(runs[0]).parent / "reviews.csv"), {"text_column": "review", "label_column": "mark"}
    ensemble = Ensemble.from_runs(runs, data=other, out=tmp_path / "out", **columns)
    assert (ensemble.weights > 0).all()
    opened = SentimentClassifier.from_pretrained(tmp_path / "out")
    assert columns.items() <= opened.get_params().items()
    texts = ["a good film", "a bad film"]
    table = {"text": ["film", "film"], "review": texts, "mark": ensemble.predict(texts)}
    assert opened.score(table) == 1


def test_all_texts_of_data_that_trained_none_fit_the_weights(
    runs: tuple[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """With a validation split of their own these are only that one."""
    films = (Path(runs[0]).parent / "films.csv").read_text()
    (tmp_path / "held_out.csv").write_text(films)
    with caplog.at_level(logging.INFO, "rnnnlp"):
        Ensemble.from_runs(runs, data=str(tmp_path / "held_out.csv"))
    assert "on the 600 validation texts of " in caplog.text
    for name in ("train", "validation"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "folder" / f"{name}.csv").write_text(
            "\n".join(films.splitlines()[: 101 if name == "train" else 41])
        )
    with caplog.at_level(logging.INFO, "rnnnlp"):
        Ensemble.from_runs(runs, data=str(tmp_path / "folder"))
    assert "on the 40 validation texts of " in caplog.text


def test_a_copy_of_data_that_are_gone_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data, copy, run = tmp_path / "films.csv", tmp_path / "elsewhere/films.csv", tmp_path / "run"
    data.write_text("text,label\n" + "a good film,good\na bad film,bad\n" * 10)
    classifier_of(data, run, steps=1, epochs=None)
    copy.parent.mkdir()
    shutil.copy(data, copy)
    assert are_own_data(str(data), training_of(run), run)
    assert not are_own_data(str(copy), training_of(run), run)
    assert "a copy of them" not in caplog.text  # both are there: the user sees which is which
    data.unlink()
    assert not are_own_data(str(copy), training_of(run), run)
    assert f"{data}, are gone; if {copy} is a copy of them, the figures are too good" in caplog.text


def test_data_that_have_become_too_few_to_hold_out_some(tmp_path: Path):
    (tmp_path / "films.csv").write_text("text,label\ngood,1\nbad,0\n")
    options = EnsembleOptions(runs=("a", "b"), data=str(tmp_path / "films.csv"))
    with pytest.raises(UserError, match="there is no text to fit weights on; give data with two or more of a class"):
        validation_texts(options, Classes(("0", "1"), "int"), hold_out=True)


def test_one_path_is_no_list():
    with pytest.raises(UserError, match="runs is one path, runs/a; it must be a list of two or more"):
        Ensemble.from_runs("runs/a")


def test_a_run_that_is_overwritten_leaves_nothing(runs: tuple[str, str], tmp_path: Path):
    config, out = EnsembleOptions(runs=runs), tmp_path / "out"
    classifier_of(Path(runs[0]).parent / "films.csv", out, steps=1, epochs=None)
    with pytest.raises(
        UserError, match="already holds a run; give overwrite to replace it, or the name of a new folder"
    ):
        make_ensemble(config, out)
    make_ensemble(config, out, overwrite=True)
    content = [".lock", "README.md", "config.json", "members", "model.safetensors"]
    assert sorted(path.name for path in out.iterdir()) == content
    make_ensemble(config, out, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == content
    classifier_of(Path(runs[0]).parent / "films.csv", out, overwrite=True, steps=1, epochs=None)
    assert not (out / "members").exists()


def test_other_seeds_hold_out_the_same_texts(runs: tuple[str, str]):
    """So stacking weights are fitted on texts from which no member has learned."""
    data = str(Path(runs[0]).parent / "films.csv")
    texts = [load_data(SentimentOptions(data=data, seed=seed)).splits["validation"].texts for seed in (0, 1)]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 30
