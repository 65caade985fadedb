"""An ensemble: the weighted sum of its members' logits, explanations, and its folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.layers.loss import softmax
from rnnnlp.tasks.sentiment import predictor
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.explain import Contribution, by_word
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import ByteTokenizer, CharTokenizer, Tokenizer, WordTokenizer
from rnnnlp.training.provenance import made_with
from tests.gradients import randomize
from tests.tasks.sentiment.log_odds import slope_along

TEXTS = ["the film was good", "bad but good, bad film", "", "好 film — the  good", " ", "unknown words alone"]
WEIGHTS = np.array([0.5, 1.5, 0.25])
TOKENIZERS = {
    "word": WordTokenizer("the film was good but bad".split()),
    "char": CharTokenizer("abdefghilmostuw ,"),
    "byte": ByteTokenizer(),
}


def member(tokenizer: Tokenizer, seed: int = 0, dtype: type = np.float64, **settings) -> SentimentNetwork:
    config = SentimentConfig(tokenizer.vocab_size, ("a", "b", "c"), "gru", 3, 4, **settings)
    model = SentimentNetwork(config, tokenizer, rng=np.random.default_rng(seed), dtype=dtype)
    randomize(model.parameters(), np.random.default_rng(seed + 1))
    model.log_temperature[0] = 0.3
    return model


def ensemble(*kinds: str, dtype: type = np.float64, **settings) -> Ensemble:
    members = [member(TOKENIZERS[kind], seed, dtype, **settings) for seed, kind in enumerate(kinds)]
    return Ensemble(members, WEIGHTS[: len(members)], [{"data": f"data {m}"} for m in range(len(members))])


def test_probabilities_are_those_of_the_weighted_sum():
    model = ensemble("word", "char", "byte")
    together = sum(w * m.logits_of(TEXTS) for w, m in zip(WEIGHTS, model.members, strict=True))
    np.testing.assert_allclose(model.predict_proba(TEXTS), softmax(together), rtol=1e-12)
    np.testing.assert_allclose(model.logits_of(TEXTS), together / 2.25, rtol=1e-12)
    assert model.temperature == pytest.approx(1 / 2.25)
    assert model.predict(TEXTS).tolist() == [model.labels[k] for k in together.argmax(axis=1)]
    assert model.predict(TEXTS).tolist() == model.classes_[together.argmax(axis=1)].tolist()
    assert model.score(TEXTS, model.predict(TEXTS)) == 1


def test_an_ensemble_of_one_is_that_one():
    one = member(TOKENIZERS["word"])
    model = Ensemble([one], np.array([1 / one.temperature]))
    np.testing.assert_allclose(model.predict_proba(TEXTS), one.predict_proba(TEXTS), rtol=1e-12)
    for found, expected in zip(model.explain(TEXTS), one.explain(TEXTS), strict=True):
        assert [word[:2] for word in found] == [word[:2] for word in expected]
        np.testing.assert_allclose([w.weight for w in found], [w.weight for w in expected], rtol=1e-9)


def test_unknown_are_the_words_that_no_member_knows():
    texts = ["nobody said so", "the film"]
    assert member(TOKENIZERS["word"]).inference()(texts).unknown.tolist() == [1, 0]
    assert ensemble("word", "byte").inference()(texts).unknown.tolist() == [0, 0]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_no_texts_and_many(kind: str, monkeypatch: pytest.MonkeyPatch):
    for model in (ensemble(kind, "char"), member(TOKENIZERS[kind])):
        assert model.predict_proba([]).shape == (0, 3)
        assert model.predict([]).tolist() == model.explain([]) == []
        expected = model.predict_proba(TEXTS)
        with monkeypatch.context() as patch:
            patch.setattr(predictor, "CHUNK", 2)
            np.testing.assert_allclose(model.predict_proba(TEXTS), expected, rtol=1e-12)


@pytest.mark.parametrize("label", [None, 0, 1, 2])
def test_a_contribution_is_the_change_of_the_log_odds_along_the_embeddings(label: int | None):
    """Of both members, whose tokenizers are the same."""
    model = ensemble("word", "word", pooling="attention", num_layers=2)
    for text in ("the film was good", "bad but good, bad film"):
        (found,) = model.explain_classes([text], None if label is None else np.array([label]))
        of_label = int(model.predict_proba([text])[0].argmax()) if label is None else label
        for word in set(text.replace(",", " ,").split()):
            rows = [m.embedding.weight.value[m.encode([word])[0][0]] for m in model.members]
            total = sum(weight for start, stop, weight in found if text[start:stop] == word)
            assert total == pytest.approx(slope_along(rows, model, text, of_label), rel=1e-6, abs=1e-8), word


@pytest.mark.parametrize("kinds", [("word", "char", "byte"), ("byte", "word"), ("char", "byte", "word")])
@pytest.mark.parametrize("text", [text for text in TEXTS if text.strip()])
def test_contributions_of_words_add_up_to_those_of_all_tokens_of_all_members(kinds: tuple[str, ...], text: str):
    model = ensemble(*kinds)
    (found,) = model.explain([text])
    label = int(model.predict_proba([text])[0].argmax())
    tables = [m.embedding.weight.value for m in model.members]
    assert sum(word.weight for word in found) == pytest.approx(slope_along(tables, model, text, label), rel=1e-6)
    spans = np.unique(model.members[0].tokenizer.spans(text), axis=0)
    assert [word[:2] for word in found] == [tuple(span) for span in spans.tolist()]


def test_tokens_of_other_words():
    spans = np.array([[0, 2], [3, 6], [7, 8]])  # "to see a" and two signs behind
    tokens = [Contribution(*token) for token in [(0, 1, 1.0), (1, 4, 3.0), (4, 8, 4.0), (8, 10, 0.5), (8, 9, 0.25)]]
    # "t" + "o" | " s" + "ee" | " a" and the rest
    assert by_word(tokens, spans) == [Contribution(0, 2, 2.0), Contribution(3, 6, 4.0), Contribution(7, 8, 2.75)]
    assert by_word(tokens, spans[:0]) == []
    assert by_word([], spans) == [Contribution(*span, 0.0) for span in spans.tolist()]


def test_bytes_of_one_character_are_one_word_and_tokens_may_overlap():
    spans = np.array([[0, 1], [0, 1], [0, 1], [1, 2]])
    tokens = [Contribution(*token) for token in [(0, 1, 0.5), (0, 2, 1.0), (1, 2, 0.25)]]
    assert by_word(tokens, spans) == [Contribution(0, 1, 1.0), Contribution(1, 2, 0.75)]


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (("word", "word"), ["the", "film", "bad", "good"]),
        (("word", "char"), ["the", "film", "bad", "good"]),
        (("char", "word"), list("thefilmbadgood")),
    ],
)
def test_of_a_long_text_words_that_no_member_reads_are_left_out(kinds: tuple[str, ...], words: list[str]):
    model, text = ensemble(*kinds, max_length=4), "the film was good but bad good"
    (found,) = model.explain([text])
    assert [text[start:stop] for start, stop, _ in found] == words
    assert all(word.weight for word in found)


def test_no_gradient_is_left_behind():
    model = ensemble("word", "char")
    model.explain(TEXTS)
    assert not any(p.grad.any() for m in model.members for p in m.parameters().values())


def test_a_folder_holds_all_of_it(tmp_path: Path):
    model = ensemble("word", "char", "byte", dtype=np.float32)
    model.save_pretrained(tmp_path / "one", training={"data": "some"})
    opened = load_predictor(tmp_path / "one")
    assert isinstance(opened, Ensemble)
    assert np.array_equal(opened.weights, model.weights)
    assert np.array_equal(opened.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert opened.explain(TEXTS) == model.explain(TEXTS)
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config == {
        "format": 1,
        "model_type": "ensemble",
        "model": {"labels": ["a", "b", "c"], "members": 3},
        "training": {"data": "some"},
        "made_with": made_with(),
    }
    alone = SentimentNetwork.from_pretrained(tmp_path / "one" / "members" / "1")
    assert np.array_equal(alone.predict_proba(TEXTS), model.members[1].predict_proba(TEXTS))
    opened.save_pretrained(tmp_path / "two", training={"data": "some"})
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) == 2 + 3 * 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_smaller_one_takes_the_place_of_a_larger_one(tmp_path: Path):
    ensemble("word", "char", "byte", dtype=np.float32).save_pretrained(tmp_path)
    smaller = ensemble("byte", "word", dtype=np.float32)
    smaller.save_pretrained(tmp_path)
    assert np.array_equal(Ensemble.from_pretrained(tmp_path).predict_proba(TEXTS), smaller.predict_proba(TEXTS))
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_dir()) == ["0", "1", "members"]


def test_one_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = ensemble("word", "char", dtype=np.float32)
    before.save_pretrained(tmp_path)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rnnnlp.tasks.sentiment.ensemble.save_tensors", full)
        with pytest.raises(UserError, match=r"cannot be written \(No space left on device\); make room on that disk"):
            ensemble("byte", "byte", "byte", dtype=np.float32).save_pretrained(tmp_path)
    assert np.array_equal(Ensemble.from_pretrained(tmp_path).predict_proba(TEXTS), before.predict_proba(TEXTS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "members", "model.safetensors"]


def test_another_model_is_no_ensemble(tmp_path: Path):
    member(TOKENIZERS["char"], dtype=np.float32).save_pretrained(tmp_path)
    assert isinstance(load_predictor(tmp_path), SentimentNetwork)
    with pytest.raises(UserError, match="holds a model of type sentiment; an ensemble is needed here"):
        Ensemble.from_pretrained(tmp_path)
