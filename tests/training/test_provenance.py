"""Models and checkpoints say with what they were made, and a resume with anything else says so."""

import json
from pathlib import Path

import numpy as np
import pytest

import rnnnlp
from rnnnlp import kernels
from rnnnlp.cli.main import main
from rnnnlp.training.model_folder import read_config
from rnnnlp.training.provenance import difference
from rnnnlp.training.run_folder import RunFolder, read_state

TINY = "--hidden-size 4 --batch-size 2 --bptt 8 --evaluations 1 --backend numpy".split()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("To be, or not to be, that is the question.\n" * 20)
    words = ["--data", str(tmp_path / "text.txt"), "--out", str(tmp_path / "run"), "--steps", "2", *TINY]
    assert main(["train", "charlm", *words]) == 0
    return tmp_path / "run"


def test_a_run_says_with_what_it_was_made(run: Path):
    expected = {"rnnnlp": rnnnlp.__version__, "numpy": np.__version__, "backend": "numpy"}
    assert read_config(run)["made_with"] == expected
    assert read_state(RunFolder(run).latest_checkpoint()).made_with == expected


def test_a_native_run_says_its_instruction_set():
    native = pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)
    with kernels.running("native"):
        assert kernels.description() == {"backend": "native", "instruction_set": native.instruction_set()}


def test_a_resume_with_the_same_says_nothing(run: Path, capsys: pytest.CaptureFixture):
    assert main(["train", "charlm", "--resume", str(run), "--steps", "3"]) == 0
    assert "the bits may differ" not in capsys.readouterr().err


def test_a_resume_with_another_version_says_so(run: Path, capsys: pytest.CaptureFixture, monkeypatch):
    monkeypatch.setattr("rnnnlp.training.provenance.__version__", "99")
    assert main(["train", "charlm", "--resume", str(run), "--steps", "3"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "the bits may differ" in line]
    assert f"resumes with rnnnlp 99 (then {rnnnlp.__version__}): the bits may differ" in line


def test_what_an_earlier_version_wrote_says_nothing():
    assert difference({}, {"rnnnlp": "1"}) == ""
    native = {"rnnnlp": "1", "backend": "native", "instruction_set": "avx2"}
    assert difference(native, {"rnnnlp": "1", "backend": "numpy"}) == (
        "backend numpy (then native), instruction set none (then avx2)"
    )


@pytest.mark.parametrize("words", [["evaluate", "{run}"], ["train", "charlm", "--resume", "{run}", "--steps", "3"]])
def test_the_data_of_a_folder_are_named_before_they_are_read(
    words: list[str], run: Path, capsys: pytest.CaptureFixture
):
    capsys.readouterr()
    assert main([word.format(run=run) for word in words]) == 0
    said = capsys.readouterr().err
    data = run.parent / "text.txt"
    named = said.index(f"{run}: reading the data of the training: {data} ({data})")
    if words[0] == "train":
        assert named < said.index("to train on")


def test_data_that_a_folder_names_are_named_even_if_they_cannot_be_read(run: Path, capsys: pytest.CaptureFixture):
    config = json.loads((run / "config.json").read_text())
    config["training"]["data"] = "/etc/hostname"
    from safetensors.numpy import load_file

    from rnnnlp.tensors import save_tensors

    tensors = load_file(run / "model.safetensors")
    (run / "config.json").write_text(json.dumps(config))
    save_tensors(run / "model.safetensors", tensors, beside=("config.json", "tokenizer.json"))
    capsys.readouterr()
    main(["evaluate", str(run)])
    assert "reading the data of the training: /etc/hostname" in capsys.readouterr().err
