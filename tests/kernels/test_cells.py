"""The list of cells: the only one, and right about each."""

import ast
from pathlib import Path

import numpy as np
import pytest

import rnnnlp
from rnnnlp import kernels
from rnnnlp.kernels import CELLS
from rnnnlp.layers.recurrent import Direction

PACKAGE = Path(rnnnlp.__file__).parent
TABLES = {  # files with a dict by cell: of the fast versions, and of the names that others give to the same cells
    "kernels/numpy/recurrent.py",
    "exchange/onnx_recurrent.py",
    "exchange/torch_names.py",
}
cells = pytest.mark.parametrize("cell", CELLS)


@cells
def test_an_entry_is_right_about_its_steps(cell):
    spec, B, D, H = CELLS[cell], 2, 3, 4
    assert spec.name == cell
    assert spec.paper
    assert spec.states[0] == "h"
    rng = np.random.default_rng(0)
    state, extra = spec.zero_state((B, H), np.dtype(float)), tuple(rng.normal(size=s) for s in spec.extra_shapes(H))
    pre, W_h = rng.normal(size=(B, len(spec.gates) * H)), rng.normal(size=(len(spec.gates) * H, H))
    after, saved = spec.step(pre, state, W_h, extra)
    dpre, dbefore, dW_h, dextra = spec.step_backward(after, saved, W_h, extra)
    for arrays, gradients in (((pre, W_h), (dpre, dW_h)), (state, after), (state, dbefore), (extra, dextra)):
        assert [a.shape for a in arrays] == [g.shape for g in gradients]
    direction = Direction(cell, D, H, reverse=False, weight_drop=0.0, dtype=np.dtype(float), rng=rng)
    shapes = {name: parameter.value.shape for name, parameter in direction.parameters().items()}
    assert shapes == spec.parameter_shapes(D, H)
    assert spec.num_parameters(D, H) == sum(p.value.size for p in direction.parameters().values())


def test_native_kernels_have_no_cell_that_is_not_in_the_list():
    native = pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)
    assert set(native.cells()) <= set(CELLS)
    assert set(kernels.of(np.empty(0)).cells()) == set(CELLS)


def nodes_that_name_cells(source):
    """Comparisons, containers and cases of `match` with the name of a cell in them."""
    kinds = ast.Compare | ast.Tuple | ast.List | ast.Set | ast.Dict | ast.MatchValue
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds) and any(
            isinstance(part, ast.Constant) and part.value in CELLS for part in ast.iter_child_nodes(node)
        ):
            yield node


@pytest.mark.parametrize(
    "source",
    [
        'cell == "gru"',
        'cell in ("gru", "no-such-cell")',
        '["gru"]',
        '{"gru"}',
        '{"gru": 1}',
        '{1: "gru"}',
        'match cell:\n    case "no-such-cell" | "gru":\n        pass',
    ],
)
def test_a_list_of_cells_in_any_form_is_found(source):
    assert len(list(nodes_that_name_cells(source))) == 1
    assert not list(nodes_that_name_cells(source.replace("gru", "no-such-cell")))


def test_no_other_file_lists_cells_or_asks_which_one_it_is():
    """In Python, but for defaults such as `cell: str = "lstm"`, and for the tables in `TABLES`."""
    found, tables = [], set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        for node in nodes_that_name_cells(path.read_text(encoding="utf-8")):
            if isinstance(node, ast.Dict) and place in TABLES:
                tables.add(place)
            else:
                found.append(f"{place}:{node.lineno}")
    assert not found
    assert tables == TABLES
