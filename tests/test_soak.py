"""scripts/soak.py: a leak and a slowdown show, an even run is even, and a run that fails keeps its measurements."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

MIB = 1 << 20


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    path = Path(__file__).parents[1] / "scripts/soak.py"
    spec = importlib.util.spec_from_file_location("soak", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["soak"] = module
    spec.loader.exec_module(module)
    return module


def run(soak, *, growth=0.0, slowdown=0.0, machine=0.0):
    """1000 seconds at 50 steps a second, after 10 seconds of preparation with little memory.

    With `slowdown` only the run gets slower, with `machine` the new process too, which is there in 3 of 10 samples.
    """
    samples = [soak.Sample(0.0, 50 * MIB, 60 * MIB, 0)]
    new_step = 0
    for i in range(101):
        step = 10 + round(500 * (i - (slowdown + machine) * i * i / 200))
        new_step = new_step + round(500 * (1 - machine * i / 100)) if i % 10 in (5, 6, 7) else 0
        memory = round(100 * MIB * (1 + growth * i / 100))
        samples.append(soak.Sample(10.0 * (i + 1), memory, memory + 30 * MIB, step, new_step))
    return samples


def test_an_even_run_is_flat_and_its_table_has_its_speed_and_memory(soak):
    samples = run(soak)
    table = soak.tenths(samples)
    found = soak.figures(table, samples)
    assert len(table) == 10
    assert table[4] == pytest.approx((100 * MIB, 130 * MIB, 50.0, 1.0))
    assert found["memory_is_flat"]
    assert found["speed_is_even"]
    assert found["speed_beside_a_new_process_is_even"]
    assert found["spread_of_anonymous"] == 0.0
    assert "yes" in soak.report(table, found)
    assert "NO" not in soak.report(table, found)


def test_a_leak_shows(soak):
    samples = run(soak, growth=0.02)
    found = soak.figures(soak.tenths(samples), samples)
    assert not found["memory_is_flat"]
    assert found["spread_of_anonymous"] == pytest.approx(0.016, rel=0.1)  # eight tenths of 2 %


def test_a_slowdown_shows(soak):
    samples = run(soak, slowdown=0.1)
    found = soak.figures(soak.tenths(samples), samples)
    assert not found["speed_is_even"]
    assert not found["speed_beside_a_new_process_is_even"]
    assert found["spread_of_steps_per_second"] == pytest.approx(0.08, rel=0.15)


def test_a_machine_that_gets_slower_is_not_the_run(soak):
    samples = run(soak, machine=0.1)
    found = soak.figures(soak.tenths(samples), samples)
    assert not found["speed_is_even"]
    assert found["speed_beside_a_new_process_is_even"]


def test_too_short_a_run_is_refused(soak):
    with pytest.raises(ValueError, match="train for longer"):
        soak.tenths(run(soak)[:9])


def test_metrics_are_read_from_where_the_last_read_ended(soak, tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = soak.Metrics(path)
    metrics.update()
    assert metrics.step == 0
    path.write_text(json.dumps({"step": 10}) + "\n" + '{"step": 2')
    metrics.update()
    assert (metrics.step, metrics.lines, metrics.cut) == (10, 1, 1)
    with open(path, "a") as file:
        file.write("0}\n")
    metrics.update()
    assert (metrics.step, metrics.lines, metrics.cut) == (20, 2, 1)


def test_an_interrupted_soak_keeps_its_measurements(soak, tmp_path, monkeypatch, capsys):
    measured = iter(run(soak))

    def sample_or_interrupt(process, seconds, step, new_step):
        for sample in measured:
            return sample
        raise KeyboardInterrupt

    monkeypatch.setattr(soak, "sample", sample_or_interrupt)
    content = ended(soak, tmp_path, monkeypatch, "interrupted", ["--data", "shakespeare", "--every", "0"])
    assert len(content["samples"]) == len(run(soak))
    assert len(content["tenths"]) == 10
    assert content["figures"]["memory_is_flat"]
    assert "flat within 1%? yes" in capsys.readouterr().out


def test_a_training_that_fails_fails_the_soak(soak, tmp_path, monkeypatch):
    words = ["--data", str(tmp_path / "missing.txt"), "--every", "0.05"]
    content = ended(soak, tmp_path, monkeypatch, "the training ended with exit code 2", words)
    assert content["samples"]
    assert "figures" not in content


def test_a_budget_that_is_no_duration_is_told_in_one_line(soak, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["soak.py", "--data", "shakespeare", "--budget", "1hour"])
    assert soak.main() == 2
    assert "'1hour' is not a duration" in capsys.readouterr().err


def ended(soak, tmp_path, monkeypatch, trouble, words):
    """What the soak writes when it ends with an error that begins so."""
    path = tmp_path / "soak.json"
    monkeypatch.setattr(sys, "argv", ["soak.py", *words, "--json", str(path)])
    with pytest.raises(SystemExit, match=f"^{trouble}"):
        soak.main()
    content = json.loads(path.read_text())
    assert content["trouble"].startswith(trouble)
    return content
