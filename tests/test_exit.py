"""The end of a process while daemon threads compute, as of web servers and notebooks."""

import subprocess
import sys

import pytest

from tests.conftest import PATIENCE

PROGRAM = """
import threading
from rnnnlp import CharLM, SentimentClassifier, kernels
from rnnnlp.training.loop import Trainer
kernels.use("{backend}")
texts, labels = ["a good film", "a bad film"] * 40, ["good", "bad"] * 40
small = dict(hidden_size=32, embedding_size=16, batch_size=16, evaluations=1, backend="{backend}")
model = SentimentClassifier(**small, steps=3).fit(texts, labels)
writer = CharLM(**small, bptt=8, steps=3).fit(texts)
predicted, written, trained = begun = [threading.Event() for _ in range(3)]
def predict():
    while True: model.predict_proba(texts); predicted.set()
def write():
    while True: writer.generate("a", length=500); written.set()
advance = Trainer.advance
def noted(*given): advance(*given); trained.set()
Trainer.advance = noted
def train(): SentimentClassifier(**small, steps=10**6).fit(texts, labels)
for work in (predict, write, train):
    threading.Thread(target=work, daemon=True).start()
for event in begun: assert event.wait(600)
print("the end", flush=True)
"""


@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("time", range(3))
def test_daemon_threads_do_no_harm_at_exit(backend: str, time: int):
    if backend == "native":
        pytest.importorskip("rnnnlp.kernels.native", reason="the native kernels are not built", exc_type=ImportError)
    program = PROGRAM.format(backend=backend)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
        assert done.stdout.endswith("the end\n")
        if "terminate called" not in done.stderr:  # else perhaps inside C++ code of NumPy itself, but seldom
            break
    if backend == "numpy" and "terminate called" in done.stderr:
        pytest.xfail("Python ended a daemon thread inside C++ code of NumPy itself")
    assert done.returncode == 0, done.stderr[-500:]
    assert "terminate called" not in done.stderr


# The native kernels are loaded after the callback was registered.
WAITING = """
import atexit, faulthandler, threading
import rnnnlp
faulthandler.dump_traceback_later(60, exit=True)
begun, over = threading.Event(), threading.Event()
def compute():
    import numpy as np
    from rnnnlp.kernels import native
    square = np.ones((100, 100), np.float32)
    while not over.is_set():
        native.matmul(square, square)
        begun.set()
thread = threading.Thread(target=compute, daemon=True)
def end():
    over.set()
    thread.join()
    print("the end", flush=True)
atexit.register(end)
thread.start()
begun.wait()
"""


def test_a_callback_at_exit_may_wait_for_a_daemon_thread_that_computes():
    pytest.importorskip("rnnnlp.kernels.native", reason="the native kernels are not built", exc_type=ImportError)
    done = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "the end\n"), done.stderr[-500:]
