"""Backend and threads belong to a run: those of other threads, and of the process after it, are their own."""

import csv
import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from threadpoolctl import threadpool_info, threadpool_limits

from rnnnlp import CharLM, SentimentClassifier, kernels
from rnnnlp.errors import UserError
from rnnnlp.threads import BLAS, Setting
from tests.runs import trained

SMALL: dict[str, Any] = {
    "hidden_size": 24,
    "embedding_size": 16,
    "evaluations": 1,
    "batch_size": 8,
    "seed": 3,
    "steps": 12,
}
FLOATS = np.empty(0, np.float32)


@pytest.fixture
def native() -> Any:
    return pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)


@pytest.fixture
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "available_processors", lambda: 2)
    monkeypatch.setattr(kernels, "_said", set())


def state_of_the_process() -> dict[str, Any]:
    found = {
        "backend": kernels.of(FLOATS).__name__,
        "blas": [pool["num_threads"] for pool in threadpool_info()],
        "environment": dict(os.environ),
        "fields": csv.field_size_limit(),
        "errors": np.geterr(),
        "random": np.random.get_state()[1].tolist(),  # noqa: NPY002 (it must not change)
    }
    if "rnnnlp.kernels.native" in sys.modules:
        found["native"] = sys.modules["rnnnlp.kernels.native"].threads()
    return found


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "book.txt"
    path.write_text("".join(f"line {i} of a text, as long as {i * i} grains of sand.\n" for i in range(200)))
    return path


def bits(folder: Path) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in load_file(folder / "model.safetensors").items()}


def train(book: Path, folder: Path, backend: str, **options: Any) -> dict[str, bytes]:
    trained("char_lm", folder, data=str(book), backend=backend, bptt=16, **SMALL | options)
    return bits(folder)


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(functions)) as pool:
        return [found.result() for found in [pool.submit(function) for function in functions]]


@pytest.mark.usefixtures("native", "_two_processors")
def test_a_run_leaves_the_process_as_it_was(book: Path, tmp_path: Path):
    with threadpool_limits(2):
        kernels.use("numpy", threads=2)
        before = state_of_the_process()
        for backend, threads in (("native", 1), ("numpy", 1)):
            train(book, tmp_path / f"{backend}-{threads}", backend, threads=threads)
            assert state_of_the_process() == before
        with pytest.raises(UserError, match="smaller bptt"):
            trained("char_lm", tmp_path / "none", data=str(book), backend="native", threads=1, bptt=10**7, **SMALL)
        assert state_of_the_process() == before


@pytest.mark.usefixtures("native", "_two_processors")
def test_runs_at_once_have_the_bits_of_runs_alone(book: Path, tmp_path: Path):
    runs = [("native", 1), ("numpy", 1), ("numpy", 2)]
    alone = [train(book, tmp_path / f"{b}{n}", b, threads=n) for b, n in runs]
    together = at_once(
        *(lambda b=b, n=n: train(book, tmp_path / f"{b}{n}-together", b, threads=n) for b, n in runs)  # type: ignore[misc]
    )
    assert together == alone


@pytest.mark.usefixtures("native")
def test_another_thread_may_change_the_backend_of_the_process(book: Path, tmp_path: Path):
    alone = train(book, tmp_path / "alone", "native", steps=40)
    over = threading.Event()

    def change() -> None:
        while not over.is_set():
            for backend in ("numpy", "native"):
                kernels.use(backend)
                kernels.of(FLOATS)

    def run() -> dict[str, bytes]:
        try:
            return train(book, tmp_path / "beside", "native", steps=40)
        finally:
            over.set()

    assert at_once(run, change)[0] == alone


@pytest.mark.usefixtures("native")
def test_an_estimator_uses_its_own_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    of = kernels.of
    monkeypatch.setattr(kernels, "of", lambda *given: seen.append(of(*given)) or seen[-1])
    texts, labels = ["a good film", "a bad film"] * 9, ["good", "bad"] * 9
    classifier = SentimentClassifier(steps=1, backend="native", threads=1, hidden_size=4, embedding_size=3)
    classifier.fit(texts, labels, out=tmp_path / "run")
    for use in (classifier.predict, classifier.predict_proba, classifier.explain):
        seen.clear()
        use(texts)
        assert {backend.__name__ for backend in seen} == {"rnnnlp.kernels.native"}
    assert kernels.of(FLOATS).__name__ == "rnnnlp.kernels.numpy"
    for opened in (SentimentClassifier.from_pretrained(tmp_path / "run"), pickle.loads(pickle.dumps(classifier))):
        seen.clear()
        opened.predict(texts)  # perhaps on a machine without them
        assert {backend.__name__ for backend in seen} == {"rnnnlp.kernels.numpy"}
        assert opened.get_params()["backend"] == "native"


@pytest.mark.usefixtures("native")
def test_generating_uses_the_backend_of_the_estimator(book: Path, monkeypatch: pytest.MonkeyPatch):
    model = CharLM(backend="native", bptt=8, **SMALL).fit(book)
    seen = []
    of = kernels.of
    monkeypatch.setattr(kernels, "of", lambda *given: seen.append(of(*given)) or seen[-1])
    model.generate("a", length=3, seed=1)
    assert {backend.__name__ for backend in seen} == {"rnnnlp.kernels.native"}


@pytest.mark.usefixtures("native")
def test_contexts_nest_and_differ_between_threads():
    with kernels.running("native") as shown:
        assert shown.startswith("native")
        with kernels.running("numpy"):
            assert kernels.of(FLOATS).__name__ == "rnnnlp.kernels.numpy"
            assert at_once(lambda: kernels.of(FLOATS).__name__) == ["rnnnlp.kernels.numpy"]  # that of the process
        assert kernels.of(FLOATS).__name__ == "rnnnlp.kernels.native"
    assert kernels.of(FLOATS).__name__ == "rnnnlp.kernels.numpy"


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


needs_blas = pytest.mark.skipif(not blas_threads(), reason="threadpoolctl knows no BLAS here: on macOS, not Accelerate")


@needs_blas
def test_each_call_of_the_blas_has_the_threads_of_its_run():
    with threadpool_limits(2):
        begun, other_began, ended = threading.Event(), threading.Event(), threading.Event()

        def one() -> set[int]:
            with BLAS.during(1):
                begun.set()
                other_began.wait(9)
                with BLAS:
                    found = blas_threads()
                ended.set()
                return found

        def two() -> set[int]:
            begun.wait(9)
            with BLAS.during(2):
                other_began.set()
                ended.wait(9)
                with BLAS:
                    return blas_threads()

        assert at_once(one, two) == [{1}, {2}]
        assert blas_threads() == {2}


def test_a_setting_is_restored_in_any_order_of_runs():
    values = ["before"]
    setting = Setting(lambda: values[-1], values.append)
    first, second = setting.during("first"), setting.during("second")
    first.__enter__()
    second.__enter__()
    setting.keep("kept")
    assert values[-1] == "second"
    first.__exit__(None, None, None)
    assert values[-1] == "second"
    second.__exit__(None, None, None)
    assert values[-1] == "kept"


def test_tables_at_once_leave_the_limit_of_csv(tmp_path: Path):
    from rnnnlp.text import load_labelled

    before = csv.field_size_limit()
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("text,label\n" + f'"{"x" * 200_000}",good\n"y",bad\n' * 5)
    found = at_once(*(lambda name=name: load_labelled(str(tmp_path / f"{name}.csv")) for name in "abab"))  # type: ignore[misc]
    assert len(found) == 4
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("module", ["rnnnlp.kernels.native._native", "libstdc"])
def test_a_library_that_cannot_be_loaded_is_named_with_its_error(
    module: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    class Finder:
        def find_spec(self, name: str, *given: Any) -> None:
            if name == "rnnnlp.kernels.native":
                if module.startswith("rnnnlp"):
                    raise ModuleNotFoundError(f"No module named {module!r}", name=module)
                raise ImportError("libstdc++.so.6: version `GLIBCXX_3.4.30' not found")

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "rnnnlp.kernels.native", raising=False)
    monkeypatch.delattr(kernels, "native", raising=False)
    monkeypatch.setattr(kernels, "_said", set())
    expected = "built without" if module.startswith("rnnnlp") else r"cannot be loaded \(libstdc\+\+.so.6: version"
    with pytest.raises(UserError, match=expected):
        kernels.use("native")
    monkeypatch.setenv("RNNNLP_BACKEND", "native")
    with pytest.raises(UserError, match=f"^RNNNLP_BACKEND is native, .*{expected}.*, or set it to auto$"):
        kernels.use("auto")
    monkeypatch.delenv("RNNNLP_BACKEND")
    with caplog.at_level(logging.INFO):
        assert kernels.use("auto") == "numpy"
    (said,) = caplog.messages
    assert ("were not built" if module.startswith("rnnnlp") else "cannot be loaded (libstdc++.so.6") in said


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", 2**63, 10**400, float("nan"), float("inf"), [], True])
@pytest.mark.parametrize("choose", [kernels.use, lambda **given: kernels.running(**given).__enter__()])
def test_numbers_of_threads_that_are_none(threads: Any, choose: Callable[..., Any]):
    with pytest.raises(UserError, match="threads is"):
        choose(backend="numpy", threads=threads)


@needs_blas
def test_a_number_of_threads_that_is_set_during_a_run_stays_after_it():
    with threadpool_limits(2):
        with kernels.running("numpy"):
            kernels.use("numpy", threads=1)
        assert blas_threads() == {1}


@needs_blas
def test_the_threads_of_a_run_are_not_those_of_another_one_beside_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with threadpool_limits(2), kernels.running("numpy", threads=1):
        assert set(BLAS.numbers()) == {2}
        with kernels.running("numpy"):
            assert blas_threads() == {1}
