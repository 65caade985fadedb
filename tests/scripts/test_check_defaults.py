"""scripts/check_defaults.py: the grid around the defaults, and that finished runs are kept."""

import json

import check_defaults

SMALL = ("--embedding-size", "8", "--batch-size", "4", "--bptt", "8", "--evaluations", "1", "--threads", "1")


def test_the_grid_is_around_the_defaults_and_its_runs_are_kept(tmp_path, capsys):
    text, kept = tmp_path / "text.txt", tmp_path / "grid.jsonl"
    text.write_text("a rose is a rose, " * 200, encoding="utf-8")
    grid = ("--sizes", "1,2", "--rates", "1,2")
    words = ["--data", str(text), "--budgets", "1s", *grid, "--json", str(kept), "--max-epochs", "1", *SMALL]
    assert check_defaults.main(words) == 0
    first, logged = capsys.readouterr()
    assert "chosen or given: " in logged
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    units, lr = rows[0]["units"], rows[0]["lr"]
    assert [(row["units"], row["lr"]) for row in rows[1:]] == [(units, 2 * lr), (2 * units, lr), (2 * units, 2 * lr)]
    assert check_defaults.main(words) == 0
    assert capsys.readouterr().out == first
    assert len(kept.read_text().splitlines()) == 4


def test_the_table_tells_how_far_the_defaults_are_from_the_best():
    options = {"data": "a.txt", "budget": "30s"}
    rows = [
        {"options": options, "units": 128, "lr": 0.02, "steps": 9, "nats_per_char": 1.5},
        {"options": options, "units": 256, "lr": 0.01, "steps": 5, "nats_per_char": 1.25},
    ]
    said, _, _, best, defaults = check_defaults.table(rows)
    assert said == "a.txt, 30s: the defaults are 0.2500 from the best"
    assert best == "| 256 | 0.01 | 5 | 1.2500 |"
    assert defaults == "| 128 | 0.02 | 9 | 1.5000 (defaults) |"


def test_a_mistake_in_the_options_is_one_line(tmp_path, capsys):
    assert check_defaults.main(["--data", str(tmp_path / "none.txt"), "--budgets", "1s"]) == 2
    assert "none.txt" in capsys.readouterr().err
    (tmp_path / "text.txt").write_text("some text " * 100)
    assert check_defaults.main(["--data", str(tmp_path / "text.txt"), "--budgets", "soon"]) == 2
    assert "--budget" in capsys.readouterr().err
