"""A fork at any moment, also while other threads predict and train, neither hangs nor crashes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rnnnlp.training.opened_once import shared
from rnnnlp.training.run_folder import RunFolder
from tests.conftest import PATIENCE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
ROOT = Path(__file__).parents[1]

# Forks under load; each child predicts. A child that has not ended after ten minutes is taken for hung.
FORKS = """
import multiprocessing, os, signal, sys, threading, time, warnings
from rnnnlp import SentimentClassifier
backend, forks = sys.argv[1], int(sys.argv[2])
warnings.simplefilter("ignore")  # newer versions of Python warn of any fork of a process with threads
texts = [f"a good film {i}" for i in range(20)] + [f"a bad film {i}" for i in range(20)]
labels = ["good"] * 20 + ["bad"] * 20
options = dict(steps=4, hidden_size=48, embedding_size=32, batch_size=32, evaluations=1, backend=backend)
model = SentimentClassifier(**options).fit(texts, labels)
right = model.predict_proba(texts)
parallelism = os.environ.get("TOKENIZERS_PARALLELISM")

def predict(): model.predict_proba(texts)
def train(): SentimentClassifier(**options).fit(texts, labels)
def again(work):
    while True: work()
for work in (predict, predict, train):
    threading.Thread(target=again, args=(work,), daemon=True).start()

for _ in range(forks):
    child = os.fork()
    if child == 0:
        signal.alarm(600)
        os._exit(0 if abs(model.predict_proba(texts) - right).max() < 1e-5 else 3)
    status = os.waitpid(child, 0)[1]
    if status:
        print("hung" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM else f"ended with {status}")
        os._exit(1)
assert os.environ.get("TOKENIZERS_PARALLELISM") == parallelism
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map_async(model.predict_proba, [texts, texts]).get(600)
assert all(abs(p - right).max() < 1e-5 for p in found)
os._exit(0)
"""


def assert_forks(backend: str, forks: int, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS, backend, str(forks)],
        env={**os.environ, "OMP_NUM_THREADS": "2", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "forked" not in done.stderr  # the warning of the `tokenizers` library


def test_200_forks_while_threads_predict_and_train():
    pytest.importorskip("rnnnlp.kernels.native")
    assert_forks("native", 200)


def test_forks_with_the_numpy_backend():
    assert_forks("numpy", 10)


@pytest.mark.parametrize("given", ["true", "false"])
def test_forks_where_the_variable_of_the_tokenizers_is_set(given):
    assert_forks("auto", 3, TOKENIZERS_PARALLELISM=given)


def child_of(work) -> int:
    """The exit code of a child that does this work."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_hold_the_lock_of_a_run(tmp_path):
    with RunFolder.create(tmp_path / "run", overwrite=False) as run:
        assert child_of(lambda: run.__exit__()) == 0
        assert RunFolder(run.path).process() == os.getpid()
        begun, begins = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(begins, b".")
            signal.pause()
            os._exit(0)
        os.read(begun, 1)
    try:
        assert RunFolder(run.path).process() is None
        with RunFolder.create(tmp_path / "run", overwrite=False):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_wait_for_the_lock_of_a_progress_bar():
    from tqdm import tqdm

    held, done = threading.Event(), threading.Event()

    def hold():
        with tqdm.get_lock():
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        assert child_of(lambda: os._exit(0 if tqdm.get_lock().acquire(timeout=5) else 3)) == 0
    finally:
        done.set()
        holder.join()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_wait_for_a_thread_that_opens_a_shared_model():
    class Model:
        network_ = None

        def get_params(self) -> dict[str, object]:
            return {}

    opens, done = threading.Event(), threading.Event()

    def slowly(place: str) -> Model:
        opens.set()
        done.wait()
        return Model()

    def in_child() -> None:
        signal.alarm(60)  # ends a child that waits
        shared(Model, "another model", lambda place: Model())

    thread = threading.Thread(target=shared, args=(Model, "a model", slowly))
    thread.start()
    opens.wait()
    try:
        assert child_of(in_child) == 0
    finally:
        done.set()
        thread.join()


# As test runners and notebooks do that reload a package: what is imported again works, and so does a fork after it.
IMPORTED_AGAIN = """
import os, signal, sys
import numpy as np
signal.alarm(60)  # ends a process that waits
def multiply():
    from rnnnlp.kernels import native
    return native.matmul(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))
multiply()
for name in [name for name in sys.modules if name.partition(".")[0] == "rnnnlp"]:
    del sys.modules[name]
multiply()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if (multiply() == 2).all() else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_after_the_native_kernels_were_imported_again():
    pytest.importorskip("rnnnlp.kernels.native", reason="the native kernels are not built", exc_type=ImportError)
    done = subprocess.run([sys.executable, "-c", IMPORTED_AGAIN], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_no_module_is_missing_where_there_are_no_file_locks():
    """Everything can be imported without the modules that only Unix has."""
    code = """
import importlib, pkgutil, sys
of_unix = ("fcntl", "resource", "pwd", "grp", "termios")
for name in of_unix: sys.modules[name] = None
import rnnnlp
for found in pkgutil.walk_packages(rnnnlp.__path__, "rnnnlp."):
    if not found.name.startswith("rnnnlp.kernels.native"):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name in of_unix or error.name.startswith("rnnnlp"):
                raise  # others are of extras that are not installed
"""
    subprocess.run([sys.executable, "-c", code], check=True)
