"""Fixtures of the kernels."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def native_as_before() -> Iterator[None]:
    """Afterwards the native kernels have the instruction set and the threads of before."""
    from rnnnlp.kernels import native

    isa, threads = native.instruction_set(), native.threads()
    yield
    native.use_instruction_set(isa)
    native.set_threads(threads)
