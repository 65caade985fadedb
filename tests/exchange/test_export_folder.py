"""The folder of an export: what is replaced in it, and what stays, also after a process was killed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rnnnlp import folders
from rnnnlp.errors import UserError
from rnnnlp.exchange.onnx_check import Difference
from rnnnlp.exchange.onnx_export import Content, write_export
from rnnnlp.exchange.web_export import FILES, LIBRARIES, library_files
from rnnnlp.folders import NEXT
from rnnnlp.training.export import refuse_source
from rnnnlp.training.folder_lock import FolderLock
from tests.exchange.made import classifier

GRAPH = {"model.onnx", "model.json", "README.md"}
PAGE = {"index.html", "page.js", "rnnnlp.js", "vendor"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(out: str | Path, *, page: bool = False, overwrite: bool = False, text: str = "ours") -> None:
    def finish(new: Path) -> None:
        if page:
            (new / "vendor").mkdir()
            (new / "vendor" / "LIBRARIES.txt").write_text(text)

    description = {"kind": "classifier", "made_with": "rnnnlp"}
    others = dict.fromkeys({"README.md"} | (PAGE - {"vendor"} if page else set()), text.encode())
    content = Content(text.encode(), description, {}, Difference(0.0, 1.0, 1))
    options: dict[str, Any] = {"folders": ("vendor",), "finish": finish} if page else {}
    write_export("run", out, content, others, overwrite=overwrite, **options)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("lists_files", [True, False], ids=["now", "of an earlier version"])
def test_files_of_the_user_stay_whatever_their_names_are(lists_files: bool, home: Path):
    out = home / "site"
    export(out)
    (out / "index.html").write_text("my page")
    (out / "vendor").mkdir()
    (out / "vendor" / "mine.js").write_text("mine")
    if not lists_files:
        description = json.loads((out / "model.json").read_text())
        assert set(description.pop("files")) == GRAPH
        (out / "model.json").write_text(json.dumps(description))
    export(out, overwrite=True, text="newer")
    assert (out / "index.html").read_text() == "my page"
    assert (out / "vendor" / "mine.js").read_text() == "mine"
    assert (out / "model.onnx").read_text() == "newer"
    with pytest.raises(
        UserError, match=r"has a index\.html that is not of the export, so nothing there is replaced; move"
    ):
        export(out, page=True, overwrite=True)
    assert (out / "model.onnx").read_text() == "newer"


@pytest.mark.parametrize("lists_files", [True, False], ids=["now", "of an earlier version"])
def test_a_page_is_removed_by_an_export_without_one(lists_files: bool, home: Path):
    out = home / "site"
    export(out, page=True)
    description = json.loads((out / "model.json").read_text())
    assert set(description["files"]) == GRAPH | PAGE
    if not lists_files:
        del description["files"]
        (out / "model.json").write_text(json.dumps(description))
    export(out, overwrite=True)
    assert names_in(out) == GRAPH


def test_a_list_of_files_that_no_export_has_removes_nothing(home: Path):
    out = home / "site"
    export(out)
    description = json.loads((out / "model.json").read_text())
    (out / "thesis.txt").write_text("mine")
    (home / "letter.txt").write_text("mine")
    description["files"] = ["thesis.txt", "../letter.txt", ["README.md"], *GRAPH]
    (out / "model.json").write_text(json.dumps(description))
    export(out, overwrite=True)
    assert (out / "thesis.txt").exists()
    assert (home / "letter.txt").exists()


@pytest.mark.parametrize("begins", ["empty", "page"])
def test_an_export_that_was_killed_is_replaced_by_the_next(begins: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(Exception):
        pass

    def killed(*arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        real(*arguments)

    real = folders.replace
    for number in range(len(GRAPH)):
        left, out = number, home / f"site {number}"
        if begins == "page":
            export(out, page=True)
        with monkeypatch.context() as patch:
            patch.setattr(folders, "replace", killed)
            with pytest.raises(Killed):
                export(out, overwrite=True, text="killed")
        (out / "mine.txt").write_text("mine")
        with pytest.raises(UserError, match="already holds an export; give overwrite to replace it"):
            export(out)
        export(out, overwrite=True, text="newer")
        assert names_in(out) == GRAPH | {"mine.txt"}
        assert (out / "model.onnx").read_text() == "newer"


def test_a_folder_in_which_a_run_trains_is_left_alone(home: Path):
    (home / "training").mkdir()
    lock = FolderLock(home / "training")
    try:
        with pytest.raises(UserError, match=f"is in use: process {os.getpid()} trains in it"):
            export(home / "training", overwrite=True)
    finally:
        lock.release()


def test_a_model_whose_save_was_interrupted_is_not_replaced(home: Path):
    classifier().save_pretrained(home / "model" / NEXT)
    before = names_in(home / "model" / NEXT)
    with pytest.raises(UserError, match="is not empty and no export"):
        export(home / "model", overwrite=True)
    assert names_in(home / "model" / NEXT) == before


def test_a_home_folder_is_found_by_its_sign(home: Path):
    export("~/site")
    assert names_in(home / "site") == GRAPH
    assert not (home / "~").exists()
    (home / "file").write_text("")
    with pytest.raises(UserError, match="is a file; give the name of a new folder"):
        export("~/file")
    for out in ("~/run", "~"):
        with pytest.raises(UserError, match="is, or holds, the model that is exported"):
            refuse_source(home / "run", out)


def test_libraries_that_cannot_be_read_are_named(home: Path):
    for name in FILES:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    for content, cause in (
        (None, "No such file"),
        ("{", "Expecting"),
        ("[]", "no version"),
        ('{"version": 1}', "no ver"),
    ):
        for name in LIBRARIES if content else ():
            (home / name / "package.json").write_text(str(content))
        with pytest.raises(
            UserError, match=rf"package\.json cannot be read \(.*{cause}.*\); give libraries the node_modu"
        ):
            library_files(home)
