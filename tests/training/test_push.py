"""What the card of a pushed model says: figures of this model alone, and data of the Hub alone."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from rnnnlp.cli import evaluate
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training import push
from rnnnlp.training.card import card_for_hub, is_of_hub, name_of_data
from rnnnlp.training.hub import HubName, said_in_one_line
from rnnnlp.training.model_folder import digest_of_model
from rnnnlp.training.push import EVALUATION, evaluation_in, push_folder
from tests.runs import trained

TINY: dict[str, Any] = {"hidden_size": 4, "embedding_size": 3, "steps": 2, "batch_size": 2, "evaluations": 1}
MODEL: Any = Namespace(pipeline_tag="text-classification", public_class=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What stands for a model: the files of one, and its figures."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
    write_figures(tmp_path)
    return tmp_path


def write_figures(folder: Path, **figures: Any) -> None:
    content = {"data": "x.csv", "split": "test", "accuracy": 0.5, "model_sha256": digest_of_model(folder)} | figures
    (folder / EVALUATION).write_text(json.dumps(content))


def test_figures_of_the_same_model_are_published(folder: Path):
    assert [figures["accuracy"] for figures in evaluation_in(folder)] == [0.5]
    write_figures(folder, threshold=None)
    assert evaluation_in(folder)


def test_figures_of_other_weights_are_left_out(folder: Path, caplog: pytest.LogCaptureFixture):
    (folder / "model.safetensors").write_text("better weights")
    assert evaluation_in(folder) == []
    assert "the figures of x.csv are not known to be of these weights, so the card leaves them out" in caplog.text
    write_figures(folder)
    assert evaluation_in(folder)
    write_figures(folder, model_sha256=None)  # earlier versions wrote none
    assert evaluation_in(folder) == []


@pytest.mark.parametrize(
    ("how", "said"), [({"dynamic": True}, "of dynamic evaluation"), ({"threshold": "1=0.9"}, "of a chosen threshold")]
)
def test_figures_of_another_procedure_are_left_out(
    how: dict[str, Any], said: str, folder: Path, caplog: pytest.LogCaptureFixture
):
    write_figures(folder, **how)
    assert evaluation_in(folder) == []
    assert f"the figures of x.csv are {said}, so the card leaves them out" in caplog.text


def test_what_evaluate_writes_says_of_which_model_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run, file = tmp_path / "run", tmp_path / "run" / EVALUATION
    trained("sentiment", run, data="sample-reviews", **TINY)
    network = SentimentNetwork.from_pretrained(run)
    network.head.bias.value += 1
    network.save_weights(run)  # other weights than the last ones
    words = ["evaluate", str(run), "--split", "test", "--json", str(file)]

    def are_published(*more: str) -> bool:
        assert main([*words, *more]) == 0
        return bool(evaluation_in(run))

    assert are_published()
    assert json.loads(file.read_text())["weights"] == "best"
    assert not are_published("--weights", "last")
    assert are_published("--threshold", "positive")  # a table, beside the usual figures
    assert not are_published("--threshold", "positive=0.9")
    measured = evaluate.measured

    def slowly(*arguments: Any, **options: Any) -> dict[str, Any]:
        """Measures while the run saves better weights."""
        figures = measured(*arguments, **options)
        network.head.bias.value += 1
        network.save_weights(run)
        return figures

    monkeypatch.setattr(evaluate, "measured", slowly)
    assert not are_published()


def yaml_of(card: str) -> dict[str, Any]:
    return ModelCard(card).data.to_dict()


def card(
    data: str, text: str = "# A model\n", evaluated: Any = (), config: Any = None, **options: Any
) -> dict[str, Any]:
    """The YAML of a card for the Hub."""
    config = {"model": {"cell": "gru"}, "training": {"data": data}} | (config or {})
    return yaml_of(card_for_hub(text, MODEL, config, "me/model", evaluated, language=None, license=None, **options))


def test_files_and_folders_are_no_data_sets_of_the_hub():
    for data in ("data/reviews.csv", "data/reviews.csv.gz", "data/train.parquet", "texts/book.txt"):
        assert not is_of_hub(data)
        assert "datasets" not in card(data)
        assert name_of_data(data) == data.partition("/")[2]
    assert card("stanfordnlp/imdb:plain_text")["datasets"] == ["stanfordnlp/imdb"]
    assert "datasets" not in card("data/reviews", local_data=True)


def test_a_run_knows_that_its_data_are_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also where the folder is not seen from where it is pushed."""
    (tmp_path / "data/reviews").mkdir(parents=True)
    rows = "".join(f"a {label} film,{label}\n" for label in ("good", "bad") * 9)
    (tmp_path / "data/reviews/train.csv").write_text(f"text,label\n{rows}")
    monkeypatch.chdir(tmp_path)
    trained("sentiment", tmp_path / "run", data="data/reviews", **TINY)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cards = []
    monkeypatch.setattr(push, "upload", lambda folder, *_, **__: cards.append((folder / "README.md").read_text()))
    push_folder(tmp_path / "run", "me/model", SentimentNetwork.from_pretrained)
    assert "datasets" not in yaml_of(cards[0])


def test_an_int8_model_does_not_have_the_figures_of_the_float32_one():
    figures = {"data": "x.csv", "split": "test", "accuracy": 0.5}
    of_float32 = card_for_hub("# A model\n", MODEL, {"model": {}}, "me/model", [figures], language="en", license=None)
    assert yaml_of(of_float32)["metrics"] == ["accuracy"]
    yaml = card("x.csv", of_float32, config={"quantization": "int8"})
    assert not {"metrics", "model-index"} & yaml.keys()
    assert yaml["language"] == "en"
    yaml = card("x.csv", of_float32, [figures | {"accuracy": 0.4}], {"quantization": "int8"})
    assert yaml["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.4
    assert "model-index" in card("x.csv", of_float32)


def test_what_the_hub_refuses_is_said():
    answer: Any = OSError("Bad Request")
    answer.response = Namespace(status_code=400)
    error = ValueError('Invalid metadata in README.md.\n- "license" must be one of [mit]')  # of `HfApi.create_commit`
    error.__cause__ = answer
    begin = "me/a cannot be pushed:"
    with pytest.raises(UserError) as caught, said_in_one_line(begin, HubName("me/a", None), pushed=True):
        raise error
    assert str(caught.value) == (
        'me/a cannot be pushed: the Hub refuses it (Invalid metadata in README.md. - "license" must be one of [mit]); '
        "correct license, language or the YAML at the top of README.md"
    )
