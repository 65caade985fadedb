"""What is chosen for a classifier where the user does not say."""

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import LabelledData, LabelledSplit, train_tokenizer
from rnnnlp.training import classifier_recipes
from rnnnlp.training.config import CHOSEN_FOR_CLASSIFIERS, SentimentTraining

MOVE = classifier_recipes.ADVERSARIAL
SPEED = 30_000.0  # tokens a second


def choose(monkeypatch, given=None, *, texts=10_000, words=20, **training):
    monkeypatch.setattr(classifier_recipes, "throughput", lambda training, model, length: SPEED)
    split = LabelledSplit([words * "good "] * texts, np.arange(texts) % 2)
    data = LabelledData({"train": split, "validation": split.where(np.arange(texts) < 100)}, ("no", "yes"), "texts")
    tokenizer = train_tokenizer("word", ["good bad good bad"], vocab_size=10, min_frequency=1)
    return classifier_recipes.choose(SentimentTraining(data="texts", **training), given or {}, data, tokenizer)


def test_few_texts_are_read_more_often_in_smaller_batches(monkeypatch):
    choices = [choose(monkeypatch, texts=texts, budget=600.0)[0] for texts in (100, 1000, 10_000, 100_000)]
    assert [c.max_epochs for c in choices] == [20, 20, 8, 3]
    assert [c.batch_size for c in choices] == [8, 8, 64, 64]


def test_words_are_moved_where_the_time_is_enough_for_all_epochs_twice_over(monkeypatch):
    seconds = 10_000 * 20 / SPEED  # an epoch, of at most 8
    chosen = [choose(monkeypatch, budget=epochs * seconds)[0].adversarial for epochs in (1, 15, 17, 100)]
    assert chosen == [0, 0, MOVE, MOVE]
    assert [choose(monkeypatch, epochs=epochs)[0].adversarial for epochs in (7, 8)] == [0, MOVE]
    assert choose(monkeypatch, {"votes": 16}, epochs=8)[0].adversarial == 0  # it would not move those


def test_long_texts_are_read_in_stretches_so_more_often(monkeypatch):
    seconds = 5_000 * 800 / SPEED  # an epoch of whole texts, of at most 3
    whole, stretches = (
        choose(monkeypatch, {"votes": 0}, words=800, texts=5_000, budget=3 * seconds, crop=crop)[0]
        for crop in (800, None)
    )
    assert stretches.crop <= 400
    assert (whole.adversarial, stretches.adversarial) == (0, MOVE)


@pytest.mark.parametrize("limit", [{"epochs": 7}, {"steps": 70}])
def test_epochs_and_steps_are_not_limited(monkeypatch, limit):
    assert choose(monkeypatch, **limit)[0].max_epochs is None


def test_a_limit_of_epochs_is_one_of_a_budget():
    with pytest.raises(UserError, match="--max-epochs is 3, which limits a --budget; leave it out here"):
        SentimentTraining(data="texts", max_epochs=3, steps=10)


def test_votes_are_for_many_long_texts(monkeypatch):
    sizes = [(1_000, 50), (100_000, 20), (10_000, 50)]  # texts, words
    assert [choose(monkeypatch, texts=t, words=w, epochs=1)[1].votes for t, w in sizes] == [0, 0, 2**19]
    assert choose(monkeypatch, {"votes": 0}, texts=10_000, words=50, epochs=1)[1].votes == 0
    assert [classifier_recipes.rows_for_votes(1e9, classes) for classes in (2, 3, 20, 1000)] == [
        2**22,
        2**21,
        2**18,
        2**13,
    ]


def test_what_is_given_stays(monkeypatch):
    given = {"batch_size": 3, "crop": 5, "adversarial": 0.0, "max_epochs": 2, "evaluations": 4}
    training, model = choose(monkeypatch, {"hidden_size": 48}, budget=600.0, **given)
    assert {name: getattr(training, name) for name in given} == given
    assert model.hidden_size == 48


def test_nothing_is_left_open_and_all_of_it_is_said(monkeypatch, caplog):
    caplog.set_level("INFO", "rnnnlp")
    training, model = choose(monkeypatch, budget=60.0)
    for name in CHOSEN_FOR_CLASSIFIERS:
        assert getattr(model, name, getattr(training, name, None)) is not None
        assert name.replace("_", " ") in caplog.text


def test_the_speed_is_measured():
    from rnnnlp.models.config import SentimentConfig

    model = SentimentConfig(vocab_size=20, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    training = SentimentTraining(data="texts", budget=1.0, batch_size=2)
    assert 0 < classifier_recipes.throughput(training, model, 7.5) < 1e7  # however busy the machine is


def test_texts_without_a_label_are_part_of_the_speed(monkeypatch):
    from rnnnlp.models.config import SentimentConfig
    from rnnnlp.models.sentiment import SentimentClassifier

    moves = []
    monkeypatch.setattr(SentimentClassifier, "smoothing_gradients", lambda model, batch, size, **_: moves.append(size))
    model = SentimentConfig(vocab_size=20, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    for size in (0.0, 0.5):
        training = SentimentTraining(data="texts", budget=1.0, batch_size=2, virtual_adversarial=size)
        classifier_recipes.throughput(training, model, 7.5)
    assert set(moves) == {0.5}


def test_labels_are_not_smoothed_where_runs_vote(monkeypatch):
    smoothing = [choose(monkeypatch, words=words, texts=10_000, epochs=1)[0].label_smoothing for words in (10, 50)]
    assert smoothing == [0.05, 0.0]
