"""The native matrix products against NumPy in float64."""

# M rows and N columns of the result, K terms of each sum

import os

import numpy as np
import pytest

from tests.kernels.native_or_skip import each_isa, native, random

pytestmark = pytest.mark.usefixtures("native_as_before")


@each_isa
@pytest.mark.parametrize("K", [1, 33, 300, 600])
@pytest.mark.parametrize("N", [1, 17, 65, 130])
@pytest.mark.parametrize("M", [1, 7, 65, 200])
def test_products(M, N, K, isa):
    native.use_instruction_set(isa)
    A, B, bias = random(M, K), random(K, N), random(N)
    true = A.astype(np.float64) @ B  # (M, N)
    A_T, B_T = np.ascontiguousarray(A.T), np.ascontiguousarray(B.T)
    results = []
    for threads in (1, 2, 5):
        native.set_threads(threads)
        sums = np.empty(M, np.float32)
        results.append(
            [
                native.matmul_nt(A, B_T, bias),
                native.matmul_nt(A, B_T),
                native.matmul(A, B),
                native.matmul_tn(A_T, B, sums=sums),
                sums,
            ]
        )
    for ours, expected in zip(results[0], [true + bias, true, true, true, A.sum(axis=1)], strict=True):
        assert np.abs(ours - expected).max() < 2e-6 * np.sqrt(K) * max(1, np.abs(true).max())
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(other, results[0], strict=True))


@pytest.mark.parametrize(("K", "M", "N"), [(0, 3, 4), (5, 3, 0), (5, 0, 4)])
def test_nothing_to_multiply(K, M, N):
    A, B, sums = random(K, M), random(K, N), np.full(M, np.nan, np.float32)
    np.testing.assert_array_equal(native.matmul_tn(A, B, sums=sums), np.zeros((M, N)))
    np.testing.assert_allclose(sums, A.sum(axis=0), rtol=1e-6)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"the second factor is \(3, 4\); expected \(5, 4\)"):
        native.matmul(random(2, 5), random(3, 4))
    with pytest.raises(TypeError):
        native.matmul(random(2, 3).astype(np.float64), random(3, 4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # that it has threads, which is the point
def test_a_forked_process_has_threads_of_its_own():
    native.set_threads(2)
    A = random(100, 100)
    expected = native.matmul(A, A)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(native.matmul(A, A), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads():
    native.set_threads(3)
    assert native.threads() == 3
    with pytest.raises(ValueError, match="threads is 0; it must be at least 1"):
        native.set_threads(0)
