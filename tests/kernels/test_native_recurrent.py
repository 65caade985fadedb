"""The native kernels against NumPy in float64: cells, ragged batches, directions, odd sizes."""

# N tokens, T steps, B sequences, H hidden, G gates

import numpy as np
import pytest

from rnnnlp.kernels import CELLS
from rnnnlp.kernels import numpy as numpy_backend
from tests.kernels.native_or_skip import NATIVE_CELLS, each_isa, native

pytestmark = pytest.mark.usefixtures("native_as_before")


class Case:
    """Random inputs of one call, all biases and initial states included."""

    def __init__(self, cell: str, H: int, B: int, *, ragged: bool, reverse: bool, T: int = 7, seed: int = 0):
        rng = np.random.default_rng([seed, H, B, ragged, reverse, T])
        self.batch_sizes = np.full(T, B, np.int64)
        if ragged:
            self.batch_sizes = np.sort(rng.integers(1, B + 1, T))[::-1].astype(np.int64)
            self.batch_sizes[0] = B
        spec, N = CELLS[cell], int(self.batch_sizes.sum())
        self.cell, self.reverse = cell, reverse
        self.pre = random(rng, N, len(spec.gates) * H)
        self.W_h = random(rng, len(spec.gates) * H, H) / np.float32(np.sqrt(H))
        self.extra = tuple(random(rng, *shape) for shape in spec.extra_shapes(H))
        self.state = tuple(random(rng, B, H) for _ in spec.states)
        self.dstate_T = tuple(random(rng, B, H) for _ in spec.states)
        self.dh = random(rng, N, H)

    def run(self, kernel, dtype=np.float32) -> dict[str, np.ndarray]:
        def to(a):
            return a.astype(dtype)

        h, state_T, tape = kernel.forward(
            self.cell,
            to(self.pre),
            self.batch_sizes,
            tuple(map(to, self.state)),
            to(self.W_h),
            tuple(map(to, self.extra)),
            reverse=self.reverse,
        )
        dpre, dstate_0, dW_h, dextra = kernel.backward(to(self.dh), tuple(map(to, self.dstate_T)), tape)
        named = {"h": h, "dpre": dpre, "dW_h": dW_h} | {f"dextra[{k}]": a for k, a in enumerate(dextra)}
        named |= {f"state_T[{k}]": a for k, a in enumerate(state_T)} | {
            f"dstate_0[{k}]": a for k, a in enumerate(dstate_0)
        }
        return named


def random(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def assert_close(ours: dict[str, np.ndarray], true: dict[str, np.ndarray], *, tolerance: float = 1e-5) -> None:
    """Relative to the largest number of each array (at least 1, for sums that cancel)."""
    assert ours.keys() == true.keys()
    for name, a in true.items():
        assert ours[name].dtype == np.float32
        assert ours[name].shape == a.shape, name
        error = np.abs(ours[name] - a).max() / max(1, np.abs(a).max())
        assert error < tolerance, f"{name}: {error}"


@each_isa
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("B", [1, 5, 33])
@pytest.mark.parametrize("H", [1, 3, 17, 32, 130])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_agrees_with_numpy(cell, H, B, ragged, reverse, isa):
    native.use_instruction_set(isa)
    case = Case(cell, H, B, ragged=ragged, reverse=reverse)
    # Normalised, one unit is 1 or -1, and its gradient is what is left of two numbers that are up to eps^-0.5 as large.
    alone = H == 1 and native.cells()[cell]["schedule"] == "rowwise"
    assert_close(case.run(native), case.run(numpy_backend, np.float64), tolerance=3e-4 if alone else 1e-5)


@each_isa
@pytest.mark.parametrize("H", [8, 130])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_same_bits_from_any_number_of_threads(cell, H, isa):
    native.use_instruction_set(isa)
    case = Case(cell, H, 37, ragged=True, reverse=True)
    results = []
    for threads in (1, 2, 3, 5):
        native.set_threads(threads)
        results.append(case.run(native))
    for other in results[1:]:
        for name, a in results[0].items():
            assert np.array_equal(other[name], a), name


@each_isa
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("H", "B"), [(3, 1), (3, 5), (17, 1), (17, 5), (640, 9)])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_few_sequences_are_split_by_units(cell, H, B, reverse, isa):
    """Of fewer sequences than twice the threads, each thread computes some units."""
    native.use_instruction_set(isa)
    case = Case(cell, H, B, ragged=True, reverse=reverse, T=3)
    native.set_threads(5)
    many = case.run(native)
    native.set_threads(1)
    one = case.run(native)
    assert_close(many, case.run(numpy_backend, np.float64))
    assert all(np.array_equal(one[name], many[name]) for name in one)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("T", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_short_sequences(cell, T, ragged, reverse):
    case = Case(cell, 20, 3, ragged=ragged, reverse=reverse, T=T)
    assert_close(case.run(native), case.run(numpy_backend, np.float64))


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_saturated_gates_stay_finite(cell, isa):
    native.use_instruction_set(isa)
    case = Case(cell, 17, 5, ragged=False, reverse=False, T=1)
    case.pre *= 60
    assert_close(case.run(native), case.run(numpy_backend, np.float64))


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_not_a_number_is_not_hidden(cell, isa):
    native.use_instruction_set(isa)
    case = Case(cell, 17, 2, ragged=False, reverse=False, T=1)
    case.pre[1] = np.nan
    h = case.run(native)["h"]
    assert np.isnan(h[1]).all()
    assert np.isfinite(h[0]).all()


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_what_is_not_a_number_spreads_to_later_steps_and_errors_of_its_row_only(cell, isa):
    native.use_instruction_set(isa)
    case = Case(cell, 40, 3, ragged=False, reverse=False, T=4)
    case.pre[4, ::40] = np.nan  # row 1, step 1, unit 0 of each gate
    results = case.run(native)
    h = results["h"].reshape(4, 3, 40)
    assert np.isnan(h[1, 1, 0])
    assert np.isnan(h[2:, 1]).all()
    assert np.isfinite(np.delete(h, 1, axis=1)).all()
    dpre = results["dpre"].reshape(4, 3, -1)
    assert cell == "elman_relu" or np.isnan(dpre[:, 1]).any(axis=-1).all()  # NaN > 0 is false: no error passes a relu
    assert np.isfinite(np.delete(dpre, 1, axis=1)).all()


@each_isa
def test_a_weight_that_is_not_a_number_is_not_hidden(isa):
    native.use_instruction_set(isa)
    case = Case("lstm", 17, 2, ragged=False, reverse=False, T=2)
    case.W_h[3, 5] = np.nan
    results = case.run(native)
    assert np.isnan(results["h"]).any()
    assert np.isnan(results["dstate_0[0]"]).any()


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_initial_states_larger_than_a_step_makes(cell, isa):
    native.use_instruction_set(isa)
    case = Case(cell, 40, 4, ragged=True, reverse=True)
    for row, size in enumerate((0, 1e-12, 1, 20)):
        case.state[0][row] *= np.float32(size)
    assert_close(case.run(native), case.run(numpy_backend, np.float64))


@each_isa
@pytest.mark.parametrize("size", [1e-2, 1e-6, 1e-12])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_states_of_any_size(cell, size, isa):
    """The state of each sequence is as exact as its own largest entry allows, however small it is."""
    native.use_instruction_set(isa)
    case = Case(cell, 40, 5, ragged=True, reverse=False)
    case.pre *= np.float32(size)
    case.state = tuple(s * np.float32(size) for s in case.state)
    case.extra = tuple(e * np.float32(size) for e in case.extra)
    ours, true = case.run(native), case.run(numpy_backend, np.float64)
    for name in ("h", "state_T[0]"):
        largest = np.abs(true[name]).max(axis=1, keepdims=True)
        assert (np.abs(ours[name] - true[name]) <= 1e-5 * largest).all(), name


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_errors_of_any_size(cell, isa):
    """The gradient of each sequence is as exact as its own largest entry allows, however small it is."""
    native.use_instruction_set(isa)
    case = Case(cell, 40, 6, ragged=False, reverse=False)
    sizes = np.array([0, 1e-25, 1e-12, 1e-3, 1, 1e10], np.float32)
    case.dh *= np.tile(sizes, 7)[:, None]
    case.dstate_T = tuple(s * sizes[:, None] for s in case.dstate_T)
    ours, true = case.run(native), case.run(numpy_backend, np.float64)
    for name in (n for n in true if n.startswith("dstate_0")):
        largest = np.abs(true[name]).max(axis=1)
        assert (np.abs(ours[name] - true[name]).max(axis=1) <= 1e-5 * largest).all(), name


@each_isa
def test_a_state_kept_for_long_stays(isa):
    """A GRU whose update gate is 1 keeps its state: roundings do not add up."""
    native.use_instruction_set(isa)
    case = Case("gru", 20, 3, ragged=False, reverse=False, T=400)
    case.pre[:, 20:40] = 40.0  # z = 1
    case.pre[:, 40:] = -40.0  # n = -1
    case.W_h[20:40] = 0
    case.state[0][:] = np.float32(1.0)
    h = case.run(native)["h"]
    assert np.abs(h - 1).max() < 1e-3


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_rows_of_a_table_stand_for_pre(cell):
    case = Case(cell, 33, 4, ragged=True, reverse=False)
    rng = np.random.default_rng(1)
    table = random(rng, 9, case.pre.shape[1])
    tokens = rng.integers(0, 9, len(case.pre))
    case.pre = table[tokens]
    args = (case.batch_sizes, case.state, case.W_h, case.extra)
    gathered, _, _ = native.forward(cell, case.pre, *args)
    looked_up, _, _ = native.forward(cell, table, *args, row_index=tokens)
    assert np.array_equal(gathered, looked_up)
    with pytest.raises(ValueError, match="row_index has 9; expected 0 to 8"):
        native.forward(cell, table, *args, row_index=np.full_like(tokens, 9))


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_inference_gives_the_same_and_keeps_nothing(cell):
    case = Case(cell, 33, 4, ragged=True, reverse=True)
    args = (cell, case.pre, case.batch_sizes, case.state, case.W_h, case.extra)
    h, state_T, _ = native.forward(*args, reverse=True)
    h_only, state_only, tape = native.forward(*args, reverse=True, keep_tape=False)
    assert tape is None
    assert np.array_equal(h, h_only)
    assert all(np.array_equal(a, b) for a, b in zip(state_T, state_only, strict=True))


def test_inputs_stay():
    case = Case("lstm", 17, 5, ragged=True, reverse=False)
    before = {name: np.copy(a) for name, a in vars(case).items() if isinstance(a, np.ndarray)}
    case.run(native)
    for name, a in before.items():
        assert np.array_equal(getattr(case, name), a), name


def test_the_extension_takes_missing_errors_as_zeros():
    from rnnnlp.kernels.native import _native

    case = Case("lstm", 17, 5, ragged=True, reverse=False)
    _, _, tape = native.forward("lstm", case.pre, case.batch_sizes, case.state, case.W_h)
    kept = (tape.h, tape.saved, tape.batch_sizes, tape.state, tape.W_h, tape.extra, tape.reverse, False)
    zeros = np.zeros_like(case.dh), [np.zeros_like(s) for s in case.state]
    first, second = _native.backward("lstm", *zeros, *kept), _native.backward("lstm", None, [None, None], *kept)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[2], second[2])


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_in_place_gives_the_same(cell):
    case = Case(cell, 19, 6, ragged=True, reverse=True)
    kept = case.run(native)
    h, _, tape = native.forward(
        cell, case.pre, case.batch_sizes, case.state, case.W_h, case.extra, reverse=True, overwrite=True
    )
    dpre, _, dW_h, _ = native.backward(case.dh, case.dstate_T, tape, overwrite=True)
    assert np.array_equal(h, kept["h"])
    assert np.array_equal(dpre, kept["dpre"])
    assert np.array_equal(dW_h, kept["dW_h"])
    if tape.saved:
        assert np.shares_memory(dpre, case.pre)


@pytest.mark.parametrize("kernel", [native, numpy_backend])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_outputs_and_errors_may_be_columns_of_a_wider_array(cell, kernel):
    H = 21
    case = Case(cell, H, 6, ragged=True, reverse=True)
    kept = case.run(kernel)
    args = (cell, case.pre, case.batch_sizes, case.state, case.W_h, case.extra)
    wide = np.zeros((len(case.pre), 3 * H), np.float32)
    h, _, tape = kernel.forward(*args, reverse=True, out=wide[:, H : 2 * H])
    assert np.shares_memory(h, wide)
    assert np.array_equal(wide, np.pad(kept["h"], ((0, 0), (H, H))))
    dh = np.concatenate([np.full_like(case.dh, np.nan), case.dh], axis=1)[:, H:]
    dpre, _, dW_h, _ = kernel.backward(dh, case.dstate_T, tape)
    assert np.array_equal(dpre, kept["dpre"])
    assert np.array_equal(dW_h, kept["dW_h"])


def test_memory_does_not_grow_from_step_to_step():
    from rnnnlp.kernels.native import _native

    cases = [Case("lstm", 64, 16, ragged=True, reverse=False, T=40, seed=seed) for seed in range(4)]
    sizes = []
    for _ in range(3):
        for case in cases:
            case.run(native)
        sizes.append(_native.used_bytes() + _native.kept_bytes())
    assert sizes[1] == sizes[2]


def test_cells_state_the_facts_of_cells_py():
    for name, facts in native.cells().items():
        cell = CELLS[name]
        assert facts["gates"] == len(cell.gates), name
        assert facts["states"] == len(cell.states), name
        for H in (1, 7):
            shapes = [(extra, (a * H + b,)) for extra, a, b in facts["extra"]]
            assert shapes == [(extra.name, extra.shape(H)) for extra in cell.extra], name


def test_missing_arrays_and_unknown_cells_are_refused():
    case = Case("lstm", 8, 3, ragged=False, reverse=False)
    with pytest.raises(ValueError, match="1 arrays of the state; cell lstm has 2"):
        native.forward("lstm", case.pre, case.batch_sizes, case.state[:1], case.W_h)
    with pytest.raises(ValueError, match="1 arrays of extra parameters; cell lstm has 0"):
        native.forward("lstm", case.pre, case.batch_sizes, case.state, case.W_h, (case.state[0][0],))
    with pytest.raises(ValueError, match="cell is no-such-cell; it must be one of lstm, lstm_rms_norm, gru"):
        native.forward("no-such-cell", case.pre, case.batch_sizes, case.state, case.W_h)
    gru = Case("gru", 8, 3, ragged=False, reverse=False)
    args = (gru.pre, gru.batch_sizes, gru.state, gru.W_h)
    with pytest.raises(ValueError, match="0 arrays of extra parameters; cell gru has 1"):
        native.forward("gru", *args)
    with pytest.raises(ValueError, match=r"b_hn is \(7,\); expected \(8,\)"):
        native.forward("gru", *args, (gru.extra[0][:7],))
    with pytest.raises(TypeError):
        native.forward("gru", *args, (gru.extra[0].astype(np.float64),))
    _, _, tape = native.forward("gru", *args, gru.extra)
    with pytest.raises(ValueError, match="1 arrays of the tape; cell gru has 2"):
        native.backward(gru.dh, gru.dstate_T, tape._replace(saved=tape.saved[:1]))
    with pytest.raises(ValueError, match="2 arrays of the gradient of the final state; cell gru has 1"):
        native.backward(gru.dh, gru.dstate_T * 2, tape)


def test_wrong_inputs_are_refused():
    case = Case("lstm", 8, 3, ragged=False, reverse=False)
    args = (case.batch_sizes, case.state, case.W_h)
    with pytest.raises(ValueError, match=r"pre is \(20, 32\); expected \(21, 32\)"):
        native.forward("lstm", case.pre[:-1], *args)
    with pytest.raises(TypeError):
        native.forward("lstm", case.pre.astype(np.float64), *args)
    with pytest.raises(ValueError, match=r"out is \(20, 8\); expected \(21, 8\)"):
        native.forward("lstm", case.pre, *args, out=np.empty((20, 8), np.float32))
    with pytest.raises(TypeError, match="the rows of out must be contiguous and apart"):
        native.forward("lstm", case.pre, *args, out=np.empty((21, 16), np.float32)[:, ::2])
    with pytest.raises(ValueError, match="batch_sizes"):
        native.forward("lstm", case.pre, case.batch_sizes[::-1] - np.arange(7), case.state, case.W_h)
    with pytest.raises(ValueError, match="instruction set mmx cannot run here"):
        native.use_instruction_set("mmx")


@each_isa
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_an_error_that_is_not_a_number_is_not_hidden(cell, isa):
    native.use_instruction_set(isa)
    case = Case(cell, 17, 2, ragged=False, reverse=False, T=1)
    case.pre[:] = -1.0  # where a relu passes nothing
    case.dh[1] = np.nan
    dpre = case.run(native)["dpre"]
    assert np.isnan(dpre[1]).any()
    assert np.isfinite(dpre[0]).all()
