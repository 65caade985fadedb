"""The published figures: each has command, seed, machine and date, and the documents hold the tables made of them."""

import json
import re
from pathlib import Path

import pytest

from scripts import render_results, result_pictures

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "results"
FILES = sorted(FOLDER.glob("*.json"))
RECORDS = [record for path in FILES for record in json.loads(path.read_text(encoding="utf-8"))["records"]]
REQUIRED = ("command", "seed", "machine", "date", "version", "commit")
FIELDS = {
    "id",
    "task",
    "data",
    "label",
    "options",
    "measured_with",
    "spelled_then",
    "threads",
    "load",
    "note",
    "readme",
    "runs",
}
RETIRED = ("combine", "--votes")


def by_id(record):
    return record["id"]


def test_there_are_results():
    assert len(FILES) > 5
    assert len(RECORDS) > 100


@pytest.mark.parametrize("record", RECORDS, ids=by_id)
def test_a_record_says_how_it_was_made_or_why_that_is_not_known(record):
    assert set(record) <= FIELDS | set(REQUIRED) | {"figures", "unknown"}
    for name in REQUIRED:
        assert name in record
        assert record[name] is not None or record["unknown"].get(name), f"{name} is null without a reason"
    assert set(record["unknown"]) <= set(REQUIRED)
    if record["date"] is not None:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", record["date"])
    if record["seed"] is not None:
        assert isinstance(record["seed"], int)
        if given := re.search(r"--seed (\d+)", record["command"]):
            assert int(given[1]) == record["seed"]


@pytest.mark.parametrize("record", RECORDS, ids=by_id)
def test_figures_name_their_split(record):
    assert record["figures"]
    for figure in record["figures"]:
        assert figure["split"] in ("train", "validation", "test", None)
        assert len(figure) > 1


@pytest.mark.parametrize("record", RECORDS, ids=by_id)
def test_commands_use_the_names_of_today(record):
    """`spelled_then` is what was typed; it is there where that differs."""
    assert not set(record["command"].split()) & set(RETIRED)
    assert record.get("spelled_then") != record["command"]


@pytest.mark.parametrize("record", [r for r in RECORDS if r["command"].startswith("python scripts/")], ids=by_id)
def test_scripts_in_commands_exist(record):
    assert (ROOT / record["command"].split()[1]).is_file()


def test_documents_are_up_to_date():
    stale = [path.relative_to(ROOT).as_posix() for path in render_results.stale(ROOT)]
    assert not stale, f"run python scripts/render_results.py: {', '.join(stale)}"


def test_every_table_is_in_a_document():
    results = render_results.Results(FOLDER)
    shown = {match[2] for path in render_results.documents(ROOT) for match in markers(path)}
    assert set(results.tables) - {"readme"} <= shown


def test_every_picture_is_in_a_document():
    results = render_results.Results(FOLDER)
    pages = "".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md"))
    assert len(results.pictures) >= 5
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(results.pictures)
    assert all(f"]({name}.svg)" in pages for name in results.pictures)


def test_a_picture_shows_the_figures_of_the_records():
    record = {"figures": [{"split": "test", "accuracy": 0.75}, {"split": None, "times": 2.0}]}
    picture = {
        "title": "A < B",
        "axis": [0.5, 1.0],
        "format": ".2f",
        "series": ["one", "two"],
        "rows": [["first", "a,b test.accuracy", None]],
    }
    other = {"figures": [{"split": "test", "accuracy": 0.85}]}
    shown = result_pictures.svg(picture, {"a": record, "b": other})
    assert ">0.80<" in shown
    assert "A &lt; B" in shown
    assert result_pictures.figure("a run.times", {"a": record}) == 2
    of_sizes = {"figures": [{"split": "test", "labels": n, "accuracy": n / 1000} for n in (100, 300)]}
    assert result_pictures.figure("a test.accuracy labels=300", {"a": of_sizes}) == 0.3


def test_every_row_names_records_that_exist():
    results = render_results.Results(FOLDER)
    for table in results.tables.values():
        for row in table["rows"]:
            assert row
            assert set(row) <= set(results.records)


def test_the_readme_shows_ten_figures():
    results = render_results.Results(FOLDER)
    assert len(results.tables["readme"]["rows"]) == 10
    text = render_results.rendered("<!-- results:readme -->\n<!-- /results -->", results, "README.md")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 12
    assert all(line.count("|") == 5 for line in lines)


def test_an_unknown_table_is_refused():
    results = render_results.Results(FOLDER)
    with pytest.raises(ValueError, match="there is no table nothing"):
        render_results.rendered("<!-- results:nothing -->\n<!-- /results -->", results, "page.md")


def test_rendering_twice_changes_nothing():
    results = render_results.Results(FOLDER)
    once = render_results.rendered("<!-- results:crop -->\nold\n<!-- /results -->\n", results, "page.md")
    assert "old" not in once
    assert render_results.rendered(once, results, "page.md") == once


def test_a_figure_is_shown_as_its_column_says(tmp_path):
    records = [
        {"id": "a", "label": "A", "command": "x --seed 0", "seed": 0, "figures": [{"split": "test", "accuracy": 0.9}]},
        {"id": "b", "label": "A", "command": "x --seed 1", "seed": 1, "figures": [{"split": "test", "accuracy": 0.8}]},
        {"id": "c", "label": "C", "command": "y", "seed": 0, "figures": [{"split": None, "seconds": 1234.0}]},
    ]
    for record in records:
        record |= {"machine": "M", "date": "2026-01-01", "version": "1"}
    columns = [
        ["run", "label"],
        ["each", "test.accuracy:.2f"],
        ["mean", "mean test.accuracy:.3f", "max"],
        ["s", "run.seconds:<100"],
        ["command", "command"],
    ]
    content = {"records": records, "tables": {"t": {"columns": columns, "rows": [["a", "b"], ["c"]]}}}
    (tmp_path / "r.json").write_text(json.dumps(content), encoding="utf-8")
    table = render_results.markdown(render_results.Results(tmp_path), "t").splitlines()
    assert table[2] == "| A | 0.90, 0.80 | **0.850** |  | `x` |"
    assert table[3] == "| C |  |  | 1,234 | `y` |"
    assert table[5] == "*M; 2026-01-01; seeds 0, 1; rnnnlp 1.*"


def markers(path):
    return render_results.MARKED.finditer(path.read_text(encoding="utf-8"))
