"""Each well-known mistake of hand-written recurrences, made on purpose in a copy of the source, must be noticed.

A mistake is a replacement of text inside one function, and the check is the one that proves the real code. Where the
code has changed so that the text is not there exactly once any more, these tests fail: move the mistake along.
"""

import ast
import inspect
from types import ModuleType
from typing import NamedTuple

import pytest

from rnnnlp.kernels import CELLS, reference
from rnnnlp.layers import parameter, recurrent
from tests.recurrences import RAGGED, check_kernel, check_recurrent

ELMAN = ("elman_tanh", "elman_relu")


class Mistake(NamedTuple):
    name: str
    cells: tuple[str, ...]
    place: str  # the function, "Class.method" for one of a class
    replacements: tuple[tuple[str, str], ...]


def mistake(name, cells, place, *replacements):
    return Mistake(name, (cells,) if isinstance(cells, str) else tuple(cells), place, replacements)


def forward_mistakes(cells, function, buffers):
    """Those of a forward walk; `buffers` is where its outputs are made."""
    return [
        mistake(
            "forward skips t = 0",
            cells,
            function,
            (buffers, buffers.replace("empty", "zeros")),
            ("in walk(batch_sizes, reverse):", "in list(walk(batch_sizes, reverse))[1:]:"),
        ),
        mistake(
            "forward lets a row that has ended lose its state",
            cells,
            function,
            ("    return h, (h_t", "    h_t[batch_sizes[-1]:] = 0\n    return h, (h_t"),
        ),
        mistake(
            "forward ignores that rows have ended and takes the wrong ones",
            cells,
            function,
            ("np.matmul(h_t[:B_t], W", "np.matmul(h_t[len(h_t) - B_t :], W"),
        ),
    ]


def backward_mistakes(cells, function, buffer, product):
    """Those that every backward pass can make; `buffer` is where its gradients are made, `product` that of dW_h."""
    walk = "in walk(batch_sizes, not reverse):"
    zeros = (buffer, buffer.replace("empty", "zeros"))
    ended = "    dh_t[batch_sizes[-1] :] = 0"
    return [
        mistake("skip t = 0", cells, function, zeros, (walk, "in list(walk(batch_sizes, not reverse))[:-1]:")),
        mistake("skip the last step", cells, function, zeros, (walk, "in list(walk(batch_sizes, not reverse))[1:]:")),
        mistake("use h_t for h_{t-1}", cells, function, (product, product.replace("h_before", "h"))),
        mistake("start gradients from the parameters", cells, function, (product, product.replace("= ", "= W_h + "))),
        mistake("forget the error of the final state", cells, function, ("dstate_T[0].copy()", "0 * dstate_T[0]")),
        mistake(
            "ignore that a row has ended: its final state has no error",
            cells,
            function,
            (f"    for rows, B_t {walk}", f"{ended}\n    for rows, B_t {walk}"),
        ),
        mistake(
            "ignore that a row has ended: errors of all rows are replaced",
            cells,
            function,
            (f"    for rows, B_t {walk}", f"    for rows, B_t {walk}\n        dh_t[B_t:] = 0"),
        ),
        mistake(
            "ignore that a row has ended: the step before had as many",
            cells,
            function,
            ("previous_rows(batch_sizes, reverse)", "slice(0, len(h))"),
        ),
    ]


KERNEL_MISTAKES = [
    *forward_mistakes(("lstm",), "lstm_forward", "np.empty((3, N, H), pre.dtype)"),
    *forward_mistakes(("gru",), "gru_forward", "np.empty((2, N, H), pre.dtype)"),
    *forward_mistakes(("gru_reset_first",), "gru_reset_first_forward", "np.empty((2, N, H), pre.dtype)"),
    *forward_mistakes(ELMAN, "elman_forward", "np.empty_like(pre)"),
    *backward_mistakes(("lstm",), "lstm_backward", "np.empty_like(gates)", "dW_h = da.T @ h_before"),
    *backward_mistakes(("gru",), "gru_backward", "dp = np.empty_like(gates)", "dW_h = dp.T @ h_before"),
    *backward_mistakes(
        ("gru_reset_first",),
        "gru_reset_first_backward",
        "da = np.empty_like(gates)",
        "dW_h = np.concatenate([da[:, : 2 * H].T @ h_before",
    ),
    *backward_mistakes(ELMAN, "elman_backward", "np.empty_like(h)", "dW_h = da.T @ h_before"),
    mistake("drop dc from step to step", "lstm", "lstm_backward", ("dc_ *= f", "dc_ *= 0")),
    mistake("drop dc of the final state", "lstm", "lstm_backward", ("dstate_T[1].copy()", "0 * dstate_T[1]")),
    mistake("drop dc of the output", "lstm", "lstm_backward", ("dc_ += np.mul", "np.mul")),
    mistake("use c_t for c_{t-1}", "lstm", "lstm_backward", ("dc_, c_before[rows]", "dc_, c[rows]")),
    mistake("drop the error that passes by the gates", "gru", "gru_backward", ("dh_ += x", "pass")),
    mistake("use h_t for h_{t-1} in z", "gru", "gru_backward", ("np.subtract(h_before[rows]", "np.subtract(h[rows]")),
    mistake("forget the gate bias", "gru", "gru_forward", ("np.add(p[:, 2 * H :], b_hn", "np.add(p[:, 2 * H :], 0")),
    mistake("forget the gate bias", "gru", "gru_backward", ("dp[:, 2 * H :].sum(axis=0)", "np.zeros(H)")),
    mistake("forget that r is of h too", "gru_reset_first", "gru_reset_first_backward", ("x += dkept", "pass")),
    mistake(
        "drop the error that passes by z", "gru_reset_first", "gru_reset_first_backward", ("dh_ += x", "dh_ += dkept")
    ),
    mistake("use h_before for kept", "gru_reset_first", "gru_reset_first_backward", (".T @ kept", ".T @ h_before")),
    mistake("bias before the reset", "gru", "gru_backward", ("dp[:, 2 * H :].sum", "dpre[:, 2 * H :].sum")),
]

LAYER_MISTAKES = [
    mistake("forget the gate bias", CELLS, "Direction.project", (", weights.bias)", ")")),
    mistake("forget the gate bias", CELLS, "Direction.backward", ("self.b_x.add(db)", "pass")),
    mistake("forget the gate bias", CELLS, "Direction.backward", ("self.b_h.add(db)", "pass")),
    mistake(
        "forget one of the biases", CELLS, "Direction.weights", ("self.b_x.value + self.b_h.value", "+self.b_x.value")
    ),
    mistake(
        "start gradients from the parameters", CELLS, "Direction.backward", ("W_h.add(", "W_h.add(self.W_h.value + ")
    ),
    mistake("forget the hidden bias", "gru", "Direction.backward", ("grad[self.candidate] += db_hn", "grad[:] += 0")),
    mistake("count the hidden bias twice", "gru", "Direction.backward", ("db[self.candidate] = 0", "pass")),
    mistake("forget the error of the final state", CELLS, "Recurrent.backward", ("dstate_T or ", "")),
    mistake(
        "mix up the layers' states", CELLS, "Recurrent.backward", ("place = -1 - len(starts)", "place = len(starts)")
    ),
    mistake("walk always forward", CELLS, "Direction.forward", ("reverse=self.reverse", "reverse=False")),
]

PARAMETER_MISTAKE = mistake(
    "start gradients from the parameters", CELLS, "Parameter.__init__", ("np.zeros_like(value)", "value.copy()")
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


def each(mistakes):
    """Every mistake with every cell that can make it."""
    return [
        pytest.param(m, cell, id=f"{cell}-{m.place}-{m.name}".replace(" ", "_")) for m in mistakes for cell in m.cells
    ]


def noticed(place):
    """The check must fail, and for this reason: wrong values of a forward pass, wrong gradients of a backward pass."""
    changes_values = place.endswith(("forward", ".weights", ".project"))
    reason = "Not equal to tolerance" if changes_values else "relative error"
    return pytest.raises(AssertionError, match=reason)


directions = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])


@directions
@pytest.mark.parametrize("cell", CELLS)
def test_unchanged_copy_of_the_kernels_passes(cell, reverse):
    check_kernel(copy_of(reference), cell, RAGGED[5], reverse=reverse)


@directions
@pytest.mark.parametrize(("mistake", "cell"), each(KERNEL_MISTAKES))
def test_mistake_in_a_kernel_is_noticed(mistake, cell, reverse):
    kernel = copy_of(reference, mistake)
    with noticed(mistake.place):
        check_kernel(kernel, cell, RAGGED[5], reverse=reverse)


@pytest.mark.parametrize("cell", CELLS)
def test_unchanged_copy_of_the_layers_passes(cell):
    check_recurrent(copy_of(recurrent).Recurrent, cell, RAGGED[5], num_layers=2)


@pytest.mark.parametrize(("mistake", "cell"), each(LAYER_MISTAKES))
def test_mistake_in_a_layer_is_noticed(mistake, cell):
    layers = copy_of(recurrent, mistake)
    with noticed(mistake.place):
        check_recurrent(layers.Recurrent, cell, RAGGED[5], num_layers=2)


@pytest.mark.parametrize(("mistake", "cell"), each([PARAMETER_MISTAKE]))
def test_mistake_in_the_parameters_is_noticed(mistake, cell):
    layers = copy_of(recurrent)
    layers.uniform = copy_of(parameter, mistake).uniform
    with noticed(mistake.place):
        check_recurrent(layers.Recurrent, cell, RAGGED[5])
