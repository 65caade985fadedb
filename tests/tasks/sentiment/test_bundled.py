"""The models that are bundled, as they are in this checkout, and which of them reads a text."""

import json

import pytest

from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.bundled import BundledModel, bundled_models, model_folder, models_for
from rnnnlp.tasks.sentiment.ensemble import load_predictor

MOST, MOST_IN_ALL = 8e6, 14e6  # bytes


def test_what_is_bundled():
    models = bundled_models()
    if not models:
        pytest.skip("no model is bundled yet")
    assert sum(model.bytes for model in models.values()) <= MOST_IN_ALL
    for name, model in models.items():
        assert load_predictor(name).labels == model.labels
        assert model.bytes == sum(path.stat().st_size for path in model.folder.iterdir()) <= MOST
        assert "training" not in json.loads((model.folder / "config.json").read_bytes())  # it has paths of a computer
        assert f"# {name}\n" in (model.folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def _two_models(tmp_path, monkeypatch):
    rest = {"labels": ["negative", "positive"], "use": "trying", "bytes": 1, "figures": {}, "version": "1", "date": "-"}
    entries = [
        {"name": "en", "language": "English", "scripts": ["latin"], **rest},
        {"name": "zh", "language": "Chinese", "scripts": ["han"], **rest},
        {"name": "gone", "language": "Greek", "scripts": ["greek"], **rest},
    ]
    models = tmp_path / "data" / "models"
    for name in ("en", "zh"):
        (models / name).mkdir(parents=True)
    (models / "index.json").write_text(json.dumps(entries), encoding="utf-8")
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", tmp_path / "rnnnlp")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_two_models")
def test_a_model_whose_folder_is_missing_is_not_bundled():
    assert list(bundled_models()) == ["en", "zh"]
    assert all(isinstance(model, BundledModel) for model in bundled_models().values())


@pytest.mark.usefixtures("_two_models")
def test_where_a_model_is(tmp_path):
    assert model_folder("en") == tmp_path / "data" / "models" / "en"
    assert str(model_folder("my/runs/en")) == "my/runs/en"  # a path is not a name
    with pytest.raises(UserError, match="fr is not a folder, and no bundled model has that name"):
        model_folder("fr")
    (tmp_path / "en").mkdir()
    assert str(model_folder("en")) == "en"


@pytest.mark.usefixtures("_two_models")
def test_which_model_reads_a_text():
    assert models_for(["a film", "很好", None, "10/10", "gut"]) == ["en", "zh", "en", "en", "en"]
    assert models_for([]) == []
    with pytest.raises(UserError, match="the text is written in Greek script, which no bundled model knows"):
        models_for(["καλή ταινία"])
    with pytest.raises(UserError, match="no letters"):
        models_for([None, "!!!"])
    assert models_for(["10/10", "!!!"], usual="zh") == ["zh", "zh"]
    assert models_for(["10/10", "gut"], usual="zh") == ["en", "en"]
