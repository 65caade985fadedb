"""The notebooks: kept without outputs, quick to read, and runnable. The documentation site executes them."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 7


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path):
    """Outputs make a change unreadable, and go stale. The site shows those of today."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert notebook["cells"][0]["source"][0].startswith("# "), "its title"
    assert len(notebook["cells"]) < 30
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_python_and_quick(path: Path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    tree = ast.parse(code)
    assert "budget=" not in code, "it would take that long, and give other figures on each machine"
    trainings = {"fit", "CharLM", "SentimentClassifier"} & {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    assert not trainings or "threads" in code


def test_the_site_executes_the_notebooks():
    """So a notebook that fails stops `.ci/run`."""
    root = FOLDER.parent
    conf = (root / "docs" / "conf.py").read_text(encoding="utf-8")
    assert "nb_execution_raise_on_error = True" in conf
    assert 'nb_execution_mode = "force"' in conf
    checks = (root / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r'^(\w+=\S+ )*"\$bin/sphinx-build" -q -W --keep-going docs ', checks, re.MULTILINE)
    assert os.access(root / ".ci" / "run", os.X_OK)
