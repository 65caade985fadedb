"""scripts/compare_installations.py: equal runs are equal, one bit is a difference, and renamed tensors are compared."""

import json
import sys

import numpy as np
import pytest
from compare_installations import BACKENDS, CELLS, TASKS, differences, main, read_metrics, read_tensors
from safetensors.numpy import save_file

from rnnnlp import kernels


def a_run(folder, **tensors):
    (folder / "checkpoints").mkdir(parents=True)
    save_file(tensors, folder / "checkpoints" / "training_state.safetensors")
    return folder


def test_an_installation_is_equal_to_itself(tmp_path, capsys):
    words = [sys.executable, sys.executable, "--steps", "10", "--keep", str(tmp_path)]
    assert main([*words, "--only", "^sentiment-ngrams gru numpy"]) == 0
    printed = capsys.readouterr().out
    assert "1 of 1 are equal" in printed
    assert "numpy" in printed
    tensors = read_tensors(tmp_path / "old-sentiment-ngrams-gru-numpy")
    assert "model.safetensors ngrams.log_count_ratio" in tensors
    line = json.loads((tmp_path / "old-sentiment-ngrams-gru-numpy/metrics.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 10


def test_a_run_that_fails_is_a_difference(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(TASKS, "charlm", (f"{TASKS['charlm'][0]} --no-such-option 1", CELLS))
    assert main([sys.executable, sys.executable, "--only", "^charlm lstm numpy"]) == 1
    printed = capsys.readouterr().out
    assert "old failed: " in printed
    assert "--no-such-option" in printed
    assert "0 of 1 are equal" in printed


def test_an_installation_that_cannot_run_is_no_success(tmp_path, capsys):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(SystemExit) as stop:
        main([str(broken), sys.executable, "--steps", "1"])
    assert stop.value.code == 2
    assert "cannot run rnnnlp; give the Python of an environment that has it" in capsys.readouterr().err


def test_tensors_have_their_new_names(tmp_path):
    old = a_run(tmp_path / "old", **{"weights.votes.table": np.ones(2), "votes.ratio": np.zeros(2)})
    new = a_run(tmp_path / "new", **{"weights.ngrams.table": np.ones(2), "ngrams.log_count_ratio": np.zeros(2)})
    assert len(read_tensors(old)) == 2
    assert differences(read_tensors(old), read_tensors(new)) == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (np.array([1, np.nextafter(np.float32(2), np.float32(3))], np.float32), "x: differs by 2.38e-07"),
        (np.array([1, 2], np.float64), "x: float32 (2,) and float64 (2,)"),
        (np.array([1, 2, 3], np.float32), "x: float32 (2,) and float32 (3,)"),
    ],
)
def test_one_bit_is_a_difference(other, said):
    (found,) = differences({"x": np.array([1, 2], np.float32)}, {"x": other})
    assert found == said


def test_a_name_in_one_only_is_a_difference():
    assert differences({"a": np.ones(1)}, {"b": np.ones(1)}) == ["only in old: a", "only in new: b"]
    assert differences({}, {}) == ["nothing to compare"]


def test_metrics_are_figures_without_time(tmp_path):
    lines = [
        {"step": 10, "seconds": 0.5, "loss": 1.25},
        {"step": 20, "seconds": 1, "validation": {"loss": 2, "x": "y"}},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_metrics(tmp_path) == {
        "metrics.jsonl line 1 step": 10,
        "metrics.jsonl line 1 loss": 1.25,
        "metrics.jsonl line 2 step": 20,
        "metrics.jsonl line 2 validation loss": 2,
    }


def test_every_cell_and_backend_is_compared(capsys):
    assert set(CELLS) == set(kernels.CELLS)
    assert main(["old", "new", "--list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert {f"charlm {cell} {backend}" for cell in CELLS for backend in BACKENDS} <= set(rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "no such"], "--only is no such, which is in no row"),
        (["--only", "("], "--only is (, which is not a regular expression"),
        ([], "nowhere is not a file"),
    ],
)
def test_mistakes(words, message, capsys):
    with pytest.raises(SystemExit) as error:
        main(["nowhere", sys.executable, *words])
    assert error.value.code == 2
    assert message in capsys.readouterr().err
