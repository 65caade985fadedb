"""`rnnnlp export --to onnx`: the graph computes what the model computes."""

import json
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.exchange import onnx_check
from rnnnlp.exchange.onnx_export import export_onnx, load
from rnnnlp.kernels.cells import CELLS, Cell
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.linear import VIEWS
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.word_lm.config import WordLMConfig
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.text.characters import ByteTokenizer, CharTokenizer
from rnnnlp.text.words import BPETokenizer
from tests.exchange.made import TEXTS, classifier, language_model
from tests.kernels.minimal_gated_unit import minimal_gated_unit

__all__ = ["minimal_gated_unit"]

pytestmark = pytest.mark.usefixtures("onnx_or_skip")


def difference_of(model: SentimentNetwork | Ensemble, texts: list[str] = TEXTS) -> float:
    from rnnnlp.exchange.onnx_classifier import classifier_graph

    made = classifier_graph(model)
    found = onnx_check.compare_classifier(made.graph.model("classifier", {}), made, model, texts)
    return found.largest / max(1.0, found.logit)


SHAPES = cycle([(False, 1, 0), (True, 1, 64), (False, 2, 64), (True, 2, 0)])


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional", "num_layers", "ngram_buckets"),
    [(cell, pooling, *next(SHAPES)) for cell in CELLS for pooling in POOLINGS],
)
def test_every_cell_and_pooling(cell: str, pooling: str, bidirectional: bool, num_layers: int, ngram_buckets: int):
    options: dict[str, Any] = {"bidirectional": bidirectional, "num_layers": num_layers}
    model = classifier(cell=cell, pooling=pooling, ngram_buckets=ngram_buckets, **options)
    assert difference_of(model) < 1e-6
    assert difference_of(model, ["a"]) < 1e-6  # another batch size and length


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_cell_that_onnx_lacks_is_a_scan_of_its_definition(bidirectional: bool, minimal_gated_unit: str):
    model = classifier(cell=minimal_gated_unit, bidirectional=bidirectional, num_layers=2, pooling="mean+max")
    assert difference_of(model) < 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_the_definition_of_each_cell_can_be_written_as_a_scan(cell: str, monkeypatch: pytest.MonkeyPatch):
    from rnnnlp.exchange import onnx_recurrent

    monkeypatch.setattr(onnx_recurrent, "KNOWN", {})
    assert difference_of(classifier(cell=cell, bidirectional=True, pooling="last")) < 1e-6


def test_a_cell_that_nodes_cannot_compute_is_refused(monkeypatch: pytest.MonkeyPatch):
    def step(pre: Any, state: Any, W_h: Any, extra: Any) -> Any:
        return (np.arctan(pre + state[0] @ W_h.T),), ()

    monkeypatch.setitem(CELLS, "odd", Cell("odd", gates=("h",), step=step, step_backward=step))
    with pytest.raises(UserError, match=r"the step of the cell odd has no counterpart in ONNX \(numpy.arctan\)"):
        difference_of(classifier(cell="odd"))


@pytest.mark.parametrize("views", [(view,) for view in VIEWS] + [tuple(VIEWS)])
@pytest.mark.parametrize("classes", [2, 3])
def test_linear_models(views: tuple[str, ...], classes: int):
    model = classifier(views=views, classes=classes)
    assert difference_of(model) < 1e-6
    alone = classifier(views=views, classes=classes)
    alone.stacking[...] = 0, 1
    assert difference_of(alone, [*TEXTS, "nothing of this is known: xyzzy"]) < 1e-6
    off = classifier(views=views, classes=classes)
    assert off.linear is not None
    off.linear.weights[...] = 0
    assert difference_of(off) < 1e-6


def test_an_ensemble_of_members_that_read_texts_differently():
    members = [
        classifier(views=("characters", "words", "character_ratios")),
        classifier(tokenizer=CharTokenizer.train(TEXTS), seed=1),
        classifier(ngram_buckets=16, seed=2),  # reads as the first
        classifier(tokenizer=BPETokenizer.train(TEXTS, vocab_size=300), max_length=5, seed=3),
        classifier(tokenizer=ByteTokenizer(), seed=4),
    ]
    assert difference_of(Ensemble(members, [0.5, 0.2, 0.9, 0.4, 0.1])) < 1e-6


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("num_layers", "tied_weights"), [(1, True), (2, False)])
def test_language_models_carry_their_state(cell: str, num_layers: int, tied_weights: bool):
    from rnnnlp.exchange.onnx_language_model import language_model_graph

    network = language_model(cell=cell, num_layers=num_layers, tied_weights=tied_weights)
    graph = language_model_graph(network).model("language_model", {})
    found = onnx_check.compare_language_model(graph, network)
    assert found.largest < 1e-6 * max(1.0, found.logit)


def test_a_folder_for_others(tmp_path: Path, capsys: pytest.CaptureFixture):
    import onnxruntime
    from tokenizers import Tokenizer

    model = classifier()
    model.save_pretrained(tmp_path / "run")
    words = ["export", str(tmp_path / "run"), "--to", "onnx", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "largest difference from the model's logits over 45 texts of random tokens: " in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("model.onnx", "model.json", "tokenizer.json", "README.md")
    }
    text = "What a lovely film, it broke"
    ids = np.array([Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")).encode(text).ids])
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    _, found = session.run(None, {"ids": ids, "lengths": np.array([ids.shape[1]])})
    assert found[0] == pytest.approx(model.predict_proba([text])[0], abs=1e-6)
    (input_, _) = session.get_inputs()
    assert input_.shape == ["batch", "time"]
    described = json.loads((tmp_path / "out" / "model.json").read_text())
    assert set(described.pop("files")) == {"model.onnx", "model.json", "tokenizer.json", "README.md"}
    assert json.loads(session.get_modelmeta().custom_metadata_map["rnnnlp"]) == described
    assert described["label_type"] == "str"
    assert described["labels"] == ["class 0", "class 1", "class 2"]
    assert main(words) == 2
    assert "out already holds an export; give --overwrite to replace it" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["largest_difference"] < 1e-5
    assert set(figures["bytes"]) == {"model.onnx", "model.json", "tokenizer.json", "README.md"}


def test_a_bundled_model_with_int8_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from rnnnlp.exchange.onnx_classifier import classifier_graph

    models, name = tmp_path / "data" / "models", "reviews-en"
    made = classifier(classes=2, embedding_size=64, ngram_buckets=20, views=tuple(VIEWS))
    made.save_pretrained(models / name, quantize="int8")
    entry = {"name": name, "language": "English", "scripts": ["latin"], "labels": made.labels, "use": "tests"}
    entry |= {"bytes": 1, "figures": {}, "version": "1", "date": "2026-01-01"}
    (models / "index.json").write_text(json.dumps([entry]))
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", tmp_path / "rnnnlp")
    monkeypatch.chdir(tmp_path)
    assert main(["export", name, "--to", "onnx", "--out", "out"]) == 0
    model, texts = load(name), ["", *TEXTS]
    assert isinstance(model, SentimentNetwork)
    assert model.embedding.weight.value.tolist() != made.embedding.weight.value.tolist()  # it is rounded
    described = json.loads((tmp_path / "out" / "model.json").read_text())
    fed = onnx_check.feeds(classifier_graph(model).inputs, described["characters"], texts)
    (found,) = onnx_check.session((tmp_path / "out" / "model.onnx").read_bytes()).run(["probabilities"], fed)
    assert found == pytest.approx(model.predict_proba(texts), abs=1e-5)


def test_the_readme_of_a_language_model_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    network = language_model(cell="lstm")
    network.save_pretrained(tmp_path / "run")
    export_onnx(tmp_path / "run", tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    found: dict[str, Any] = {}
    exec((tmp_path / "out" / "README.md").read_text().split("```python\n")[1].split("```")[0], found)
    decoder = network.decoder()
    assert found["logits"][0, -1] == pytest.approx(
        decoder.read(network.tokenizer.encode("It was").astype(np.int64)), abs=1e-4
    )
    assert len(found["state"]) == 2


def test_a_graph_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from rnnnlp.exchange import onnx_recurrent

    wrong = onnx_recurrent.Known("GRU", ("r", "z", "n"), {"linear_before_reset": 1})
    monkeypatch.setitem(onnx_recurrent.KNOWN, "gru", wrong)
    classifier(cell="gru").save_pretrained(tmp_path / "run")
    with pytest.raises(UserError, match="the logits of the ONNX graph differ by up to"):
        export_onnx(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["language model", "classifier"])
def test_a_graph_that_gives_no_number_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Broken:
        def __init__(self, content: bytes):
            self.session = real(content)

        def run(self, names: list[str], fed: dict[str, Any]) -> list[np.ndarray]:
            first, *others = self.session.run(names, fed)
            return [first * np.nan if kind == "language model" else first, *(other * np.nan for other in others)]

    real = onnx_check.session
    monkeypatch.setattr(onnx_check, "session", Broken)
    network = language_model(cell="lstm") if kind == "language model" else classifier()
    network.save_pretrained(tmp_path / "run")
    with pytest.raises(UserError, match="the logits of the ONNX graph differ by up to nan"):
        export_onnx(tmp_path / "run", tmp_path / "out")


def test_the_readme_of_a_byte_model_warns_of_no_unknown_symbol(tmp_path: Path):
    config = CharLMConfig(256, hidden_size=4, embedding_size=4)
    CharLMNetwork(config, ByteTokenizer(), rng=np.random.default_rng(0)).save_pretrained(tmp_path / "run")
    export_onnx(tmp_path / "run", tmp_path / "out")
    assert "unknown" not in (tmp_path / "out" / "README.md").read_text()


def test_what_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from rnnnlp.exchange import onnx_graph

    words = WordLMNetwork(
        WordLMConfig(vocab_size=256), BPETokenizer.train(["aa"], vocab_size=256), rng=np.random.default_rng(0)
    )
    words.save_pretrained(tmp_path / "words")
    with pytest.raises(UserError, match="of type word_lm, which has no ONNX graph; export a classifier"):
        export_onnx(tmp_path / "words", tmp_path / "out")
    monkeypatch.setattr(onnx_graph, "MOST_BYTES", 100)
    classifier().save_pretrained(tmp_path / "run")
    with pytest.raises(UserError, match="bytes, and an ONNX file has at most 100; train a smaller model"):
        export_onnx(tmp_path / "run", tmp_path / "out")


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'rnnnlp\[onnx\]'"):
        export_onnx(tmp_path / "run", tmp_path / "out")


def test_a_folder_that_is_no_export_is_left_alone(tmp_path: Path):
    classifier().save_pretrained(tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep me")
    for out, said in (
        ("mine", "is not empty and no export; give the name of a new folder"),
        ("run", "is, or holds, the model that is exported"),
        (".", "is, or holds, the model that is exported"),
        ("run/config.json", "is a file; give the name of a new folder"),
    ):
        with pytest.raises(UserError, match=said):
            export_onnx(tmp_path / "run", tmp_path / out, overwrite=True)
    assert (tmp_path / "mine" / "note.txt").read_text() == "keep me"
