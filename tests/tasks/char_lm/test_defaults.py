"""What is chosen for a character model where the user does not say."""

import pytest

from rnnnlp.errors import UserError
from rnnnlp.training import recipes
from rnnnlp.training.options import CHOSEN, CharLMTraining

SPEED = 30_000.0  # tokens a second


def choose(monkeypatch, given=None, *, tokens=1_000_000, validation_tokens=100_000, **training):
    monkeypatch.setattr(recipes, "throughput", lambda training, vocab_size: SPEED)
    config = CharLMTraining(data="text", **training)
    return recipes.choose(config, given or {}, vocab_size=65, tokens=tokens, validation_tokens=validation_tokens)


def test_more_time_gives_larger_models_down_to_the_smallest_and_up_to_the_largest(monkeypatch):
    sizes = [choose(monkeypatch, budget=budget)[1].hidden_size for budget in (1.0, 10.0, 120.0, 600.0, 1e5)]
    assert sizes == sorted(sizes)
    assert {sizes[0], sizes[-1]} == {128, 1024}


def test_what_repeats_often_is_dropped_more(monkeypatch):
    drops = [choose(monkeypatch, {"hidden_size": 512}, epochs=epochs)[1].dropout for epochs in (1, 4, 16, 1000)]
    assert drops == sorted(drops)
    assert drops[0] < drops[2] < 1
    long_text = choose(monkeypatch, {"hidden_size": 64}, tokens=10**8, epochs=1)[1]
    assert long_text.dropout == 0


def test_weights_decay_where_dropout_can_grow_no_more(monkeypatch):
    choices = [choose(monkeypatch, {"hidden_size": 512}, epochs=epochs) for epochs in (1, 16, 1000)]
    assert [model.dropout == 0.5 for _, model in choices] == [False, False, True]
    assert [training.weight_decay for training, _ in choices] == [0, 0, 0.3]


def test_a_smaller_model_reads_more_in_the_same_time_and_that_counts(monkeypatch):
    training, small = choose(monkeypatch, {"hidden_size": 256}, tokens=10**5, budget=60.0)
    _, base = choose(monkeypatch, {"hidden_size": 512}, tokens=10**5, budget=60.0)
    assert training.lr is not None
    assert small.hidden_size < base.hidden_size


def test_what_is_given_stays(monkeypatch):
    given = {"hidden_size": 48, "embedding_size": 7, "dropout": 0.33, "weight_drop": 0.1, "cell": "gru"}
    training, model = choose(monkeypatch, given, budget=600.0, lr=0.5, evaluations=3)
    assert {name: getattr(model, name) for name in given} == given
    assert (training.lr, training.evaluations) == (0.5, 3)


@pytest.mark.parametrize("preset", recipes.PRESETS)
def test_presets(monkeypatch, preset):
    training, model = choose(monkeypatch, preset=preset, epochs=2)
    size = recipes.PRESETS[preset]
    assert (model.hidden_size, model.embedding_size) == (size.hidden_size, size.embedding_size)
    assert (training.lr, training.batch_size) == (size.lr, size.batch_size)


def test_long_runs_have_lower_rates(monkeypatch):
    rates = [choose(monkeypatch, preset="base", epochs=epochs)[0].lr for epochs in (1, 10, 50, 400)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == rates[1] == recipes.PRESETS["base"].lr  # 488 and 4,883 updates
    assert rates[3] < rates[2] < rates[1]
    assert recipes.rate(1e-2, 8 * recipes.SHORT_RUN) == pytest.approx(2.5e-3)


def test_unknown_preset():
    with pytest.raises(UserError, match="--preset is gigantic; it must be one of auto, tiny, small, base, large, huge"):
        CharLMTraining(data="text", preset="gigantic")


def test_nothing_is_left_open_and_all_of_it_is_said(monkeypatch, caplog):
    caplog.set_level("INFO", "rnnnlp")
    training, model = choose(monkeypatch, budget=60.0)
    for name in CHOSEN:
        assert getattr(model, name, getattr(training, name, None)) is not None
        assert name.replace("_", " ") in caplog.text


def test_evaluations_take_a_small_share_of_the_time(monkeypatch):
    counts = [choose(monkeypatch, budget=budget)[0].evaluations for budget in (10.0, 66.0, 600.0, 36_000.0)]
    assert counts[0] == 2
    assert counts[-1] == 10
    assert counts == sorted(counts)


def test_the_speed_is_measured():
    speed = recipes.throughput(CharLMTraining(data="text", budget=1.0, batch_size=2, bptt=4), 65)
    assert 0 < speed < 1e7  # however busy the machine is
