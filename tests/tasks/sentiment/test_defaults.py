"""What is chosen for a classifier where the user does not say."""

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import LabelledData, LabelledSplit, train_tokenizer
from rnnnlp.training import classifier_recipes
from rnnnlp.training.options import CHOSEN_FOR_CLASSIFIERS, SentimentTraining

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
    from_language = ({"pretraining": 3}, {"from_": "run"})
    assert [choose(monkeypatch, words=900, texts=50, epochs=1, **first)[0].crop for first in from_language] == [
        800,
        800,
    ]


@pytest.mark.parametrize("limit", [{"epochs": 7}, {"steps": 70}])
def test_epochs_and_steps_are_not_limited(monkeypatch, limit):
    assert choose(monkeypatch, **limit)[0].max_epochs is None


def test_a_limit_of_epochs_is_one_of_a_budget():
    with pytest.raises(UserError, match="--max-epochs is 3, which limits a --budget; leave it out here"):
        SentimentTraining(data="texts", max_epochs=3, steps=10)


def test_votes_are_for_many_long_texts(monkeypatch):
    sizes = [(1_000, 50), (100_000, 20), (10_000, 50)]  # texts, words
    assert [choose(monkeypatch, texts=t, words=w, epochs=1)[1].votes for t, w in sizes] == [0, 0, 2**19]
    from_language = [choose(monkeypatch, words=w, epochs=1, pretraining=3)[1].votes > 0 for w in (50, 150)]
    assert from_language == [False, True]
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
    training, model = choose(monkeypatch, budget=60.0, tokenizer="word", vocab_size=9, pretraining=0)
    for name in CHOSEN_FOR_CLASSIFIERS:
        assert getattr(model, name, getattr(training, name, None)) is not None
        assert name.replace("_", " ") in caplog.text


def test_the_speed_is_measured():
    from rnnnlp.config import SentimentConfig

    model = SentimentConfig(vocab_size=20, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    training = SentimentTraining(data="texts", budget=1.0, batch_size=2)
    assert 0 < classifier_recipes.throughput(training, model, 7.5) < 1e7  # however busy the machine is


LANGUAGE_SPEED = 50_000.0  # tokens a second, of both directions


def choose_pretraining(monkeypatch, *, given=None, text="a good film ", texts=5_000, unlabelled=0, **training):
    monkeypatch.setattr(classifier_recipes, "throughput", lambda training, model, length: SPEED)
    monkeypatch.setattr(classifier_recipes, "language_throughput", lambda training, model, tokenizer: LANGUAGE_SPEED)
    split = LabelledSplit([10 * text] * texts, np.arange(texts) % 2)
    data = LabelledData({"train": split, "validation": split}, ("no", "yes"), "texts", [10 * text] * unlabelled)
    return classifier_recipes.choose_pretraining(SentimentTraining(data="texts", **training), given or {}, data)


def test_the_language_is_learned_first_where_the_time_is_enough_for_all(monkeypatch):
    tokens = 5_000 * 30  # 10 epochs, of the language 4
    seconds = 2 * 4 * tokens / LANGUAGE_SPEED + 10 * tokens / SPEED
    chosen = [
        choose_pretraining(monkeypatch, budget=share * seconds)[0].pretraining for share in (0.5, 1.2, 1.35, 1.5, 100)
    ]
    assert chosen == [0, 0, 3, 4, 4]
    training, options, tokenizer = choose_pretraining(monkeypatch, budget=600.0, given={"hidden_size": 64})
    assert (options["hidden_size"], options["embedding_size"], options["dropout"]) == (64, 256, 0.2)
    assert training.tokenizer == tokenizer.kind == "word"


def test_the_language_of_texts_without_a_label_takes_time_too(monkeypatch):
    chosen = [
        choose_pretraining(monkeypatch, budget=300.0, unlabelled=texts)[0].pretraining for texts in (0, 20_000, 200_000)
    ]
    assert chosen == [4, 4, 0]


@pytest.mark.parametrize(
    "options",
    [
        {"texts": 3_000, "budget": 1e5},
        {"text": "film ", "texts": 100_000, "budget": 1e5},
        {"epochs": 3},
        {"budget": 1e5, "pretraining": 0},
    ],
    ids=["few", "phrases", "no budget", "not wanted"],
)
def test_where_the_language_is_not_learned_first(monkeypatch, options):
    training, given, _ = choose_pretraining(monkeypatch, **options)
    assert (training.pretraining, training.tokenizer, given) == (0, "word", {})


def test_it_is_learned_first_where_that_is_said(monkeypatch):
    assert choose_pretraining(monkeypatch, epochs=3, pretraining=2, texts=9)[0].pretraining == 2


def test_then_text_without_spaces_is_read_in_pieces_of_words(monkeypatch):
    text, long, short = "这个电影很好看，", {"budget": 1e5}, {"budget": 1.0}
    kinds = [choose_pretraining(monkeypatch, text=text, **limit)[2].kind for limit in (long, short)]
    assert kinds == ["bpe", "word"]
    assert choose_pretraining(monkeypatch, text=text, tokenizer="char", **long)[2].kind == "char"


def test_a_tokenizer_is_trained_once(monkeypatch):
    trained = []

    def noted(kind, texts, **options):
        trained.append(kind)
        return train_tokenizer(kind, texts, **options)

    monkeypatch.setattr(classifier_recipes, "train_tokenizer", noted)
    for limit in ({"budget": 1e5}, {"budget": 1.0}, {"epochs": 1}):
        choose_pretraining(monkeypatch, **limit)
    assert trained == ["word"] * 3


def test_with_the_language_less_of_a_budget_is_left(monkeypatch):
    seconds = 10_000 * 20 / SPEED
    choices = [choose(monkeypatch, budget=17 * seconds, pretraining=epochs)[0].adversarial for epochs in (0, 3)]
    assert choices == [MOVE, 0]


def test_the_speed_of_language_models_is_measured():
    from rnnnlp.config import SentimentConfig

    tokenizer = train_tokenizer("word", ["good bad good bad"], vocab_size=10, min_frequency=1)
    model = SentimentConfig(tokenizer.vocab_size, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    training = SentimentTraining(data="texts", budget=1.0, tokenizer="word", pretraining=1)
    assert 0 < classifier_recipes.language_throughput(training, model, tokenizer) < 1e9


def test_texts_without_a_label_are_part_of_the_speed(monkeypatch):
    from rnnnlp.config import SentimentConfig
    from rnnnlp.tasks.sentiment.network import SentimentNetwork

    moves = []
    monkeypatch.setattr(SentimentNetwork, "smoothing_gradients", lambda model, batch, size, **_: moves.append(size))
    model = SentimentConfig(vocab_size=20, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    for size in (0.0, 0.5):
        training = SentimentTraining(data="texts", budget=1.0, batch_size=2, virtual_adversarial=size)
        classifier_recipes.throughput(training, model, 7.5)
    assert set(moves) == {0.5}


def test_labels_are_not_smoothed_where_runs_vote(monkeypatch):
    smoothing = [choose(monkeypatch, words=words, texts=10_000, epochs=1)[0].label_smoothing for words in (10, 50)]
    assert smoothing == [0.05, 0.0]
