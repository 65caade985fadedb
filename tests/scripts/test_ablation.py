"""scripts/ablation.py: every variant trains, the baseline is the library's own training, and the table."""

import json

import ablation
import numpy as np
import pytest
from variants.batches import FixedOffsets, NoStateReset
from variants.names import VARIANTS

from rnnnlp.tasks.char_lm.task import TASK
from rnnnlp.training.run import train

SMALL = {"embedding_size": 8, "hidden_size": 8, "batch_size": 4, "bptt": 8, "steps": 4, "evaluations": 1, "threads": 1}
WORDS = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    letters = np.random.default_rng(0).choice(list("abcde \n"), 3000)
    path.write_text("".join(letters), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains(name, text, tmp_path, capsys):
    figures = tmp_path / "figures.jsonl"
    assert ablation.main(["--data", text, "--variant", name, *WORDS, "--json", str(figures)]) == 0
    printed, logged = capsys.readouterr()
    assert logged.index("kernels: ") < logged.index("chosen or given: ")  # the speed is that of these kernels
    assert printed.startswith(f"{name} (")
    assert printed.count("\n") == 1
    (run,) = map(json.loads, figures.read_text().splitlines())
    assert run["steps"] == 4
    assert 0 < run["validation"] < 10
    assert 0 <= run["sequential_multiplications"] < run["multiplications"]
    assert "--json" not in run["command"]


def test_baseline_is_what_the_library_trains(text, tmp_path):
    figures = tmp_path / "figures.jsonl"
    ablation.main(["--data", text, *WORDS, "--seed", "3", "--json", str(figures)])
    options = {"data": text, "seed": 3, "cell": "lstm", "momentum": 0.9, "weight_decay": 0.0} | SMALL
    train(TASK, TASK.options_from(options), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    expected = [line["validation"]["nats_per_char"] for line in lines if "validation" in line]
    assert json.loads(figures.read_text())["validation"] == pytest.approx(min(expected), rel=1e-6)


def a_run(variant, validation, *, multiplications=100, **options):
    options = {"data": "a.txt", "steps": 9} | options
    words = " ".join(f"--{name} {value}" for name, value in options.items())
    figures = {"steps": 9, "step_seconds": 0.5, "validation": validation, "multiplications": multiplications}
    figures["sequential_multiplications"] = 50
    return {"variant": variant, "options": options, "command": f"go {words}"} | figures


def table_of(runs, tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(run) + "\n" for run in runs))
    assert ablation.main(["--table", str(path)]) == 0
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]


def test_table_averages_seeds_and_compares_with_the_baseline(tmp_path, capsys):
    runs = [a_run("baseline", 1.5, seed=0), a_run("baseline", 1.7, seed=1), a_run("sru", 1.5, multiplications=125)]
    sru, baseline = table_of(runs, tmp_path, capsys)
    assert sru[:5] == ["sru", "1.5000", "-0.1000", "9", "0.5000"]
    assert sru[5:] == ["1.25 x, 40% step after step", "`go --data a.txt --steps 9`"]
    assert baseline[:3] == ["baseline (2 seeds)", "1.6000", "+0.0000"]
    assert baseline[-1] == "`go --data a.txt --steps 9`"


def test_table_compares_runs_of_the_same_length_and_options(tmp_path, capsys):
    runs = [
        a_run("baseline", 2.0, steps=5),  # shorter
        a_run("baseline", 1.8, lr=1),
        a_run("baseline", 1.6, lr=2),
        a_run("gru", 1.5, lr=1),
        a_run("gru", 1.4, data="b.txt"),
    ]
    differences = {(cells[0], cells[1]): cells[2] for cells in table_of(runs, tmp_path, capsys)}
    assert differences["gru", "1.5000"] == "-0.3000"
    assert differences["gru", "1.4000"] == "–"
    assert differences["baseline", "2.0000"] == "+0.0000"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variant", "no such"], "--variant is no such; it must be one of baseline"),
        (["--variant", "sru", "--cell", "gru"], "--cell changes nothing in the variant sru"),
        (["--minutes", "1", "--budget", "60s"], "--minutes and --budget are the same"),
        (["--json", "no/such/folder.jsonl"], "there is no folder no/such"),
        (["--steps", "0"], "--steps is 0"),
        (["--minutes", "1e-9"], "over before the first step"),
    ],
)
def test_mistakes_are_reported_in_one_line(words, message, text, capsys):
    assert ablation.main(["--data", text, *words]) == 2
    *_, error = capsys.readouterr().err.splitlines()  # after what was logged
    assert error.startswith("rnnnlp: error: ")
    assert message in error


@pytest.mark.parametrize("content", ["", "not json\n", '{"variant": "gru"}\n'])
def test_table_of_something_else(content, tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    assert ablation.main(["--table", str(path)]) == 2
    assert "--json" in capsys.readouterr().err


def test_list_names_every_variant(capsys):
    assert ablation.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(VARIANTS)


def test_fixed_offsets_begin_every_epoch_at_the_same_place():
    batches = FixedOffsets(np.arange(100), batch_size=3, bptt=8, seed=0)
    epochs = [[batches.next() for _ in range(batches.per_epoch)] for _ in range(3)]
    assert batches.position["epoch"] == 2
    for windows in epochs[1:]:
        for window, first in zip(windows, epochs[0], strict=True):
            assert np.array_equal(window.inputs, first.inputs)
            assert np.array_equal(window.targets, first.targets)


def test_streams_are_reset_at_the_beginning_of_an_epoch_alone():
    batches = NoStateReset(np.arange(1000) % 7, batch_size=3, bptt=8, seed=0)
    assert batches.per_epoch > 20  # enough for some to be reset at random
    for _ in range(2):
        reset = [batches.next().reset for _ in range(batches.per_epoch)]
        assert reset[0].all()
        assert not np.any(reset[1:])
