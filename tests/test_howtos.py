"""The how-tos do what they say: their Python blocks run, and the files that the documents name exist."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from rnnnlp.exchange.onnx_graph import NUMPY
from rnnnlp.kernels import CELLS

ROOT = Path(__file__).parents[1]
HOWTOS = sorted((ROOT / "docs" / "howto").glob("*.md"))
DOCUMENTS = [
    *map(ROOT.joinpath, ("README.md", "README.zh-TW.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
WITHOUT_BLOCKS = {
    "add-a-task": "its code is that of a whole folder; `tests/tasks/test_new_task.py` has such a folder and trains it",
    "serve": "it has commands; `tests/server/` tests the server, `tests/test_guide.py` that the options exist",
    "spark-dask-datasets": "it needs Java and three packages; `scripts/run_in_workers.py` runs it",
}


def python_blocks(path):
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before = text.count("\n", 0, match.start(1))
        yield compile("\n" * before + match[1], str(path), "exec")  # so that an error names the line of the document


def run_blocks(path: Path) -> dict[str, Any]:
    """Runs the Python blocks of a page, one after the other; returns the names that they define."""
    before = dict(CELLS)
    namespace = {"__name__": "howto"}
    try:
        for block in python_blocks(path):
            exec(block, namespace)
    finally:
        CELLS.clear()
        CELLS.update(before)
    return namespace


@pytest.mark.parametrize("path", HOWTOS, ids=lambda path: path.stem)
def test_blocks_run(path):
    assert bool(list(python_blocks(path))) != (path.stem in WITHOUT_BLOCKS)
    run_blocks(path)


def test_the_command_of_its_page_prints_tokens(capsys):
    command = run_blocks(ROOT / "docs" / "howto" / "add-a-command.md")
    model = ROOT / "tests" / "fixtures" / "0.1-charlm" / "run"
    assert command["run"](Namespace(run_folder=str(model), first=3)) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["0", "1", "2"]


def test_the_page_of_cells_lists_the_functions_of_an_export():
    page = (ROOT / "docs" / "howto" / "add-a-cell.md").read_text(encoding="utf-8")
    lines = re.search(r"use these functions of NumPy only.*?:\n\n(.*?)\n\n", page, re.DOTALL)
    names = {function.__name__.replace("absolute", "abs") for function in NUMPY}
    assert lines is not None
    assert lines[1].split() == sorted(names)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, heading = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), f"{path.name} links to {target}, which does not exist"
        if heading:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {anchor(h) for h in headings}, f"{path.name} links to {target}: there is no such heading"


def anchor(heading):
    """The anchor of a heading as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
