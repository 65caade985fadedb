"""Where the bundled models are served, the script of each text chooses its model, as in `rnnnlp predict`."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rnnnlp.tasks.sentiment.ensemble import load_predictor
from tests.server.conftest import client_of

LATIN, CHINESE = ["a good film", "10/10", "a bad film"], "很好"


@pytest.fixture
def bundled(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A client of a server whose bundled models are `en` and `zh`."""
    rest = {"labels": [], "use": "trying", "bytes": 1, "figures": {}, "version": "1", "date": "-"}
    entries = [
        {"name": "en", "language": "English", "scripts": ["latin"], **rest},
        {"name": "zh", "language": "Chinese", "scripts": ["han"], **rest},
    ]
    models = tmp_path / "data" / "models"
    shutil.copytree(runs / "films", models / "en")
    shutil.copytree(runs / "odd", models / "zh")
    (models / "index.json").write_text(json.dumps(entries), encoding="utf-8")
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", tmp_path / "rnnnlp")
    monkeypatch.chdir(tmp_path)
    with client_of() as client:
        yield client


def test_each_text_has_the_model_of_its_script(bundled: TestClient, runs: Path):
    assert bundled.get("/v1/models").json()["by_script"]
    answer = bundled.post("/v1/predict", json={"texts": [LATIN[0], CHINESE, *LATIN[1:]]}).json()
    assert answer["model"] == "en, zh"
    labels = [prediction["label"] for prediction in answer["predictions"]]
    assert [labels[0], *labels[2:]] == load_predictor(runs / "films").predict(LATIN).tolist()
    assert labels[1] == load_predictor(runs / "odd").predict([CHINESE])[0]
    assert bundled.post("/v1/predict", json={"texts": LATIN}).json()["model"] == "en"
    assert bundled.post("/v1/predict", json={"texts": ["10/10", CHINESE]}).json()["model"] == "zh"
    assert bundled.post("/v1/predict", json={"texts": ["10/10"]}).json()["model"] == "en"


def test_a_text_in_another_script_is_refused_unless_a_model_is_named(bundled: TestClient):
    given = {"texts": [*LATIN, "Плохой фильм"]}
    response = bundled.post("/v1/predict", json=given)
    assert response.status_code == 422
    assert "1 of 4 texts are written in Cyrillic script, which no bundled model knows" in response.json()["error"]
    answer = bundled.post("/v1/predict", json={**given, "model": "zh"}).json()
    assert (answer["model"], len(answer["predictions"])) == ("zh", 4)


def test_the_first_of_given_models_answers(client: TestClient):
    assert not client.get("/v1/models").json()["by_script"]
    assert client.post("/v1/predict", json={"texts": ["Плохой фильм"]}).json()["model"] == "films"
