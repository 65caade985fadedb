"""A classifier that starts from pretrained language models: what it takes, and how fast each layer learns then."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.transfer import order_of_classes, set_lr_scales, start_from
from rnnnlp.tasks.word_lm.config import WordLMConfig
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.training.run_folder import RunFolder, read_state
from tests.conftest import TickingClock
from tests.gradients import randomize
from tests.runs import trained, trained_on

V, D, H = 9, 4, 3
CHECKPOINTS = ("step-00000000", "step-00000003")
TINY = "--steps 3 --batch-size 4 --evaluations 1 --seed 3".split()


def pretrained_model(cell="lstm", num_layers=1):
    config = WordLMConfig(V, cell, D, H, num_layers)
    model = WordLMNetwork(config, rng=np.random.default_rng(0), dtype=np.float64)
    randomize(model.parameters(), np.random.default_rng(1))
    return model


def classifier_like(pretrained, **options):
    c = pretrained.config
    config = SentimentConfig(V, ("bad", "good"), c.cell, c.embedding_size, c.hidden_size, c.num_layers, **options)
    return SentimentNetwork(config, rng=np.random.default_rng(2), dtype=np.float64)


def outputs(layers, embedding, ids):
    """What recurrent layers make of a text: `(len(ids), R*H)`."""
    x = embedding.weight.value[ids]
    return layers.forward(x, np.ones(len(ids), np.int64), layers.zero_state(1, x.dtype), rng=None)[0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman_tanh"])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_each_direction_computes_what_its_language_model_did(cell, num_layers, bidirectional):
    pretrained = pretrained_model(cell, num_layers)
    classifier = classifier_like(pretrained, bidirectional=bidirectional)
    start_from(pretrained, classifier)
    ids = np.random.default_rng(0).integers(V, size=11)
    forward, reverse = (direction.recurrent for direction in pretrained.directions.values())
    expected = outputs(forward, pretrained.embedding, ids)
    if bidirectional:
        backward = outputs(reverse, pretrained.embedding, ids[::-1])[::-1]
        expected = np.concatenate([expected, backward], axis=1)
    np.testing.assert_allclose(outputs(classifier.recurrent, classifier.embedding, ids), expected, rtol=1e-12)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_states_are_those_of_a_language_model_of_characters(num_layers):
    pretrained = CharLMNetwork(CharLMConfig(V, "gru", D, H, num_layers), rng=np.random.default_rng(0), dtype=np.float64)
    randomize(pretrained.parameters(), np.random.default_rng(1))
    classifier = classifier_like(pretrained, bidirectional=False)
    start_from(pretrained, classifier)
    ids = np.random.default_rng(0).integers(V, size=11)
    expected = outputs(pretrained.recurrent, pretrained.embedding, ids)
    assert np.array_equal(outputs(classifier.recurrent, classifier.embedding, ids), expected)


def test_the_copies_are_the_classifiers_own():
    pretrained = pretrained_model()
    classifier = classifier_like(pretrained)
    start_from(pretrained, classifier)
    before = {name: p.value.copy() for name, p in pretrained.parameters().items()}
    for parameter in classifier.parameters().values():
        parameter.value += 1
    assert all(np.array_equal(p.value, before[name]) for name, p in pretrained.parameters().items())


def test_lower_layers_learn_more_slowly():
    classifier = classifier_like(pretrained_model(num_layers=2), pooling="attention")
    set_lr_scales(classifier, 0.5)
    scales = {name: parameter.lr_scale for name, parameter in classifier.parameters().items()}
    assert {scales["head.weight"], scales["head.bias"], scales["pool.query"]} == {1.0}
    assert {scale for name, scale in scales.items() if name.startswith("recurrent.1.")} == {0.5}
    assert {scale for name, scale in scales.items() if name.startswith("recurrent.0.")} == {0.25}
    assert scales["embedding.weight"] == 0.125


def test_only_the_head_learns(tmp_path: Path):
    """On the states of a character language model (Radford et al. 2017)."""
    lm, run = str(tmp_path / "lm"), tmp_path / "run"
    sizes = "--hidden-size 5 --embedding-size 4 --bptt 8".split()
    assert main(["train", "charlm", "--data", "sample-reviews", *TINY, *sizes, "--out", lm]) == 0
    words = [
        "train",
        "sentiment",
        "--data",
        "sample-reviews",
        "--from",
        lm,
        "--lr-decay",
        "0",
        "--ngram-buckets",
        "0",
        *TINY,
    ]
    assert main([*words, "--out", str(run)]) == 0
    model = json.loads((run / "config.json").read_text())["model"]
    assert (model["bidirectional"], model["hidden_size"]) == (False, 5)
    before, after = (load_file(run / "checkpoints" / step / "model.safetensors") for step in CHECKPOINTS)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed - {"log_temperature"} == {"head.weight", "head.bias"}
    assert np.array_equal(after["embedding.weight"], load_file(f"{lm}/model.safetensors")["embedding.weight"])


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "words"
    sizes = "--hidden-size 5 --embedding-size 4 --bptt 8 --samples 8 --cell gru --vocab-size 200".split()
    assert main(["pretrain", "--data", "sample-reviews", *TINY, *sizes, "--out", str(run)]) == 0
    return run


def test_a_run_starts_from_the_pretrained_weights(words: Path, tmp_path: Path):
    run = tmp_path / "run"
    start = ["--from", str(words), "--vocab-size", "200"]
    assert main(["train", "sentiment", "--data", "sample-reviews", *start, *TINY, "--out", str(run)]) == 0
    config = json.loads((run / "config.json").read_text())
    assert {name: config["model"][name] for name in ("cell", "hidden_size", "embedding_size")} == {
        "cell": "gru",
        "hidden_size": 5,
        "embedding_size": 4,
    }
    assert config["model"]["vocab_size"] == config["training"]["vocab_size"] == 200
    assert config["model"]["dropout"] == 0.2
    assert (run / "tokenizer.json").read_bytes() == (words / "tokenizer.json").read_bytes()
    before, begun = (load_file(path / "model.safetensors") for path in (words, run / "checkpoints" / "step-00000000"))
    trained = load_file(run / "checkpoints" / "step-00000003" / "model.safetensors")
    assert np.array_equal(begun["embedding.weight"], before["embedding.weight"])
    for name in ("W_x", "W_h", "b_x", "b_h"):
        for direction in ("forward", "reverse"):
            mine = f"recurrent.0.{direction}.{name}"
            assert np.array_equal(begun[mine], before[f"{direction}.recurrent.0.forward.{name}"])
            assert not np.array_equal(trained[mine], begun[mine])


@pytest.mark.parametrize("kind", ["train sentiment --from", "train sentiment", "train charlm", "pretrain"])
def test_the_card_has_a_command_that_works(kind: str, words: Path, tmp_path: Path):
    run = tmp_path / "run"
    command = kind.partition(" --from")[0]
    begin = [*command.split(), "--data", "sample-reviews", *(["--from", str(words)] if "--from" in kind else []), *TINY]
    assert main([*begin, "--out", str(run)]) == 0
    (command,) = (
        line for line in (run / "README.md").read_text().splitlines() if line.startswith(f"    rnnnlp {command}")
    )
    assert (f"--from {words}" in command) == ("--from" in kind)
    again = tmp_path / "again"
    assert main([*command.split()[1:], "--out", str(again)]) == 0
    assert (again / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_words_that_the_pretrained_model_lacks_are_added(words: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    texts = ["a zebra is a good book", "a zebra reads a bad book"] * 10 + ["an okapi is bad", "good"]
    labels = ["good", "bad"] * 11
    caplog.set_level("INFO")
    options = {"from_": str(words), "steps": 2, "batch_size": 4, "evaluations": 1, "keep_checkpoints": 9}
    classifier = trained_on(texts, labels, tmp_path / "run", **options)
    theirs = WordLMNetwork.from_pretrained(words)
    known, found = theirs.tokenizer.words, classifier.tokenizer.words
    new = found[len(known) :]
    assert found[: len(known)] == known
    assert "zebra" in new  # it occurs often
    assert "okapi" not in new  # it does not
    assert not set(new) & set(known)
    assert f"{len(new)} words of the texts are added to the 200 of {words}" in caplog.text
    begun = load_file(tmp_path / "run" / "checkpoints" / "step-00000000" / "model.safetensors")["embedding.weight"]
    assert np.array_equal(begun[: len(known) + 1], theirs.embedding.weight.value)
    mean = np.broadcast_to(theirs.embedding.weight.value.mean(axis=0), (len(new), 4))
    np.testing.assert_allclose(begun[len(known) + 1 :], mean, rtol=1e-5)
    few = trained_on(texts, labels, tmp_path / "few", vocab_size=201, **options)
    assert few.tokenizer.words == [*known, new[0]]
    trained_on(texts, labels, tmp_path / "rare", min_frequency=1, **options)
    assert "okapi" in SentimentNetwork.from_pretrained(tmp_path / "rare").tokenizer.words


@pytest.mark.parametrize(
    ("theirs", "own", "order"),
    [
        (("bad", "good"), ("bad", "good"), [0, 1]),
        (("negative", "positive"), ("pos", "Neg"), [1, 0]),
        (("neg", "pos"), ("0", "1"), [0, 1]),
        (("negative", "positive"), ("1", "2"), None),
        (("negative", "positive"), ("1", "2", "3", "4", "5"), None),
        (("1", "2", "3"), ("1", "3", "2"), [0, 2, 1]),
        (("good", "bad"), ("good", "fair"), None),
        (("pos", "1"), ("neg", "pos"), None),
    ],
)
def test_which_classes_are_the_same(theirs: tuple[str, ...], own: tuple[str, ...], order: list[int] | None):
    assert order_of_classes(theirs, own) == order


@pytest.mark.parametrize("labels", [("pos", "neg"), ("1", "2", "3", "4", "5")])
def test_a_classifier_of_other_classes_gives_all_but_the_head(labels: tuple[str, ...]):
    config = SentimentConfig(V, ("negative", "positive"), "gru", D, H, pooling="attention", ngram_buckets=16)
    pretrained = SentimentNetwork(config, rng=np.random.default_rng(0), dtype=np.float64)
    randomize(pretrained.parameters(), np.random.default_rng(1))
    pretrained.ngrams.log_count_ratio[...] = np.random.default_rng(2).normal(size=(16, 2))
    pretrained.log_temperature[...] = 0.5
    classifier = SentimentNetwork(config.changed(labels=labels), rng=np.random.default_rng(3), dtype=np.float64)
    before = {name: p.value.copy() for name, p in classifier.parameters().items()}
    start_from(pretrained, classifier)
    after = {name: p.value for name, p in classifier.parameters().items()}
    for name, parameter in pretrained.parameters().items():
        if not name.startswith(("head.", "ngrams.")):
            assert np.array_equal(after[name], parameter.value)
        elif len(labels) > 2:
            assert np.array_equal(after[name], before[name])
    if len(labels) == 2:
        ids, sizes = np.random.default_rng(0).integers(V, size=7), np.ones(7, np.int64)
        logits, _ = pretrained.forward(ids, sizes)
        assert np.array_equal(classifier.forward(ids, sizes)[0], logits[:, ::-1])
        assert classifier.temperature == pretrained.temperature


def test_pretraining_on_the_texts_of_the_classifier(tmp_path: Path):
    run = tmp_path / "run"
    words = ["train", "sentiment", "--data", "sample-reviews", *TINY, "--hidden-size", "5", "--keep-checkpoints", "9"]
    assert main([*words, "--pretraining", "2", "--out", str(run)]) == 0
    pretrained, begun = (
        load_file(path / "model.safetensors") for path in (run / "language_model", run / "checkpoints" / CHECKPOINTS[0])
    )
    assert np.array_equal(begun["embedding.weight"], pretrained["embedding.weight"])
    for direction in ("forward", "reverse"):
        mine, theirs = f"recurrent.0.{direction}.W_h", f"{direction}.recurrent.0.forward.W_h"
        assert np.array_equal(begun[mine], pretrained[theirs])
    figures = [json.loads(line) for line in (run / "language_model" / "metrics.jsonl").read_text().splitlines()]
    assert sum("validation" in line for line in figures) > 1
    assert main([*words, "--overwrite", "--out", str(run)]) == 0
    assert not (run / "language_model").exists()


def test_a_budget_is_shared_with_pretraining(tmp_path: Path, ticking: TickingClock):
    ticking.tick = 0.01
    run = tmp_path / "run"
    words = "train sentiment --data sample-reviews --budget 4s --pretraining 100000 --hidden-size 5 --max-epochs 100000"
    assert main([*words.split(), "--out", str(run)]) == 0
    pretraining, own = (
        read_state(RunFolder(folder).latest_checkpoint()).seconds for folder in (run / "language_model", run)
    )
    assert 0.5 * 4 < pretraining < 0.7 * 4
    assert 0 < own < 4 - pretraining + 0.5


def test_in_python_and_from_a_file_of_options(words: Path, tmp_path: Path):
    texts, labels = ["a good book", "a bad book"] * 10, ["good", "bad"] * 10
    options = {"steps": 2, "batch_size": 4, "evaluations": 1}
    mine = str(tmp_path / "mine")
    trained("word_lm", mine, data="sample-reviews", hidden_size=7, bptt=8, **options)
    for run, size in ((str(words), 5), (mine, 7)):
        classifier = trained_on(texts, labels, tmp_path / f"classifier-{size}", from_=run, **options)
        assert classifier.config.hidden_size == size
    (tmp_path / "options.toml").write_text(f"from = '{words}'\nlr-decay = 0.5\n")
    file = ["--config", str(tmp_path / "options.toml"), "--out", str(tmp_path / "run")]
    assert main(["train", "sentiment", "--data", "sample-reviews", *TINY, *file]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["lr_decay"] == 0.5


def test_pretraining_learns(tmp_path: Path):
    """That a word follows another, in both directions: a text of which nothing else can be known."""
    (tmp_path / "text.txt").write_text("one two three four five six seven eight " * 400)
    run = tmp_path / "run"
    sizes = "--hidden-size 16 --embedding-size 8 --bptt 8 --batch-size 8 --steps 150 --samples 2 --lr 0.03".split()
    assert main(["pretrain", "--data", str(tmp_path / "text.txt"), *sizes, "--out", str(run)]) == 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = min((line["validation"] for line in lines if "validation" in line), key=lambda figures: figures["loss"])
    assert main(["evaluate", str(run), "--json", str(tmp_path / "figures.json")]) == 0
    measured = json.loads((tmp_path / "figures.json").read_text())
    for direction in ("forward", "reverse"):
        assert 1 <= best[f"perplexity_{direction}"] < 1.2
        assert measured[f"perplexity_{direction}"] == pytest.approx(best[f"perplexity_{direction}"], rel=0.02)


def test_a_head_that_is_trained_from_scratch_is_said(caplog: pytest.LogCaptureFixture):
    earlier = classifier_like(pretrained_model())
    config = dataclasses.replace(earlier.config, labels=("awful", "fine", "great"))
    with caplog.at_level("INFO", "rnnnlp"):
        start_from(earlier, SentimentNetwork(config, rng=np.random.default_rng(4), dtype=np.float64))
        start_from(earlier, classifier_like(pretrained_model()))  # the same classes
    assert caplog.messages == ["the head is trained from scratch: the pretrained model has other classes: bad, good"]
