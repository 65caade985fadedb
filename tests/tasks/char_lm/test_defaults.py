"""The options of a character model that the user leaves open."""

from itertools import pairwise

import pytest

from rnnnlp.errors import UserError
from rnnnlp.tasks import load_task
from rnnnlp.tasks.char_lm import defaults
from rnnnlp.tasks.char_lm.config import CharLMOptions

SPEED = 30_000.0  # tokens a second


def resolve(monkeypatch, given=None, *, vocab_size=65, tokens=1_000_000, validation_tokens=100_000, **training):
    monkeypatch.setattr(defaults, "throughput", lambda options, vocab_size, tokens, layers: SPEED)
    options = CharLMOptions(data="text", **training)
    sizes = {"vocab_size": vocab_size, "tokens": tokens, "validation_tokens": validation_tokens}
    return defaults.resolve(options, given or {}, **sizes)


def test_more_time_gives_larger_models_down_to_the_smallest_and_up_to_the_largest(monkeypatch):
    sizes = [resolve(monkeypatch, budget=budget)[1].hidden_size for budget in (1.0, 10.0, 120.0, 600.0, 1e5)]
    assert sizes == sorted(sizes)
    assert {sizes[0], sizes[-1]} == {128, 1024}


def test_a_slower_machine_gets_a_smaller_model(monkeypatch):
    sizes = []
    for speed in (10_000.0, 20_000.0, 40_000.0, 80_000.0):
        monkeypatch.setattr("tests.tasks.char_lm.test_defaults.SPEED", speed)
        sizes.append(resolve(monkeypatch, budget=66.0)[1].hidden_size)
    assert sizes == sorted(set(sizes))
    assert all(size % 64 == 0 for size in sizes)


def test_more_processes_read_more(monkeypatch):
    monkeypatch.setattr(defaults, "throughput", lambda *given: SPEED)
    assert defaults.tokens_seen(CharLMOptions(data="text", budget=60.0), 65, 10**6, 4) == 4 * 60 * SPEED


def test_a_limit_of_epochs_counts_like_time(monkeypatch):
    """A budget that is not used up changes nothing."""
    few, more, all_of_it = (
        resolve(monkeypatch, budget=budget, max_epochs=epochs)
        for budget, epochs in ((600.0, 1), (6000.0, 1), (600.0, None))
    )
    assert few[1] == more[1]
    assert few[0].lr == more[0].lr
    assert few[1].hidden_size < all_of_it[1].hidden_size
    assert few[1].dropout < all_of_it[1].dropout


def test_sizes_between_presets():
    assert defaults.best_hidden_size(0) == 128
    for below, above in pairwise(defaults.PRESETS.values()):
        assert defaults.best_hidden_size(below.tokens) == below.hidden_size
        assert defaults.preset_for(below.hidden_size)[:-1] == below[:-1]
        units = defaults.best_hidden_size((below.tokens * above.tokens) ** 0.5)
        assert below.hidden_size < units < above.hidden_size
        low, high = sorted((below.lr, above.lr))
        assert low <= defaults.preset_for(units).lr <= high


def test_the_learning_rate_fits_a_size_that_is_given(monkeypatch):
    rates = [resolve(monkeypatch, {"hidden_size": size}, steps=1000)[0].lr for size in (48, 128, 256, 192)]
    assert rates[:3] == [0.02, 0.02, 0.015]
    assert 0.015 < rates[3] < 0.02


def test_dropout_grows_with_the_number_of_epochs(monkeypatch):
    drops = [resolve(monkeypatch, {"hidden_size": 512}, epochs=epochs)[1].dropout for epochs in (1, 4, 16, 1000)]
    assert drops == sorted(drops)
    assert drops[0] < drops[2] < 1
    long_text = resolve(monkeypatch, {"hidden_size": 64}, tokens=10**8, epochs=1)[1]
    assert long_text.dropout == 0


def test_weight_decay_takes_the_same_fraction_in_a_step_at_every_rate_up_to_its_limit(monkeypatch):
    for lr in (0.006, 0.01, 0.05):
        assert resolve(monkeypatch, epochs=1, lr=lr)[0].weight_decay * lr == pytest.approx(0.0018)
    assert resolve(monkeypatch, epochs=1, lr=1e-4)[0].weight_decay == 0.3
    training, _ = resolve(monkeypatch, preset="base", epochs=1)
    assert training.weight_decay == pytest.approx(0.0018 / training.lr, abs=0.001)
    assert resolve(monkeypatch, epochs=16, weight_decay=0.0)[0].weight_decay == 0.0


def test_a_smaller_model_counts_as_reading_more_in_the_same_time(monkeypatch):
    small, base = (resolve(monkeypatch, {"hidden_size": size}, budget=60.0)[0] for size in (256, 512))
    assert small.evaluations > base.evaluations


def test_given_options_stay(monkeypatch):
    given = {"hidden_size": 48, "embedding_size": 7, "dropout": 0.33, "weight_drop": 0.1, "cell": "gru"}
    training, model = resolve(monkeypatch, given, budget=600.0, lr=0.5, evaluations=3)
    assert {name: getattr(model, name) for name in given} == given
    assert (training.lr, training.evaluations) == (0.5, 3)


@pytest.mark.parametrize("preset", defaults.PRESETS)
def test_presets(monkeypatch, preset):
    training, model = resolve(monkeypatch, preset=preset, epochs=2)
    size = defaults.PRESETS[preset]
    assert (model.hidden_size, model.embedding_size) == (size.hidden_size, size.embedding_size)
    assert (training.lr, training.batch_size) == (size.lr, size.batch_size)


def test_a_large_vocabulary_has_a_larger_embedding_and_learning_rate(monkeypatch):
    sizes = [resolve(monkeypatch, epochs=2, vocab_size=V)[1].embedding_size for V in (65, 1000, 1001, 5000)]
    assert sizes == [64, 64, 128, 128]
    assert resolve(monkeypatch, {"embedding_size": 7}, epochs=2, vocab_size=5000)[1].embedding_size == 7
    rates = [resolve(monkeypatch, preset="base", epochs=2, vocab_size=V)[0].lr for V in (1000, 1001)]
    assert rates == [0.016, 0.02]
    assert resolve(monkeypatch, epochs=2, vocab_size=5000, lr=0.3)[0].lr == 0.3


def test_long_runs_have_a_lower_learning_rate(monkeypatch):
    rates = [resolve(monkeypatch, preset="base", epochs=epochs)[0].lr for epochs in (1, 10, 50, 400)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == rates[1] == defaults.PRESETS["base"].lr  # 976 and 9,766 steps
    assert rates[3] < rates[2] < rates[1]
    assert defaults.scaled_lr(1e-2, 8 * defaults.SHORT_RUN) == pytest.approx(2.5e-3)


@pytest.mark.parametrize("limit", [{"epochs": 1}, {"budget": 60.0}])
def test_a_text_without_a_token_is_refused(monkeypatch, limit):
    with pytest.raises(UserError, match="the corpus has 0 tokens and a window needs 65; give more text or a smaller"):
        resolve(monkeypatch, tokens=0, **limit)


def test_unknown_preset():
    with pytest.raises(UserError, match="preset is gigantic; it must be one of auto, tiny, small, base, large, huge"):
        CharLMOptions(data="text", preset="gigantic")


def test_every_open_option_is_resolved_and_logged(monkeypatch, caplog):
    caplog.set_level("INFO", "rnnnlp")
    training, model = resolve(monkeypatch, budget=60.0)
    for name in load_task("char_lm").auto_options():
        assert getattr(model, name, getattr(training, name, None)) is not None
        assert name.replace("_", " ") in caplog.text


def test_evaluations_take_a_small_share_of_the_time(monkeypatch):
    counts = [resolve(monkeypatch, budget=budget)[0].evaluations for budget in (1.0, 66.0, 600.0, 36_000.0)]
    assert counts[0] == 2
    assert counts[-1] == 10
    assert counts == sorted(counts)


def test_the_speed_is_measured(monkeypatch):
    monkeypatch.setattr(defaults, "usual_seconds", lambda call, budget: (call(), 0.5)[1])
    options = CharLMOptions(data="text", budget=1.0, batch_size=2, bptt=4)
    assert defaults.throughput(options, 65, 1000) == 2 * 4 / 0.5


def test_the_speed_is_that_of_streams_that_the_text_can_fill(monkeypatch):
    monkeypatch.setattr(defaults, "usual_seconds", lambda call, budget: (call(), 0.5)[1])
    options = CharLMOptions(data="text", budget=1.0, batch_size=1000, bptt=4)
    assert defaults.throughput(options, 65, 41) == 10 * 4 / 0.5  # 41 tokens have ten windows


def test_the_speed_is_that_of_the_given_layers(monkeypatch):
    """Three layers read fewer tokens, so the learning rate of a long run falls less."""
    monkeypatch.setattr(defaults, "usual_seconds", lambda call, budget: (call(), 1.0)[1])
    built = []
    network = defaults.CharLMNetwork

    def recorded(config, **options):
        built.append(config)
        return network(config, **options)

    monkeypatch.setattr(defaults, "CharLMNetwork", recorded)
    options = CharLMOptions(data="text", budget=60.0)
    given = {"cell": "gru", "num_layers": 3, "hidden_size": 128}
    defaults.resolve(options, given, vocab_size=65, tokens=10_000, validation_tokens=1000)
    assert [(config.cell, config.num_layers) for config in built] == [("gru", 3)]


def test_tied_weights_take_the_rate_of_the_size_that_they_have(monkeypatch):
    """An embedding size that is given is also the number of units."""
    tied = {"tied_weights": True, "embedding_size": 128}
    (of_embedding, config), (of_units, _) = (
        resolve(monkeypatch, given, budget=600.0) for given in (tied, {"hidden_size": 128})
    )
    assert config.hidden_size == 128
    assert (of_embedding.lr, of_embedding.batch_size) == (of_units.lr, of_units.batch_size)
