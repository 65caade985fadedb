"""scripts/benchmark.py: the smallest case, and mistakes in one line. The figures themselves are not judged here."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnnlp.errors import UserError
from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "benchmark.py"


def run(*words, script=SCRIPT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, script, "--threads", "1", "--repeats", "1", "--seconds", "0", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("other", ["numpy", sys.executable], ids=["numpy", "installation"])
def test_smallest_case(other, tmp_path):
    done = run("--against", other, "--only", "lm lstm 32,64,128", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    assert "matrix-product peak" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    (case,) = figures["cases"]
    assert set(case) == {"name", "this", "other", "unit", "ratio", "peak_fraction"}
    assert (case["name"], case["unit"]) == ("lm lstm 32,64,128", "ms")
    assert case["ratio"] == pytest.approx(case["other"] / case["this"])
    assert case["peak_fraction"] > 0
    assert figures["geomean"] == pytest.approx(case["ratio"])
    assert figures["geomean_of_all"] == pytest.approx(case["ratio"])


def test_an_environment_without_rnnnlp_is_an_error_of_one_line(tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    done = run("--against", str(python), "--only", "lm lstm 32,64,128")
    assert done.returncode == 2
    assert str(sys.executable) in done.stderr
    assert done.stderr.count("\n") == 1


def test_unknown_case_is_an_error_of_one_line():
    done = run("--against", "numpy", "--only", "nothing of the kind")
    assert done.returncode == 2
    assert done.stderr.startswith("rnnnlp: error: --only is 'nothing of the kind'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "needs PyTorch: pip install torch"),
        (["--threads", "0"], "--threads is 0; it must be at least 1"),
        (["--against", "nothing"], "--against is nothing; it must be torch, numpy, or the Python"),
        (["--against", "numpy", "--json", "no/such/folder.json"], "there is no folder"),
    ],
)
def test_refused_before_anything_is_measured(words, message, monkeypatch):
    spec = importlib.util.spec_from_file_location("benchmark_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError) as error:
        script.check(script.parse(words))
    assert message in error.value.command_line


def test_a_cell_beside_the_lstm():
    done = run("--cell", "gru", "--sizes", "8", "--repeats", "1", script=SCRIPT.with_name("benchmark_cells.py"))
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [row[-5] for row in rows] == ["gru", "gru"]
    for row in rows:
        own, of_lstm, time = map(float, row[-3:])
        assert time == pytest.approx(own / of_lstm, rel=1e-2)
