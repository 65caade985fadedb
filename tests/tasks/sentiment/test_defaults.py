"""The options of a classifier that the user leaves open."""

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.tasks import load_task
from rnnnlp.tasks.sentiment import defaults
from rnnnlp.tasks.sentiment.config import SentimentConfig, SentimentOptions
from rnnnlp.text import Classes, LabelledData, LabelledSplit, train_tokenizer

PERTURBATION = defaults.ADVERSARIAL
SPEED = 30_000.0  # tokens a second


def resolve(monkeypatch, given=None, *, texts=10_000, words=20, held_out=False, measured=None, **training):
    def throughput(options, config, length, batch_size):
        if measured is not None:
            measured.append(batch_size)
        return SPEED

    monkeypatch.setattr(defaults, "throughput", throughput)
    split = LabelledSplit([words * "good "] * texts, np.arange(texts) % 2)
    splits = {"train": split, "validation": split.where(np.arange(texts) < 100)}
    data = LabelledData(splits, Classes(("no", "yes")), "texts", held_out=held_out)
    tokenizer = train_tokenizer("word", ["good bad good bad"], vocab_size=10, min_frequency=1)
    options = SentimentOptions(data="texts", **{"tokenizer": "word"} | training)
    return defaults.resolve(options, given or {}, data, tokenizer)


@pytest.mark.parametrize(("texts", "words", "decides"), [(80, 20, True), (390, 20, True), (390, 7000, False)])
def test_a_linear_model_that_decides_alone_has_folds_without_time_for_those_of_a_network(
    monkeypatch, texts, words, decides
):
    monkeypatch.setattr("tests.tasks.sentiment.test_defaults.SPEED", 100.0)
    training, _ = resolve(monkeypatch, {"max_length": 9000}, texts=texts, words=words, budget=20.0, held_out=True)
    assert (training.linear, training.folds) == ((True, 5) if decides else (False, 0))


def test_the_speed_is_that_of_batches_that_the_texts_can_fill(monkeypatch):
    measured = []
    resolve(monkeypatch, texts=100, batch_size=10_000, budget=600.0, measured=measured)
    assert measured == [100]
    tokens_in_steps = resolve(monkeypatch, texts=100, batch_size=10_000, steps=10)[0].evaluations
    assert tokens_in_steps == resolve(monkeypatch, texts=100, batch_size=100, steps=10)[0].evaluations


def test_few_texts_are_read_more_often_in_smaller_batches(monkeypatch):
    resolved = [resolve(monkeypatch, texts=texts, budget=600.0)[0] for texts in (100, 1000, 10_000, 100_000)]
    assert [c.max_epochs for c in resolved] == [20, 20, 8, 3]
    assert [c.batch_size for c in resolved] == [8, 8, 64, 64]


def test_adversarial_training_where_the_time_is_enough_for_all_epochs_twice(monkeypatch):
    seconds = 10_000 * 20 / SPEED  # an epoch, of at most 8
    found = [resolve(monkeypatch, budget=epochs * seconds)[0].adversarial for epochs in (1, 15, 17, 100)]
    assert found == [0, 0, PERTURBATION, PERTURBATION]
    assert [resolve(monkeypatch, epochs=epochs)[0].adversarial for epochs in (7, 8)] == [0, PERTURBATION]
    assert resolve(monkeypatch, {"ngram_buckets": 16}, epochs=8)[0].adversarial == 0  # it does not perturb those


def test_long_texts_are_cropped_so_there_is_time_for_more_epochs(monkeypatch):
    seconds = 5_000 * 800 / SPEED  # an epoch of whole texts, of at most 3
    whole, cropped = (
        resolve(monkeypatch, {"ngram_buckets": 0}, words=800, texts=5_000, budget=3 * seconds, crop=crop)[0]
        for crop in (800, None)
    )
    assert cropped.crop <= 400
    assert (whole.adversarial, cropped.adversarial) == (0, PERTURBATION)
    pretrained = ({"pretraining": 3}, {"from_": "run"})
    assert [resolve(monkeypatch, words=900, texts=50, epochs=1, **first)[0].crop for first in pretrained] == [
        800,
        800,
    ]


@pytest.mark.parametrize("limit", [{"epochs": 7}, {"steps": 70}])
def test_epochs_and_steps_are_not_limited(monkeypatch, limit):
    assert resolve(monkeypatch, **limit)[0].max_epochs is None


def test_a_limit_of_epochs_is_one_of_a_budget():
    with pytest.raises(UserError, match="max_epochs is 3, which applies only with a budget; leave it out"):
        SentimentOptions(data="texts", max_epochs=3, steps=10)


def test_ngram_features_are_for_many_long_texts(monkeypatch):
    sizes = [(1_000, 50), (100_000, 20), (10_000, 50)]  # texts, words
    assert [resolve(monkeypatch, texts=t, words=w, epochs=1)[1].ngram_buckets for t, w in sizes] == [0, 0, 2**19]
    pretrained = [resolve(monkeypatch, words=w, epochs=1, pretraining=3)[1].ngram_buckets > 0 for w in (50, 150)]
    assert pretrained == [False, True]
    assert resolve(monkeypatch, {"ngram_buckets": 0}, texts=10_000, words=50, epochs=1)[1].ngram_buckets == 0
    assert [defaults.buckets_for(1e9, classes) for classes in (2, 3, 20, 1000)] == [
        2**22,
        2**21,
        2**18,
        0,
    ]


def test_given_options_stay(monkeypatch):
    given = {"batch_size": 3, "crop": 5, "adversarial": 0.0, "max_epochs": 2, "evaluations": 4}
    training, model = resolve(monkeypatch, {"hidden_size": 48}, budget=600.0, **given)
    assert {name: getattr(training, name) for name in given} == given
    assert model.hidden_size == 48


def test_every_open_option_is_resolved_and_logged(monkeypatch, caplog):
    caplog.set_level("INFO", "rnnnlp")
    training, model = resolve(monkeypatch, budget=60.0, tokenizer="word", vocab_size=9, pretraining=0)
    for name in load_task("sentiment").auto_options():
        assert getattr(model, name, getattr(training, name, None)) is not None
        assert name.replace("_", " ") in caplog.text


@pytest.mark.parametrize(
    ("texts", "options", "frequency"),
    [
        (200, {}, 1),
        (600, {}, None),
        (200, {"linear": False}, None),
        (200, {"folds": 0}, None),
        (200, {"budget": 5.0}, None),
        (200, {"min_frequency": 3}, 3),
    ],
)
def test_linear_models_that_decide_alone_know_words_of_one_text(texts, options, frequency):
    split, held_out = LabelledSplit([f"film {k}" for k in range(texts)], np.arange(texts) % 2), np.arange(texts) < 20
    splits = {"train": split.where(~held_out), "validation": split.where(held_out)}
    data = LabelledData(splits, Classes(("no", "yes")), "texts", held_out=True)
    options = SentimentOptions(data="texts", **{"budget": 60.0, "pretraining": 0, **options})
    resolved, _, tokenizer = defaults.resolve_pretraining(options, {}, data)
    assert resolved.min_frequency == frequency
    assert (tokenizer.vocab_size >= texts) == (frequency == 1)


def test_the_speed_is_measured(monkeypatch):
    monkeypatch.setattr(defaults, "usual_seconds", lambda call, budget: (call(), 0.5)[1])
    config = SentimentConfig(vocab_size=20, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    options = SentimentOptions(data="texts", budget=1.0, batch_size=2)
    assert defaults.throughput(options, config, 7.5, 2) == 2 * 8 / 0.5


PRETRAINING_SPEED = 50_000.0  # tokens a second, of both directions


def resolve_pretraining(monkeypatch, *, given=None, text="a good film ", texts=5_000, unlabelled=0, **training):
    monkeypatch.setattr(defaults, "throughput", lambda options, config, length, batch_size: SPEED)
    monkeypatch.setattr(defaults, "pretraining_throughput", lambda options, config, tokenizer: PRETRAINING_SPEED)
    split = LabelledSplit([10 * text] * texts, np.arange(texts) % 2)
    splits = {"train": split, "validation": split}
    data = LabelledData(splits, Classes(("no", "yes")), "texts", [10 * text] * unlabelled)
    return defaults.resolve_pretraining(SentimentOptions(data="texts", **training), given or {}, data)


def test_pretraining_where_the_time_is_enough_for_all_of_it(monkeypatch):
    tokens = 5_000 * 30  # 10 epochs, of pretraining 4
    seconds = 2 * 4 * tokens / PRETRAINING_SPEED + 10 * tokens / SPEED
    found = [
        resolve_pretraining(monkeypatch, budget=share * seconds)[0].pretraining for share in (0.5, 1.2, 1.35, 1.5, 100)
    ]
    assert found == [0, 0, 3, 4, 4]
    training, options, tokenizer = resolve_pretraining(monkeypatch, budget=600.0, given={"hidden_size": 64})
    assert (options["hidden_size"], options["embedding_size"], options["dropout"]) == (64, 256, 0.2)
    assert training.tokenizer == tokenizer.kind == "word"


def test_pretraining_on_texts_without_a_label_takes_time_too(monkeypatch):
    found = [
        resolve_pretraining(monkeypatch, budget=300.0, unlabelled=texts)[0].pretraining
        for texts in (0, 20_000, 200_000)
    ]
    assert found == [4, 4, 0]


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
def test_no_pretraining(monkeypatch, options):
    training, given, _ = resolve_pretraining(monkeypatch, **options)
    assert (training.pretraining, training.tokenizer, given) == (0, "word", {})


def test_given_pretraining(monkeypatch):
    assert resolve_pretraining(monkeypatch, epochs=3, pretraining=2, texts=9)[0].pretraining == 2


def test_with_pretraining_text_without_spaces_is_read_in_subwords(monkeypatch):
    text, long, short = "这个电影很好看，", {"budget": 1e5}, {"budget": 1.0}
    kinds = [resolve_pretraining(monkeypatch, text=text, **limit)[2].kind for limit in (long, short)]
    assert kinds == ["bpe", "word"]
    assert resolve_pretraining(monkeypatch, text=text, tokenizer="char", **long)[2].kind == "char"


def test_a_tokenizer_is_trained_once(monkeypatch):
    trained = []

    def noted(kind, texts, **options):
        trained.append(kind)
        return train_tokenizer(kind, texts, **options)

    monkeypatch.setattr(defaults, "train_tokenizer", noted)
    for limit in ({"budget": 1e5}, {"budget": 1.0}, {"epochs": 1}):
        resolve_pretraining(monkeypatch, **limit)
    assert trained == ["word"] * 3


def test_pretraining_leaves_less_of_a_budget(monkeypatch):
    seconds = 10_000 * 20 / SPEED
    resolved = [resolve(monkeypatch, budget=17 * seconds, pretraining=epochs)[0].adversarial for epochs in (0, 3)]
    assert resolved == [PERTURBATION, 0]


def test_the_speed_of_language_models_is_measured(monkeypatch):
    monkeypatch.setattr(defaults, "usual_seconds", lambda call, budget: (call(), 0.5)[1])
    tokenizer = train_tokenizer("word", ["good bad good bad"], vocab_size=10, min_frequency=1)
    config = SentimentConfig(tokenizer.vocab_size, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    options = SentimentOptions(data="texts", budget=1.0, tokenizer="word", pretraining=1)
    training = defaults.pretraining_config(options, 1)
    tokens = 2 * training.batch_size * training.bptt  # in both directions
    assert defaults.pretraining_throughput(options, config, tokenizer) == tokens / 0.5


def test_texts_without_a_label_are_part_of_the_speed(monkeypatch):
    sizes = []
    monkeypatch.setattr(defaults, "vat_gradients", lambda network, batch, size, **_: sizes.append(size))
    config = SentimentConfig(vocab_size=20, labels=("no", "yes"), hidden_size=4, embedding_size=4)
    for size in (0.0, 0.5):
        options = SentimentOptions(data="texts", budget=1.0, batch_size=2, virtual_adversarial=size)
        defaults.throughput(options, config, 7.5, 2)
    assert set(sizes) == {0.5}


def test_no_label_smoothing_with_ngram_features(monkeypatch):
    smoothing = [resolve(monkeypatch, words=words, texts=10_000, epochs=1)[0].label_smoothing for words in (10, 50)]
    assert smoothing == [0.05, 0.0]
