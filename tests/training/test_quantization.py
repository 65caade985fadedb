"""Weights as int8 with scales: the error of rounding, folders of all kinds of models, and folders that do not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.word_lm.config import WordLMConfig
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.tensors import load_tensors, save_tensors
from rnnnlp.text import CharTokenizer, WordTokenizer
from rnnnlp.training.model_folder import CONFIG, TOKENIZER, WEIGHTS, SavedModel, read_config
from rnnnlp.training.network import Network
from rnnnlp.training.quantization import GROUP, decoded, each_row, quantized
from tests.gradients import randomize

TEXTS = ["w1 w2 w3", "w7 w2 w2 unknown w9", "w50"]
WORDS = WordTokenizer([f"w{i}" for i in range(60)])
LETTERS = CharTokenizer("abcdefghijklmnopqrstuvwxyz ")
MATRICES = {
    "rows": (40, 32),
    "long rows": (2, 600),
    "short rows": (600, 3),
    "rows of one": (1030, 1),
    "a whole number of groups": (32 * GROUP, 2),
}


def of(kind: type[Network], config: type, tokenizer: CharTokenizer | WordTokenizer, seed: int, *args, **options):
    settings = config(tokenizer.vocab_size, *args, hidden_size=20, embedding_size=24, **options)
    network = kind(settings, tokenizer, rng=np.random.default_rng(seed))
    randomize(network.parameters(), np.random.default_rng(seed), scale=0.3)
    return network


def classifier(seed: int = 0) -> SentimentNetwork:
    network: SentimentNetwork = of(
        SentimentNetwork, SentimentConfig, WORDS, seed, ("bad", "good"), ngram_buckets=600, pooling="mean"
    )
    assert network.ngrams is not None
    network.ngrams.weight.value[...] *= 0.01
    network.ngrams.log_count_ratio[...] = np.random.default_rng(seed).normal(size=(600, 2))
    network.log_temperature[0] = 0.3
    return network


MODELS: dict[str, Callable[[], SavedModel]] = {
    "classifier": classifier,
    "character model": lambda: of(CharLMNetwork, CharLMConfig, LETTERS, 1),
    "word models": lambda: of(WordLMNetwork, WordLMConfig, WORDS, 2),
    "ensemble": lambda: Ensemble([classifier(3), classifier(4)], np.array([0.5, 1.5]), [{}, {}]),
}


def networks_of(model: SavedModel) -> list[Network]:
    return list(model.members) if isinstance(model, Ensemble) else [model]


def tensors_of(network: Network) -> dict[str, np.ndarray]:
    return {name: p.value for name, p in network.parameters().items()} | network.buffers()


@pytest.mark.parametrize("shape", MATRICES.values(), ids=MATRICES)
def test_the_error_is_at_most_half_a_scale(shape: tuple[int, int]):
    w = (np.random.default_rng(0).standard_cauchy(shape) * 1e-3).astype(np.float32)
    w[3 % len(w)], w[-1] = 0, 127
    stored = quantized({"w": w})
    assert stored["w"].dtype == np.int8
    assert stored["w"].shape == shape
    scale = each_row(stored["w.scale"], shape)
    found = decoded(stored, "path")
    assert list(found) == ["w"]
    assert found["w"].dtype == np.float32
    assert np.all(np.abs(found["w"] - w) <= scale / 2 * (1 + 1e-5))
    np.testing.assert_array_equal(found["w"][w == 0], 0)
    np.testing.assert_array_equal(found["w"][-1], 127)
    np.testing.assert_allclose(decoded(quantized(found), "path")["w"], found["w"], rtol=1e-6)  # rounded only once


def test_rows_have_scales_of_their_own_and_short_rows_share_them():
    w = np.ones((64, 32), np.float32)
    w[5] *= 1000
    np.testing.assert_array_equal(decoded(quantized({"w": w}), "path")["w"], w)
    ratios = np.ones((1000, 2), np.float32)
    ratios[40], ratios[999] = [1000, -3], 0
    stored = quantized({"w": ratios})
    assert stored["w.scale"].shape == (32, 2)
    found = decoded(stored, "path")["w"]
    np.testing.assert_allclose(found[:32], 1)
    np.testing.assert_allclose(found[33], [0, np.rint(127 / 3) * 3 / 127])  # beside a value of 1000 and one of 3
    assert sum(tensor.nbytes for tensor in stored.values()) < 0.3 * ratios.nbytes


def test_vectors_small_matrices_and_other_types_stay():
    tensors = {
        "bias": np.ones(5000, np.float32),
        "small": np.ones((20, 20), np.float32),
        "double": np.ones((50, 50)),
        "table": np.ones((50, 50), np.int32),
    }
    stored = quantized(tensors)
    assert all(stored[name] is tensor for name, tensor in tensors.items())
    assert decoded(stored, "path").keys() == tensors.keys()


def test_tiny_values_become_zero_without_a_warning():
    w = np.full((40, 32), 1e-40, np.float32)
    w[0] = 1e30
    found = decoded(quantized({"w": w}), "path")["w"]
    assert not found[1:].any()
    np.testing.assert_allclose(found[0], 1e30, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_cannot_be_rounded(value: float):
    w = np.ones((40, 32), np.float32)
    w[3, 4] = value
    with pytest.raises(UserError, match=r"tensor w has values that are not finite, which int8 cannot hold; train"):
        quantized({"w": w})


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_nearly_equal(name: str, tmp_path: Path):
    model = MODELS[name]()
    model.save_pretrained(tmp_path / "float32")
    model.save_pretrained(tmp_path / "int8", quantize="int8")
    found = type(model).from_pretrained(tmp_path / "int8")
    for before, after in zip(networks_of(model), networks_of(found), strict=True):
        expected = tensors_of(before)
        stored = quantized(expected)
        assert sum(tensor.dtype == np.int8 for tensor in stored.values()) >= 2
        for tensor, value in tensors_of(after).items():
            np.testing.assert_array_equal(value, decoded(stored, "path")[tensor])
            np.testing.assert_allclose(value, expected[tensor], atol=np.abs(expected[tensor]).max() / 250)
    places = [tmp_path / kind for kind in ("float32", "int8")]
    sizes = [sum(path.stat().st_size for path in place.rglob(WEIGHTS)) for place in places]
    assert sizes[1] < 0.6 * sizes[0]  # a quarter, and the header
    if isinstance(model, SentimentNetwork | Ensemble):
        np.testing.assert_allclose(found.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=0.02)


def test_it_is_float32_again_when_it_is_saved_again(tmp_path: Path):
    classifier().save_pretrained(tmp_path / "int8", quantize="int8")
    found = SentimentNetwork.from_pretrained(tmp_path / "int8")
    found.save_pretrained(tmp_path / "again")
    assert "quantization" not in read_config(tmp_path / "again")
    assert (tmp_path / "again" / WEIGHTS).stat().st_size > 2 * (tmp_path / "int8" / WEIGHTS).stat().st_size
    again = SentimentNetwork.from_pretrained(tmp_path / "again")
    np.testing.assert_array_equal(again.logits_of(TEXTS), found.logits_of(TEXTS))
    found.save_pretrained(tmp_path / "again", quantize="int8")  # in place of the other
    assert read_config(tmp_path / "again")["quantization"] == "int8"
    again = SentimentNetwork.from_pretrained(tmp_path / "again")
    np.testing.assert_allclose(again.logits_of(TEXTS), found.logits_of(TEXTS), rtol=1e-4)


def test_a_kind_that_there_is_not_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"^quantize is 'int4'; it must be int8, or None for float32$"):
        classifier().save_pretrained(tmp_path / "model", quantize="int4")
    assert not (tmp_path / "model").exists()


def test_a_run_that_can_be_resumed_is_not_replaced(tmp_path: Path):
    model = classifier()
    model.save_pretrained(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    before = (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(
        UserError, match=r"has checkpoints, from which training goes on in float32; give another folder"
    ):
        model.save_pretrained(tmp_path, quantize="int8")
    assert (tmp_path / WEIGHTS).read_bytes() == before
    model.save_pretrained(tmp_path)


# What someone may have done to the tensors of a folder, with the right checksums, and what opening it says.
FORGED: dict[str, tuple[Callable[[dict[str, np.ndarray]], object], str]] = {
    "no scale": (
        lambda t: t.pop("embedding.weight.scale"),
        "embedding.weight is int8 (61, 24) without scales that fit",
    ),
    "scale of another shape": (
        lambda t: t.update({"embedding.weight.scale": np.ones((1, 24), np.float32)}),
        "embedding.weight is int8 (61, 24) without scales that fit: float32 (61, 1), finite and at least 0; restore",
    ),
    "scale of another type": (
        lambda t: t.update({"embedding.weight.scale": np.ones((61, 1))}),
        "embedding.weight is int8 (61, 24) without scales that fit",
    ),
    "scale of a group": (
        lambda t: t.update({"ngrams.weight.scale": np.ones((1, 2), np.float32)}),
        "ngrams.weight is int8 (600, 2) without scales that fit: float32 (19, 2)",
    ),
    "scale nan": (lambda t: t["embedding.weight.scale"].fill(np.nan), "embedding.weight is int8 (61, 24) without"),
    "scale infinite": (lambda t: t["embedding.weight.scale"].fill(np.inf), "embedding.weight is int8 (61, 24) without"),
    "scale below 0": (lambda t: t["embedding.weight.scale"].fill(-1), "embedding.weight is int8 (61, 24) without"),
    "scale huge": (lambda t: t["embedding.weight.scale"].fill(3e38), "embedding.weight has values that are not finite"),
    "scale of nothing": (
        lambda t: t.update({"head.bias.scale": np.ones((1, 1), np.float32)}),
        "tensor head.bias.scale does not belong to this model",
    ),
    "float32": (
        lambda t: t.update({"embedding.weight": np.ones((61, 24), np.float32)}),
        "embedding.weight is float32 (61, 24) where config.json says int8; restore both or export again",
    ),
    "another shape": (
        lambda t: t.update({"embedding.weight": t["embedding.weight"].reshape(24, 61)}),
        "embedding.weight is int8 (24, 61) without scales that fit",
    ),
    "int8 of a vector": (
        lambda t: t.update({"head.bias": np.ones(2, np.int8)}),
        "tensor head.bias is int8 (2,) and must be float32 (2,)",
    ),
    "other integers": (
        lambda t: t.update({"embedding.weight": t["embedding.weight"].astype(np.int16)}),
        "tensor embedding.weight.scale does not belong to this model",
    ),
    "more values": (
        lambda t: t.update({"more": np.ones((2000, 1000), np.int8)}),
        "parameters and config.json describes ",
    ),
    "fewer values": (
        lambda t: (t.pop("embedding.weight"), t.pop("embedding.weight.scale")),
        " parameters and config.json",
    ),
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    classifier().save_pretrained(folder, quantize="int8")
    return folder


@pytest.mark.parametrize("damage", FORGED)
def test_a_forged_folder_is_refused(damage: str, exported: Path, tmp_path: Path):
    change, message = FORGED[damage]
    tensors = {
        name: tensor.copy() for name, tensor in load_tensors(exported / WEIGHTS, beside=(CONFIG, TOKENIZER)).items()
    }
    change(tensors)
    for name in (CONFIG, TOKENIZER):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    save_tensors(tmp_path / WEIGHTS, tensors, beside=(CONFIG, TOKENIZER))
    with pytest.raises(UserError) as caught:
        SentimentNetwork.from_pretrained(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_int8_that_the_configuration_does_not_announce_is_refused(exported: Path, tmp_path: Path):
    config = json.loads((exported / CONFIG).read_text())
    del config["quantization"]
    (tmp_path / CONFIG).write_text(json.dumps(config))
    (tmp_path / TOKENIZER).write_bytes((exported / TOKENIZER).read_bytes())
    (tmp_path / WEIGHTS).write_bytes((exported / WEIGHTS).read_bytes())
    with pytest.raises(CorruptFileError, match=r"config\.json is not the file that model\.safetensors was saved with"):
        SentimentNetwork.from_pretrained(tmp_path)
    save_tensors(
        tmp_path / WEIGHTS, load_tensors(exported / WEIGHTS, beside=(CONFIG, TOKENIZER)), beside=(CONFIG, TOKENIZER)
    )
    with pytest.raises(UserError, match=r"tensor .*\.scale does not belong to this model; it and config\.json are not"):
        SentimentNetwork.from_pretrained(tmp_path)
