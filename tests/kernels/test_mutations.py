"""Each well-known mistake of hand-written recurrences, made on purpose in a copy of the source, must be noticed.

A mistake is a replacement of text inside one function: of a cell's definition, of the time loop, or of a layer. The
check is the one that proves the real code. If that text is no longer in the function exactly once, the test fails: move
the mistake along.
"""

import ast
import dataclasses
import inspect
from types import ModuleType
from typing import NamedTuple

import pytest

from rnnnlp.kernels import CELLS, definition
from rnnnlp.kernels.numpy import time_loop
from rnnnlp.layers import parameter, recurrent
from tests.recurrences import RAGGED, check_kernel, check_recurrent, loop_kernel

VALUES, GRADIENTS = "Not equal to tolerance", "relative error|loss does not depend on"  # why the check fails


class Mistake(NamedTuple):
    name: str
    place: str  # the function, "Class.method" for one of a class
    replacements: tuple[tuple[str, str], ...]
    reason: str = GRADIENTS
    cells: tuple[str, ...] = tuple(CELLS)


def of_cell(cell, name, *replacements):
    """A mistake in the backward step of a cell's definition."""
    return Mistake(name, f"{cell}_step_backward", replacements, cells=(cell,))


def in_forward(cell, name, *replacements):
    """A mistake in the step itself: the backward step then is that of another function."""
    return Mistake(name, f"{cell}_step", replacements, cells=(cell,))


def of_loop(function, name, *replacements):
    return Mistake(name, function, replacements, VALUES if function == "forward" else GRADIENTS)


def of_layer(place, name, *replacements, reason=GRADIENTS, cells=tuple(CELLS)):
    return Mistake(name, place, replacements, reason, cells)


SINGLE = ("elman_tanh", "elman_relu")  # no gates: dW_h = da.T @ h_before, and h is saved

CELL_MISTAKES = [
    *(of_cell(cell, "use h_t for h_{t-1}", ("da.T @ h_before", "da.T @ h")) for cell in SINGLE),
    *(of_cell(cell, "start gradients from the parameters", ("da.T @", "W_h + da.T @")) for cell in (*SINGLE, "lstm")),
    *(of_cell(cell, "cut the gradient at each step", ("dh_before = da @", "dh_before = 0 * da @")) for cell in SINGLE),
    of_cell("elman_tanh", "forget the slope of tanh", ("dh * (1 - h * h)", "dh")),
    of_cell("elman_relu", "forget the slope of relu", ("dh * (h > 0)", "dh")),
    of_cell("lstm", "drop dc from step to step", ("dc_before = dc * f", "dc_before = 0 * f")),
    of_cell("lstm", "drop dc of the next step", ("dc = dc + dh", "dc = dh")),
    of_cell("lstm", "drop dc of the output", ("dc = dc + dh * o", "dc = dc + 0 * o")),
    of_cell("lstm", "use c_t for c_{t-1}", ("dc * c_before", "dc * c")),
    of_cell("lstm", "use h_t for h_{t-1}", ("da.T @ h_before", "da.T @ (o * np.tanh(c))")),
    of_cell("lstm", "mix up two gates", ("[da_i, da_f,", "[da_f, da_i,")),
    of_cell("lstm_rms_norm", "drop dc from step to step", ("dc_before = dc * f", "dc_before = 0 * f")),
    of_cell("lstm_rms_norm", "drop dc of the next step", ("dc = dc + scale", "dc = scale")),
    of_cell("lstm_rms_norm", "use h_t for h_{t-1}", ("da.T @ h_before", "da.T @ (o * np.tanh(n))")),
    of_cell("lstm_rms_norm", "take the scale for a constant", (" - n * np.mean(dn * n, axis=1, keepdims=True)", "")),
    of_cell("lstm_rms_norm", "forget the scale", ("dc + scale * (dn", "dc + (dn")),
    of_cell("lstm_rms_norm", "average over the sequences", ("np.mean(dn * n, axis=1", "np.mean(dn * n, axis=0")),
    of_cell("lstm_rms_norm", "add up and do not average", ("np.mean(dn * n", "np.sum(dn * n")),
    of_cell("lstm_rms_norm", "normalise the gate of the output too", ("da_o = dh", "da_o = scale * dh")),
    in_forward("lstm_rms_norm", "take the scale for a constant", ("c * c, axis=1", "0 * c + 1, axis=1")),
    in_forward("lstm_rms_norm", "pass the normalised c on", ("return (h, c)", "return (h, n)")),
    of_cell("gru", "drop the gradient that passes by the gates", (" + dh * z", "")),
    of_cell("gru", "use h_t for h_{t-1}", ("dh * (h_before - n)", "dh * z * (h_before - n)")),
    of_cell("gru", "start gradients from the parameters", ("dp.T @", "W_h + dp.T @")),
    of_cell("gru", "forget the reset in dp", ("[da_r, da_z, da_hn]", "[da_r, da_z, da_n]")),
    of_cell("gru", "forget the gate bias", ("da_hn.sum(axis=0)", "0 * da_hn.sum(axis=0)")),
    of_cell("gru", "bias before the reset", ("db_hn = da_hn.sum", "db_hn = da_n.sum")),
    in_forward("gru", "forget the gate bias", ("p_n + b_hn", "p_n")),
    of_cell("gru_reset_first", "forget that r is of h too", (" + dgated_h * r", "")),
    of_cell("gru_reset_first", "drop the gradient that passes by z", (" + dh * z", "")),
    of_cell("gru_reset_first", "use h_t for h_{t-1}", ("dh * (h_before - n)", "dh * z * (h_before - n)")),
    of_cell("gru_reset_first", "use h_t for h_{t-1}", ("da_r.T @ h_before", "da_r.T @ (n + z * (h_before - n))")),
    of_cell("gru_reset_first", "use h_before for gated_h", ("da_n.T @ gated_h", "da_n.T @ h_before")),
    of_cell("gru_reset_first", "reset after the product", ("dgated_h = da_n @ W_n", "dgated_h = (da_n * r) @ W_n")),
    in_forward("gru_reset_first", "forget the reset", ("gated_h @ W_n.T", "h_before @ W_n.T")),
]

EVERY_STEP, EVERY_STEP_BACK = "in time_steps(batch_sizes, reverse):", "zip(time_steps(batch_sizes, not reverse)"
MADE, LOOP = "np.empty((len(dh)", "    for (rows, B_t)"

LOOP_MISTAKES = [
    of_loop(
        "forward",
        "skip t = 0",
        ("np.empty(", "np.zeros("),
        (EVERY_STEP, "in list(time_steps(batch_sizes, reverse))[1:]:"),
    ),
    of_loop("forward", "use the first state at every step", ("for s in running)", "for s in state)")),
    of_loop(
        "forward",
        "let a row that has ended lose its state",
        ("    return h, running", "    running[0][batch_sizes[-1] :] = 0\n    return h, running"),
    ),
    of_loop(
        "forward",
        "ignore that rows have ended and take the wrong ones",
        ("(s[:B_t].copy()", "(s[len(s) - B_t :].copy()"),
    ),
    of_loop("forward", "start from another state", ("(s.copy() for s in state)", "(s + 1 for s in state)")),
    of_loop(
        "backward",
        "skip t = 0",
        (MADE, MADE.replace("empty", "zeros")),
        (EVERY_STEP_BACK, "zip(list(time_steps(batch_sizes, not reverse))[:-1]"),
        ("strict=True):\n        dstate", "strict=False):\n        dstate"),
    ),
    of_loop(
        "backward",
        "skip the last step",
        (MADE, MADE.replace("empty", "zeros")),
        (EVERY_STEP_BACK, "zip(list(time_steps(batch_sizes, not reverse))[1:]"),
        ("reversed(saved)", "saved[-2::-1]"),
    ),
    of_loop("backward", "start gradients from the parameters", ("np.zeros_like(W_h)", "W_h.copy()")),
    of_loop("backward", "forget the gradient of the final state", ("(d.copy() for d in dst", "(0 * d for d in dst")),
    of_loop("backward", "forget what the next step did", ("(d[:B_t].copy()", "(0 * d[:B_t]")),
    of_loop("backward", "forget what the output did", ("dstate[0][...] += dh[rows]", "pass")),
    of_loop("backward", "keep the last step's dW_h alone", ("dW_h += dW_h_t", "dW_h = dW_h_t")),
    of_loop(
        "backward",
        "ignore that a row has ended: its final state has no gradient",
        (LOOP, f"    running[0][batch_sizes[-1] :] = 0\n{LOOP}"),
    ),
    of_loop(
        "backward",
        "ignore that a row has ended: gradients of all rows are replaced",
        ("        dstate = tuple(", "        running[0][B_t:] = 0\n        dstate = tuple("),
    ),
    of_loop(
        "backward",
        "ignore that a row has ended: take the wrong rows",
        ("            d[:B_t] = new", "            d[len(d) - B_t :] = new"),
    ),
    of_loop("backward", "forget the extra parameters", ("            total += d", "            pass"))._replace(
        cells=tuple(name for name, cell in CELLS.items() if cell.extra)
    ),
]

LAYER_MISTAKES = [
    of_layer("Direction.project", "forget the gate bias", (", weights.bias)", ")"), reason=VALUES),
    of_layer("Direction.backward", "forget the gate bias", ("self.b_x.add(db)", "pass")),
    of_layer("Direction.backward", "forget the gate bias", ("self.b_h.add(db)", "pass")),
    of_layer(
        "Direction.weights",
        "forget one of the biases",
        ("self.b_x.value + self.b_h.value", "+self.b_x.value"),
        reason=VALUES,
    ),
    of_layer(
        "Direction.backward",
        "start gradients from the parameters",
        ("self.W_h.add(", "self.W_h.add(self.W_h.value + "),
    ),
    of_layer("Direction.backward", "forget the hidden bias", ("] += gradient", "] += 0"), cells=("gru",)),
    of_layer("Direction.backward", "count the hidden bias twice", ("] = 0  # its", "] += 0  # its"), cells=("gru",)),
    of_layer("Recurrent.backward", "forget the gradient of the final state", ("dstate_T or ", "")),
    of_layer("Recurrent.backward", "mix up the layers' states", ("index = -1 - len(starts)", "index = len(starts)")),
    of_layer("Direction.forward", "always read forward", ("reverse=self.reverse", "reverse=False"), reason=VALUES),
]

PARAMETER_MISTAKE = of_layer(
    "Parameter.__init__", "start gradients from the parameters", ("np.zeros(value.shape, value.dtype)", "value.copy()")
)


def copy_of(module, mistake=None):
    """A throw-away copy of `module`, with the mistake in it."""
    source = inspect.getsource(module)
    if mistake is not None:
        function = source_of(source, mistake.place)
        changed = function
        for old, new in mistake.replacements:
            assert changed.count(old) == 1, f"{mistake.place} has {old!r} {changed.count(old)} times"
            changed = changed.replace(old, new)
        source = source.replace(function, changed)
    copy = ModuleType(f"copy of {module.__name__}")
    exec(compile(source, copy.__name__, "exec"), copy.__dict__)
    return copy


def source_of(source, place):
    """The text of the function or method `place`."""
    scope = ast.parse(source)
    for name in place.split("."):
        (scope,) = (node for node in ast.iter_child_nodes(scope) if getattr(node, "name", None) == name)
    lines = source.splitlines(keepends=True)
    return "".join(lines[scope.lineno - 1 : scope.end_lineno])


def cell_of(name, module):
    """The cell with the steps of a copy of the definition."""
    cell = CELLS[name]
    steps = {field: getattr(module, getattr(cell, field).__name__) for field in ("step", "step_backward")}
    return dataclasses.replace(cell, **steps)


def each(mistakes):
    """Every mistake with every cell that can make it."""
    return [
        pytest.param(m, cell, id=f"{cell}-{m.place}-{m.name}".replace(" ", "_")) for m in mistakes for cell in m.cells
    ]


def noticed(mistake):
    """The check must fail, and for the mistake's reason."""
    return pytest.raises(AssertionError, match=mistake.reason)


directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@directions
@pytest.mark.parametrize("cell", CELLS)
def test_unchanged_copies_of_definition_and_loop_pass(cell, reverse):
    cell = cell_of(cell, copy_of(definition))
    check_kernel(loop_kernel(cell, copy_of(time_loop)), cell, RAGGED[5], reverse=reverse)


def test_each_cell_has_mistakes_of_its_own():
    assert {cell for mistake in CELL_MISTAKES for cell in mistake.cells} == set(CELLS)


@directions
@pytest.mark.parametrize(("mistake", "cell"), each(CELL_MISTAKES))
def test_mistake_in_a_definition_is_noticed(mistake, cell, reverse):
    cell = cell_of(cell, copy_of(definition, mistake))
    with noticed(mistake):
        check_kernel(loop_kernel(cell), cell, RAGGED[5], reverse=reverse)


@directions
@pytest.mark.parametrize(("mistake", "cell"), each(LOOP_MISTAKES))
def test_mistake_in_the_time_loop_is_noticed(mistake, cell, reverse):
    with noticed(mistake):
        check_kernel(loop_kernel(CELLS[cell], copy_of(time_loop, mistake)), CELLS[cell], RAGGED[5], reverse=reverse)


@pytest.mark.parametrize("cell", CELLS)
def test_unchanged_copy_of_the_layers_passes(cell):
    check_recurrent(copy_of(recurrent).Recurrent, cell, RAGGED[5], num_layers=2)


@pytest.mark.parametrize(("mistake", "cell"), each(LAYER_MISTAKES))
def test_mistake_in_a_layer_is_noticed(mistake, cell):
    layers = copy_of(recurrent, mistake)
    with noticed(mistake):
        check_recurrent(layers.Recurrent, cell, RAGGED[5], num_layers=2)


@pytest.mark.parametrize(("mistake", "cell"), each([PARAMETER_MISTAKE]))
def test_mistake_in_the_parameters_is_noticed(mistake, cell):
    layers = copy_of(recurrent)
    layers.uniform = copy_of(parameter, mistake).uniform
    with noticed(mistake):
        check_recurrent(layers.Recurrent, cell, RAGGED[5])
