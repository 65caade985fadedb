"""Folders whose model becomes one of another kind while the server runs."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from rnnnlp.server.catalogue import CLASSIFIER, LANGUAGE_MODEL, OTHER, Catalogue, UnknownModelError


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


def test_a_model_that_became_one_of_another_kind_since_the_last_look(runs: Path, tmp_path: Path):
    shutil.copytree(runs / "films", tmp_path / "model")
    catalogue = Catalogue([str(tmp_path / "model")])
    (entry,) = catalogue.entries()
    shutil.rmtree(tmp_path / "model")
    shutil.copytree(runs / "book", tmp_path / "model")
    with pytest.raises(UnknownModelError, match="the model 'model' is one of another kind now; try again"):
        asyncio.run(catalogue.opened(entry))
    assert [entry.kind for entry in catalogue.entries()] == [LANGUAGE_MODEL]
