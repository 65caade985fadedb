"""Cross-validation of a classifier, and the linear model that is stacked with its network."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.layers.loss import softmax_cross_entropy
from rnnnlp.tasks.sentiment import cross_validation, folds, train
from rnnnlp.tasks.sentiment.config import SentimentTraining
from rnnnlp.tasks.sentiment.cross_validation import CrossValidation
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.objective import SentimentObjective
from rnnnlp.training.clock import Clock
from rnnnlp.training.model_folder import CARD, CROSS_VALIDATION, WEIGHTS, read_config
from rnnnlp.training.signals import Interrupted
from tests.conftest import TickingClock
from tests.tasks.sentiment.test_linear import texts_with_labels

SMALL: dict[str, Any] = {
    "embedding_size": 4,
    "hidden_size": 4,
    "epochs": 3,
    "evaluations": 3,
    "batch_size": 8,
    "folds": 3,
    "linear": True,
}
TEXTS, LABELS = texts_with_labels(60)


def fit(out: Path, **options: Any) -> SentimentClassifier:
    return SentimentClassifier(**SMALL | options).fit(TEXTS, LABELS.tolist(), out=out)


def let_network_in(patch: pytest.MonkeyPatch) -> None:
    """On such few and easy texts the linear model would decide alone."""
    patch.setattr(folds, "gain_of", lambda *_: (1.0, 0.0))
    patch.setattr(train, "FEWEST_FOR_NETWORK", 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cross-validation") / "run"
    with pytest.MonkeyPatch.context() as patch:
        let_network_in(patch)
        fit(folder)
    return folder


def test_copies_of_a_text_are_in_one_fold() -> None:
    rng = np.random.default_rng(0)
    documents = [np.array([number, 1]) for number in rng.integers(20, size=60)]
    config = SentimentTraining(data="", tokenizer="word", batch_size=8, lr=1e-3, evaluations=1, folds=3)
    texts = [("Good film", "good  film ")[i % 2] + str(ids[0]) for i, ids in enumerate(documents)]
    found = train.fold_of_each_text(texts, documents, LABELS, config)
    of_text = {document[0]: fold for document, fold in zip(documents, found, strict=True)}
    assert [of_text[document[0]] for document in documents] == found.tolist()
    assert set(found) == {0, 1, 2}
    same = train.fold_of_each_text(["a"] * 60, documents[:1] * 60, LABELS, config)
    assert set(same) == {0, 1, 2}  # in one fold, nothing would be left to train on


def test_different_texts_of_unknown_words_are_no_copies() -> None:
    documents = [np.array([i if i < 10 else 0]) for i in range(60)]
    config = SentimentTraining(data="", tokenizer="word", batch_size=8, lr=1e-3, evaluations=1, folds=3)
    found = train.fold_of_each_text([*(f"Name{i}" for i in range(59)), "Name10"], documents, LABELS, config)
    assert np.bincount(found).max() <= 21
    assert found[59] == found[10]


def test_all_texts_are_trained_on_and_the_figures_are_of_texts_left_out(run: Path) -> None:
    classifier = SentimentClassifier.from_pretrained(run)
    evaluations = [record for record in classifier.history_ if "validation" in record]
    assert len(evaluations) == 3
    assert all("share_of_network" in e["validation"] for e in evaluations)
    found = CrossValidation.load(run, np.concatenate([LABELS[:0], labels_of(run)]), 2)
    assert found is not None
    assert found.network_logits.shape == (4, 60, 2)
    assert np.isfinite(found.network_logits).all()
    assert all(np.abs(found.network_logits).max(axis=2).min(axis=1) > 0)  # every text was left out once
    best = max(e["validation"]["accuracy"] for e in evaluations)
    network = classifier.network_
    own, of_linear, labels = found.at(1.0)
    together = network.stacking[0] * own + network.stacking[1] * of_linear
    assert abs((together.argmax(axis=1) == labels).mean() - best) < 0.1
    assert classifier.score(TEXTS, LABELS.tolist()) > 0.9


def test_a_start_is_judged_by_what_was_known_before_training(run: Path) -> None:
    network, labels = SentimentClassifier.from_pretrained(run).network_, labels_of(run)
    config = SentimentTraining.from_mapping(read_config(run)["training"], "config.json")
    objective = SentimentObjective(network, (network.encode(TEXTS), labels), ([], labels[:0]), config, {})
    stored = CrossValidation.load(run, labels, 2)
    assert stored is not None
    objective.cross_validation = found = replace(stored, linear_logits=None)
    objective.clock = Clock(total_steps=9, budget=60.0, now=iter(range(9)).__next__)  # a second passes each time
    losses = []
    for step in (0, 1):
        objective.clock.step = step
        together = network.fit_stacking(found.network_logits[step], None, labels)
        losses.append(softmax_cross_entropy(together / network.temperature, labels)[0] / len(labels))
        assert objective.evaluate()["loss"] == pytest.approx(losses[-1])
    assert losses[0] != losses[1]


def test_the_size_of_the_logits_does_not_decide_which_weights_are_kept(run: Path) -> None:
    """Of two networks beside a linear model, the better one has the higher score, however small its logits are."""
    network, labels = SentimentClassifier.from_pretrained(run).network_, labels_of(run)
    config = SentimentTraining.from_mapping(read_config(run)["training"], "config.json")
    objective = SentimentObjective(network, (network.encode(TEXTS), labels), ([], labels[:0]), config, {})
    rng = np.random.default_rng(0)
    truth = np.eye(2)[labels]
    noisy = [truth + rng.normal(size=truth.shape) * noise for noise in (0.7, 0.9, 1.2)]
    better, worse, of_linear = 0.3 * noisy[0], 10 * noisy[1], noisy[2]
    objective.cross_validation = CrossValidation(np.stack([better, better, worse]), of_linear, labels, 1.0)
    objective.clock = Clock(total_steps=2, budget=None)
    scores = []
    for objective.clock.step in (1, 2):
        scores.append(objective.evaluate()["score"])
    assert scores[0] > scores[1]


def labels_of(run: Path) -> np.ndarray:
    from rnnnlp.tensors import load_tensors

    return load_tensors(run / CROSS_VALIDATION)["labels"]


def test_language_models_are_pretrained_beside_cross_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_network_in(monkeypatch)
    texts = [f"{text} and {text}" for text in TEXTS]
    classifier = SentimentClassifier(**SMALL | {"pretraining": 1, "max_length": 40})
    classifier.fit(texts, LABELS.tolist(), out=tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/language_model/metrics.jsonl").read_text().splitlines()]
    assert any("validation" in record for record in records)
    assert (tmp_path / "run" / CROSS_VALIDATION).exists()


def test_with_very_few_texts_no_network_is_trained_in_folds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "rnnnlp"):
        classifier = fit(tmp_path / "run")
    assert "60 texts are too few for a network trained from scratch" in caplog.text
    assert "first fold" not in caplog.text
    assert classifier.network_.stacking.tolist() == [0, 1]


def test_a_network_that_is_not_used_is_not_trained_to_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor when the run is resumed; what the user gave stays in its configuration and its card."""
    first = fit(tmp_path / "run", evaluations=3, patience=0)
    steps = len(first.history_)
    assert first.training_["patience"] == 0
    assert "patience=1" not in (tmp_path / "run" / CARD).read_text()
    with caplog.at_level("INFO", "rnnnlp"):
        again = SentimentClassifier.resume(tmp_path / "run", TEXTS, LABELS.tolist())
    assert "has stopped early" in caplog.text
    assert "another patience" not in caplog.text
    assert len(again.history_) == steps


def test_the_card_says_where_its_figures_come_from(run: Path, tmp_path: Path) -> None:
    assert "These are of a cross-validation with 3 folds" in (run / CARD).read_text()
    assert "too good: the same predictions chose the best evaluation" in (run / CARD).read_text()
    assert "--split validation" not in (run / CARD).read_text()
    fit(tmp_path / "run", folds=0, linear=False)
    assert "These are the best of the evaluations during training" in (tmp_path / "run" / CARD).read_text()


def test_a_gain_that_may_be_chance_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    let_network_in(monkeypatch)
    monkeypatch.setattr(folds, "gain_of", lambda *_: (0.1, 0.2))
    with caplog.at_level("INFO", "rnnnlp"):
        classifier = fit(tmp_path / "run")
    assert "may be chance" in caplog.text
    assert classifier.network_.stacking.tolist() == [0, 1]


def test_where_the_network_does_not_help_one_fold_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(train, "FEWEST_FOR_NETWORK", 0)
    with caplog.at_level("INFO", "rnnnlp"):
        classifier = fit(tmp_path / "run")
    assert "so the linear model decides alone" in caplog.text
    assert classifier.network_.stacking.tolist() == [0, 1]
    found = CrossValidation.load(tmp_path / "run", labels_of(tmp_path / "run"), 2)
    assert found is not None
    assert not found.network_logits.any()
    assert classifier.score(TEXTS, LABELS.tolist()) > 0.9


def test_the_gain_is_what_a_model_adds() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    signal = np.stack([1.0 - labels, labels], axis=1)
    first, second = (2 * signal + rng.normal(size=signal.shape) for _ in range(2))
    noise = rng.normal(size=signal.shape)
    gain, error = folds.gain_of(np.stack([noise, second]), first, labels)
    assert gain > 0.05 > 4 * error
    gain, error = folds.gain_of(noise[None], first, labels)
    assert abs(gain) < 0.002
    assert gain <= error


def test_a_saved_model_gives_the_same_probabilities(run: Path, tmp_path: Path) -> None:
    classifier = SentimentClassifier.from_pretrained(run)
    classifier.save_pretrained(tmp_path / "model")
    again = SentimentClassifier.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    network = classifier.network_
    parts = network.logits(network.encode(TEXTS)), network.linear.logits(TEXTS, network.encode(TEXTS))
    np.testing.assert_allclose(
        network.logits_of(TEXTS), np.tensordot(network.stacking, np.stack(parts), 1), rtol=1e-5, atol=1e-6
    )


def test_explanations_have_both_models(run: Path) -> None:
    classifier = SentimentClassifier.from_pretrained(run)
    text = "İt was a lovely film"
    (words,) = classifier.explain([text])
    assert [text[start:stop].lower() for start, stop, _ in words or ()] == ["i̇t", "was", "a", "lovely", "film"]
    classifier.network_.stacking[...] = 1, 0
    (without,) = classifier.explain([text])
    assert words != without


def test_an_interrupted_cross_validation_is_resumed_to_the_same_bits(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = folds.train_fold

    def interrupted(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        for number in original(*arguments):
            assert number == 0, "it did not stop after the first step"
            yield number

    let_network_in(monkeypatch)
    monkeypatch.setattr(folds, "train_fold", interrupted)
    with pytest.raises(SystemExit):
        fit(tmp_path / "run")
    assert not (tmp_path / "run" / CROSS_VALIDATION).exists()
    monkeypatch.undo()
    let_network_in(monkeypatch)
    SentimentClassifier.resume(tmp_path / "run", TEXTS, LABELS.tolist())
    assert (tmp_path / "run" / CROSS_VALIDATION).exists()
    a, b = (SentimentNetwork.from_pretrained(folder) for folder in (run, tmp_path / "run"))
    np.testing.assert_array_equal(a.logits_of(TEXTS), b.logits_of(TEXTS))


def test_a_signal_in_the_last_evaluation_of_the_folds_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, begun = folds.train_fold, []

    def stopped_late(*arguments: Any) -> Any:
        begun.append(arguments)
        for number in original(*arguments):
            if len(begun) == SMALL["folds"] and number == SMALL["evaluations"]:
                os.kill(os.getpid(), signal.SIGTERM)
            yield number

    let_network_in(monkeypatch)
    monkeypatch.setattr(folds, "train_fold", stopped_late)
    with pytest.raises(SystemExit):
        fit(tmp_path / "run")
    assert not (tmp_path / "run" / CROSS_VALIDATION).exists()


def test_a_run_that_stops_after_it_does_not_repeat_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path / "run", epochs=None, steps=8)
    monkeypatch.setattr(train, "logits_of_folds", lambda *arguments, **options: pytest.fail("it was repeated"))
    resumed = SentimentClassifier.resume(tmp_path / "run", TEXTS, LABELS.tolist())
    assert resumed.score(TEXTS, LABELS.tolist()) > 0.9


def test_a_forged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    fit(folder)
    labels = labels_of(folder)
    good = CrossValidation.load(folder, labels, 2)
    assert good is not None
    monkeypatch.setattr(cross_validation, "MOST_EVALUATIONS", 1000)
    other, large = "is not of this run and its data", "is too large for the data"
    for bad, message in (
        (CrossValidation(good.network_logits[:1], good.linear_logits, labels, 1.0), other),
        (CrossValidation(good.network_logits[:, :5], good.linear_logits, labels, 1.0), other),
        (CrossValidation(good.network_logits * np.nan, good.linear_logits, labels, 1.0), other),
        (CrossValidation(good.network_logits, good.network_logits, labels, 1.0), other),
        (CrossValidation(good.network_logits, good.linear_logits, 1 - labels, 1.0), other),
        (CrossValidation(np.zeros((4000, len(labels), 2), np.float32), good.linear_logits, labels, 1.0), large),
    ):
        bad.save(folder)
        with pytest.raises(UserError, match=f"{message}; restore it or train again"):
            SentimentClassifier.resume(folder, TEXTS, LABELS.tolist())


def test_no_text_that_was_trained_on_validates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    rows = [f"{json.dumps({'text': t, 'label': str(k)})}\n" for t, k in zip(TEXTS, LABELS.tolist(), strict=True)]
    monkeypatch.chdir(tmp_path)
    Path("texts.jsonl").write_text("".join(rows))
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in SMALL.items() if value is not True)
    words = f"train sentiment --data texts.jsonl --linear {options} --out"
    for run in "ab":
        assert main([*words.split(), run]) == 0
    capsys.readouterr()
    refused = "was trained on all texts of texts.jsonl, with a cross-validation"
    for words in (
        "evaluate a",
        "evaluate a --split validation",
        "evaluate a --baseline",
        "evaluate a --data texts.jsonl --baseline",
        "ensemble a b --out c",
    ):
        assert main(words.split()) == 2
        said = capsys.readouterr().err
        assert refused in said
        assert ("or evaluate another split" in said) == words.startswith("evaluate")
    Path("others.jsonl").write_text("".join(rows))
    for words in ("evaluate a --split train", "evaluate a --data others.jsonl --split train"):
        assert main(words.split()) == 0
    assert main("ensemble a b --data others.jsonl --out c".split()) == 0


def test_what_a_run_starts_from_has_seen_its_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A run that was trained on all texts, the next that holds some of them out, and one that starts from that."""
    rows = [f"{json.dumps({'text': t, 'label': str(k)})}\n" for t, k in zip(TEXTS, LABELS.tolist(), strict=True)]
    monkeypatch.chdir(tmp_path)
    for name in ("texts.jsonl", "others.jsonl"):
        Path(name).write_text("".join(rows))
    sizes = "--embedding-size 4 --hidden-size 4 --epochs 1 --evaluations 1"

    def run(words: str) -> tuple[int, str]:
        status = main(words.split())
        return status, capsys.readouterr().err

    warning = "was trained on texts of texts.jsonl that validate this run"
    for options, seen in (
        (f"texts.jsonl {sizes} --linear --folds 3 --out all", False),
        (f"texts.jsonl {sizes} --folds 0 --out part", False),
        ("texts.jsonl --from all --epochs 1 --out next", True),
        ("texts.jsonl --from next --epochs 1 --out last", True),
        ("texts.jsonl --from part --epochs 1 --folds 0 --out same", False),
        ("texts.jsonl --from part --epochs 1 --folds 3 --out folds", True),
        ("others.jsonl --from all --epochs 1 --out others", False),
        ("others.jsonl --from others --epochs 1 --out others --overwrite", False),  # its own start
    ):
        status, said = run(f"train sentiment --data {options}")
        assert status == 0, said
        assert (warning in said) == seen, options
    for words, refused in (
        ("evaluate next", "next"),
        ("evaluate last --split validation", "last"),
        ("ensemble part last --out ensemble", "last"),
    ):
        status, said = run(words)
        assert status == 2
        assert f"{refused} comes from all, which was trained on all texts of texts.jsonl" in said
    for words in ("same", "others", "last --data others.jsonl", "next --split train"):
        assert run(f"evaluate {words}")[0] == 0, words
    shutil.rmtree("all")
    assert run("evaluate next")[0] == 0


@pytest.mark.parametrize("changes", [{"epochs": 5}, {"steps": 40}, {"budget": "+30s"}])
def test_a_run_with_folds_keeps_its_limits(run: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Also one that was interrupted in its cross-validation."""
    shutil.copytree(run, tmp_path / "run")
    shutil.copytree(run, tmp_path / "interrupted")
    (tmp_path / "interrupted" / CROSS_VALIDATION).unlink()
    for name in ("run", "interrupted"):
        with pytest.raises(UserError, match="has folds 3, and a cross-validation says nothing of another limit"):
            SentimentClassifier.resume(tmp_path / name, TEXTS, LABELS.tolist(), **changes)


def test_to_train_longer_a_run_with_folds_is_begun_anew(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(run, tmp_path / "run")
    with caplog.at_level("INFO", "rnnnlp"):
        SentimentClassifier.resume(tmp_path / "run", TEXTS, LABELS.tolist())
    assert "is finished; to train longer, begin a new run" in caplog.text


def test_without_its_cross_validation_a_run_does_not_go_on(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / CROSS_VALIDATION).unlink()
    with pytest.raises(UserError, match="is not there any more; restore it, or train again"):
        SentimentClassifier.resume(tmp_path / "run", TEXTS, LABELS.tolist())


@pytest.mark.usefixtures("ticking")
def test_what_a_run_was_trained_on_does_not_judge_the_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit(tmp_path / "run")
    again = SentimentClassifier(from_=str(tmp_path / "run"), budget="3s", max_epochs=1)
    with caplog.at_level("INFO", "rnnnlp"):
        again.fit(TEXTS, LABELS.tolist())
    assert again.training_["folds"] == 0
    assert next(e for e in again.history_ if "validation" in e)["step"] > 0
    assert "of stacking weight " in caplog.text
    assert ", is not taken over" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("linear.words.ngrams", "linear.words.ngrams is not ascending"),
        ("linear.weights", "the stacking weights are .*"),
        ("stacking", "the stacking weights are .*"),
    ],
)
def test_a_forged_linear_model_is_refused(run: Path, tmp_path: Path, name: str, message: str) -> None:
    network = SentimentNetwork.from_pretrained(run)
    array = network.buffers()[name]
    array[...] = array[::-1].copy() if name.endswith("ngrams") else -1
    network.save_pretrained(tmp_path / "model")
    with pytest.raises(UserError, match=f"{message}; restore it or train again"):
        SentimentClassifier.from_pretrained(tmp_path / "model")


def test_folds_need_texts_that_may_be_divided(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has a validation split"):
        SentimentClassifier(**SMALL).fit(TEXTS, LABELS.tolist(), validation_data=(TEXTS[:9], LABELS[:9].tolist()))


@pytest.mark.parametrize("changes", [{"folds": 0}, {"linear": False}, {"class_weights": "balanced"}])
def test_each_part_works_without_the_other(tmp_path: Path, changes: dict[str, Any]) -> None:
    classifier = fit(tmp_path / "run", **changes)
    assert classifier.predict_proba(TEXTS).shape == (60, 2)
    assert (classifier.network_.linear is None) == (changes == {"linear": False})
    assert (tmp_path / "run" / CROSS_VALIDATION).exists() == (changes != {"folds": 0})
    assert (tmp_path / "run" / WEIGHTS).exists()


def test_a_resumed_run_has_the_time_that_was_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ticking: TickingClock
) -> None:
    """The time before the cross-validation counts, and that of a cross-validation that was interrupted."""
    let_network_in(monkeypatch)
    spent: list[float] = []
    original = folds.logits_of_folds

    def slow(task: Any, of_texts: Any, of_linear: Any, *, seconds: float, **options: Any) -> Any:
        spent.append(60 - seconds * 4 / 3)  # what was gone when it began: the folds have three quarters of what is left
        if len(spent) == 1:
            ticking.seconds += 0.5
            raise Interrupted(signal.SIGINT)
        return original(task, of_texts, of_linear, seconds=1.0, **options)

    monkeypatch.setattr(train, "logits_of_folds", slow)
    fitting: dict[str, Any] = {"epochs": None, "budget": 60.0, "max_epochs": 2, "evaluations": 2}
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", **fitting)
    SentimentClassifier.resume(tmp_path / "run", TEXTS, LABELS.tolist())
    assert 0 < spent[0] < spent[1] - 0.5
    found = CrossValidation.load(tmp_path / "run", labels_of(tmp_path / "run"), 2)
    assert found is not None
    assert found.seconds > spent[1]
