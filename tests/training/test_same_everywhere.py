"""The same seed, data and options give the same bits: with 1 and 2 threads, in a fresh process, from Python.

With the NumPy backend the number of threads must be the same too: a BLAS may add in another order with another number
of threads.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnnlp import kernels
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.text.builtin import SAMPLE_REVIEWS, sample_folder
from rnnnlp.training.run_folder import RunFolder, read_state
from tests.conftest import PATIENCE
from tests.runs import trained, trained_on

STEPS = 12
SMALL: dict[str, Any] = {"hidden_size": 33, "embedding_size": 20, "steps": STEPS, "evaluations": 2, "seed": 3}
TASKS: dict[str, dict[str, Any]] = {"charlm": {"batch_size": 16, "bptt": 40}, "sentiment": {"batch_size": 64}}
Data = dict[str, Path]


@pytest.fixture
def native() -> None:
    try:
        kernels.use("native")
    except UserError:
        pytest.skip("needs the native kernels")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    text = tmp_path_factory.mktemp("data") / "text.txt"
    text.write_text("".join(f"line {i} of a text, as long as {i * i} grains of sand.\n" for i in range(400)))
    return {"charlm": text, "sentiment": sample_folder(SAMPLE_REVIEWS) / "train.jsonl"}


def words(kind: str, data: Data, folder: Path, **options: Any) -> list[str]:
    options = {"data": data[kind], "out": folder} | SMALL | TASKS[kind] | options
    pairs = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items())
    return ["train", kind, *(word for pair in pairs for word in pair)]


def trained_in_a_process(kind: str, data: Data, folder: Path, **options: Any) -> dict[str, bytes]:
    """The tensors of a run in a fresh process, whose environment leaves the threads alone."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-m", "rnnnlp.cli.main", *words(kind, data, folder, **options)]
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=PATIENCE)
    return tensors(folder)


def tensors(folder: Path) -> dict[str, bytes]:
    last = folder / f"checkpoints/step-{STEPS:08d}"
    files = (folder / "model.safetensors", last / "model.safetensors", last / "training_state.safetensors")
    return {f"{i} {name}": value.tobytes() for i, file in enumerate(files) for name, value in load_file(file).items()}


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("kind", list(TASKS))
def test_one_and_two_native_threads_give_the_same_bits(kind: str, data: Data, tmp_path: Path):
    one, two = (trained_in_a_process(kind, data, tmp_path / str(n), backend="native", threads=n) for n in (1, 2))
    assert one == two


@pytest.mark.parametrize("kind", list(TASKS))
def test_fresh_processes_with_as_many_threads_give_the_same_bits(kind: str, data: Data, tmp_path: Path):
    first, second = (
        trained_in_a_process(kind, data, tmp_path / name, backend="numpy", threads=2) for name in ("a", "b")
    )
    assert first == second


def test_one_and_two_threads_of_numpy_differ_by_rounding_only(data: Data, tmp_path: Path):
    """Whether they give the same bits depends on the BLAS that NumPy was built with, and on the processor."""
    for n in (1, 2):
        trained_in_a_process("charlm", data, tmp_path / str(n), backend="numpy", threads=n)
    one, two = (load_file(tmp_path / str(n) / f"checkpoints/step-{STEPS:08d}/model.safetensors") for n in (1, 2))
    assert one.keys() == two.keys()
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def test_python_gives_the_bits_of_the_command_for_a_language_model(data: Data, tmp_path: Path):
    assert main(words("charlm", data, tmp_path / "command", backend="numpy")) == 0
    trained("char_lm", tmp_path / "python", data=str(data["charlm"]), backend="numpy", **SMALL, **TASKS["charlm"])
    assert tensors(tmp_path / "python") == tensors(tmp_path / "command")


def test_python_gives_the_bits_of_the_command_for_a_classifier(data: Data, tmp_path: Path):
    assert main(words("sentiment", data, tmp_path / "command", backend="numpy")) == 0
    rows = [json.loads(line) for line in data["sentiment"].read_text(encoding="utf-8").splitlines()]
    texts, labels = ([row[name] for row in rows] for name in ("text", "label"))
    trained_on(texts, labels, tmp_path / "python", backend="numpy", **SMALL, **TASKS["sentiment"])
    assert tensors(tmp_path / "python") == tensors(tmp_path / "command")


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("kind", list(TASKS))
@pytest.mark.parametrize(("first", "then"), [("numpy", "native"), ("native", "numpy")])
def test_a_run_resumes_with_the_other_backend(
    kind: str, first: str, then: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ended = {}
    for second in (first, then):
        folder = tmp_path / second
        monkeypatch.setenv("RNNNLP_BACKEND", first)
        assert main(words(kind, data, folder, checkpoint_every=STEPS // 2, keep_checkpoints=9)) == 0
        for path in (folder / "checkpoints").iterdir():  # it was stopped half-way
            if int(path.name.removeprefix("step-")) > STEPS // 2:
                path.rename(tmp_path / f"{second}-{path.name}")
        monkeypatch.setenv("RNNNLP_BACKEND", second)
        assert main(["train", kind, "--resume", str(folder)]) == 0
        assert read_state(RunFolder(folder).latest_checkpoint()).made_with["backend"] == second
        ended[second] = load_file(folder / f"checkpoints/step-{STEPS:08d}/model.safetensors")
    assert ended[first].keys() == ended[then].keys()
    for name, value in ended[first].items():
        np.testing.assert_allclose(ended[then][name], value, rtol=1e-3, atol=1e-4, err_msg=name)
