"""The documentation does what it says: its Python blocks run, and the lines that it quotes are in the code."""

import inspect
import re
from pathlib import Path

import pytest

from rnnnlp.kernels import CELLS, definition

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "backpropagation.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def python_blocks():
    """Each Python block, as the test's parameter named by its line."""
    for match in re.finditer(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        before = TEXT.count("\n", 0, match.start(1))  # lines above the block
        yield pytest.param(before, match[1], id=f"line {before + 1}")


def quoted_lines():
    """`(path, code)` of each piece of code in the last column of the tables headed "line of `path`"."""
    path = None
    for line in TEXT.splitlines():
        cells = line.strip("|").split("|")
        if not line.startswith("|"):
            path = None
        elif header := re.search(r"line of `([^`]+)`", cells[-1]):
            path = header[1]
        elif path:
            yield from ((path, code) for code in re.findall(r"`([^`]+)`", cells[-1]))


@pytest.mark.parametrize(("before", "code"), list(python_blocks()))
def test_block_runs(before, code):
    assert "assert " in code, "a block checks what it claims"
    padded = "\n" * before + code  # so that an error names the line of the document
    exec(compile(padded, str(DOCUMENT), "exec"), {"__name__": "documentation"})


@pytest.mark.parametrize("path", sorted({path for path, _ in quoted_lines()}))
def test_quoted_lines_are_in_the_code(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    missing = [code for file, code in quoted_lines() if file == path and code not in source]
    assert not missing, f"{DOCUMENT.name} quotes lines that are not in {path}; quote those that are there now"


def equations(function):
    """The lines of a step that compute something: no signature, comment, return, nor unpacking of arguments."""
    for line in inspect.getsource(function).splitlines()[1:]:
        code = line.split("  #")[0].strip()
        if not code.startswith(("#", '"', "return")) and not re.search(r"= (d?state|saved|extra)\b", code):
            yield code


@pytest.mark.parametrize("cell", CELLS)
def test_every_equation_of_a_cell_is_quoted(cell):
    spec = CELLS[cell]
    assert inspect.getmodule(spec.step) is definition
    lines = [*equations(spec.step), *equations(spec.step_backward)]
    assert len(lines) >= 4
    missing = [code for code in lines if f"    {code}\n" not in TEXT and f"`{code}`" not in TEXT]
    assert not missing, f"{DOCUMENT.name} must quote each line of {cell} in definition.py"


def test_linked_files_exist():
    links = re.findall(r"`\]\(([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (DOCUMENT.parent / link).exists()] == []
