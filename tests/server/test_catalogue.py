"""Folders whose model becomes one of another kind while the server runs, and the names of models."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from rnnnlp.server.catalogue import CLASSIFIER, LANGUAGE_MODEL, OTHER, Catalogue, UnknownModelError
from tests.server.conftest import client_of


def test_a_folder_whose_model_becomes_one_of_another_kind(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    folder = tmp_path / "models/changing"
    shutil.copytree(runs / "book", folder)
    catalogue = Catalogue([str(tmp_path / "models")])
    config = json.loads((folder / "config.json").read_text())
    for model_type, kind in ((None, LANGUAGE_MODEL), ("unheard_of", OTHER), (config["model_type"], LANGUAGE_MODEL)):
        if model_type is not None:
            (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))
        assert [(entry.name, entry.kind) for entry in catalogue.entries()] == [("changing", kind)]
    shutil.copytree(runs / "films", folder, dirs_exist_ok=True)
    (entry,) = catalogue.entries()
    assert (entry.name, entry.kind, entry.labels) == ("changing", CLASSIFIER, ["bad", "good"])
    assert asyncio.run(catalogue.opened(entry)).labels == ("bad", "good")
    (folder / "config.json").write_text("{")  # half of a copy
    assert catalogue.entries()[0] is entry


def test_names_of_folders_that_are_not_utf_8(runs: Path, tmp_path: Path):
    for name in (b"films\xfe", b"films\xff"):
        try:
            shutil.copytree(runs / "films", tmp_path / "models" / os.fsdecode(name))
        except OSError:  # not on every file system
            pytest.skip("the file system has no such names")
    with client_of(str(tmp_path / "models")) as client:
        assert [model["name"] for model in client.get("/v1/models").json()["models"]] == ["films?", "models/films?"]
        for name in ("films?", "models/films?"):
            assert client.post("/v1/predict", json={"texts": ["good"], "model": name}).status_code == 200
        assert 'rnnnlp_texts_total{model="films?"} 1' in client.get("/metrics").text


def test_a_model_that_became_one_of_another_kind_since_the_last_look(runs: Path, tmp_path: Path):
    shutil.copytree(runs / "films", tmp_path / "model")
    catalogue = Catalogue([str(tmp_path / "model")])
    (entry,) = catalogue.entries()
    shutil.rmtree(tmp_path / "model")
    shutil.copytree(runs / "book", tmp_path / "model")
    with pytest.raises(UnknownModelError, match="the model 'model' is one of another kind now; try again"):
        asyncio.run(catalogue.opened(entry))
    assert [entry.kind for entry in catalogue.entries()] == [LANGUAGE_MODEL]
