"""`scripts/reproduce.sh` makes the figures of the README again, and tells whether they are the published ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import stdev

import pytest

from scripts import render_results, reproduce

ROOT = Path(__file__).parents[2]
RECORDS = render_results.Results(ROOT / "docs" / "results").records
ROWS = reproduce.rows(RECORDS)
OFFSET = 0.001  # of the figures that are made here, from the published ones


class Stub(reproduce.Reproduction):
    """Takes the published figures, a little changed, for those of the commands that it is asked to run."""

    def __init__(self, sets: Path, out: Path):
        super().__init__(RECORDS, sets, out)
        self.commands: list[list[str]] = []
        self.offset = OFFSET

    def run(self, words: Sequence[str], *, keep: bool = False) -> str:
        self.commands.append(list(words))
        if "--json" in words and words[1].endswith("benchmark.py"):
            Path(words[-1]).write_text('{"geomean": 2.1}')
        elif "--out" in words:
            run = Path(words[words.index("--out") + 1])
            (run / "checkpoints").mkdir(parents=True, exist_ok=True)
            published = {"test": 1.075, "validation": 1.09, "published": 1.161, "seconds": 60}
            (run / "row.json").write_text(json.dumps(published))
        if not keep:
            return ""
        record, split = RECORDS[Path(words[2]).name], words[words.index("--split") + 1]
        (old,) = (figures for figures in record["figures"] if figures["split"] == split)
        new = {n: v + self.offset for n, v in old.items() if isinstance(v, float)}
        return json.dumps({"split": split, **{reproduce.NAMES.get(name, name): value for name, value in new.items()}})


@pytest.fixture
def work(tmp_path: Path) -> Stub:
    for places in reproduce.SETS.values():
        place = tmp_path / "sets" / places[0]
        place.parent.mkdir(exist_ok=True)
        place.touch()
    return Stub(tmp_path / "sets", tmp_path / "out")


def test_the_rows_are_those_of_the_readme_in_order():
    table = render_results.Results(ROOT / "docs" / "results").tables["readme"]["rows"]
    assert [[record["id"] for record in row] for row in ROWS.values()] == table
    assert list(ROWS) == list(range(1, len(ROWS) + 1))


@pytest.mark.parametrize("number", [number for number, row in ROWS.items() if len(row) > 1])
def test_the_spread_of_a_mean_comes_from_its_seeds(number: int):
    """It is twice the standard error of the difference between two such means."""
    about = ROWS[number][0]["readme"]
    path = about["figure"].partition(":")[0]
    values = [render_results.figures(record, path)[0] for record in ROWS[number]]
    assert about["spread"] == pytest.approx(2 * stdev(values) * (2 / len(values)) ** 0.5, abs=5e-4)


def test_the_document_says_where_each_spread_comes_from():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    found = {}
    for rows, spreads in re.findall(r"^\| ([\d, ]+): [^|]*\| ([\d., ]+) \|", text, re.MULTILINE):
        of_rows, values = [int(row) for row in rows.split(",")], [float(value) for value in spreads.split(", ")]
        found |= dict(zip(of_rows, values if len(values) > 1 else values * len(of_rows), strict=True))
    assert found == {number: record["readme"]["spread"] for number, row in ROWS.items() for record in row}


def test_commands_of_classifiers_ask_for_the_defaults_of_then():
    """Runs with a budget had no linear model beside the network, nor a bundled model to start from."""
    for record in (record for row in ROWS.values() for record in row if record["version"] == "0.1.0"):
        if record["command"].startswith("rnnnlp train sentiment") and "--budget" in record["command"]:
            assert "--no-linear" in record["command"]
            assert "--from" in record["command"] or "--data sst2" not in record["command"]


@pytest.mark.parametrize("number", ROWS)
def test_a_row_is_made_within_its_spread(number: int, work: Stub, capsys: pytest.CaptureFixture[str]):
    assert reproduce.reproduce(number, ROWS[number], work)
    assert "within the spread" in capsys.readouterr().out
    first = len(work.commands)
    assert first >= 1
    assert reproduce.reproduce(number, ROWS[number], work)
    assert len(work.commands) == first  # a finished figure is not made again


def test_a_figure_outside_of_the_spread_is_told(work: Stub, capsys: pytest.CaptureFixture[str]):
    work.offset = 0.05
    assert not reproduce.reproduce(5, ROWS[5], work)
    assert "published 0.924, now 0.974, NOT within the spread of 0.003" in (said := capsys.readouterr().out)
    assert "a time budget has fewer steps on a slower or busier machine; the published one: Intel Xeon" in said


def test_the_runs_that_a_row_needs_come_first(work: Stub):
    reproduce.reproduce(7, ROWS[7], work)
    trained = [words for words in work.commands if "--out" in words]
    names = [Path(words[words.index("--out") + 1]).name for words in trained]
    assert names[-1] == "ensemble-imdb"
    assert names.index("pretrain-imdb-words") < names.index("ensemble-imdb-from-words")
    assert len(names) == len(set(names)) == 8
    assert [Path(word).name for word in trained[-1][2:7]] == list(RECORDS["ensemble-imdb"]["runs"].values())


def test_an_interrupted_run_continues(work: Stub):
    run = work.out / "imdb-10m"
    (run / "checkpoints").mkdir(parents=True)
    work.figures("imdb-10m")
    assert work.commands[0] == ["rnnnlp", "train", "sentiment", "--resume", str(run)]


def test_a_missing_data_set_is_told_in_one_line(tmp_path: Path):
    words = [
        sys.executable,
        "-m",
        "scripts.reproduce",
        "--row",
        "8",
        "--sets",
        str(tmp_path),
        "--out",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{tmp_path} has no sst2; put the data set sst2 there" in done.stderr
    assert "Traceback" not in done.stderr


def test_new_figures_are_written_into_the_records(work: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "results"
    folder.mkdir()
    text = (ROOT / "docs" / "results" / "sentiment.json").read_text(encoding="utf-8")
    (folder / "sentiment.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    reproduce.write(work, ["imdb-10m"], folder)
    old, new = json.loads(text), json.loads((folder / "sentiment.json").read_text(encoding="utf-8"))
    changed = [(a, b) for a, b in zip(old["records"], new["records"], strict=True) if a != b]
    ((before, after),) = changed
    assert before["id"] == "imdb-10m"
    assert after["figures"][1] == {"split": "test", "accuracy": 0.9254, "calibration_error": 0.018}
    assert after["figures"][2] == before["figures"][2] == {"split": None, "seconds": 228}  # not measured again
    assert after["machine"]
    assert old["tables"] == new["tables"]


def test_kept_figures_are_written_with_what_they_were_made_with(
    work: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "results"
    folder.mkdir()
    shutil.copy(ROOT / "docs" / "results" / "sentiment.json", folder)
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    work.figures("imdb-10m")
    kept = work.out / "imdb-10m.json"
    then = {"machine": "another machine", "date": "2026-01-01", "version": "0.0.1", "commit": "abc"}
    kept.write_text(json.dumps(json.loads(kept.read_bytes()) | then))
    reproduce.write(work, ["imdb-10m"], folder)
    (record,) = (r for r in json.loads((folder / "sentiment.json").read_bytes())["records"] if r["id"] == "imdb-10m")
    assert {name: record[name] for name in then} == then


def test_figures_and_runs_of_another_command_are_made_again(work: Stub, monkeypatch: pytest.MonkeyPatch):
    work.figures("imdb-10m")
    first = len(work.commands)
    command = RECORDS["imdb-10m"]["command"] + " --seed 7"
    monkeypatch.setitem(RECORDS, "imdb-10m", RECORDS["imdb-10m"] | {"command": command})
    work.figures("imdb-10m")
    assert work.commands[first][1:3] == ["train", "sentiment"]
    assert "--resume" not in work.commands[first]


def test_what_needs_a_run_of_another_command_is_made_again(work: Stub, monkeypatch: pytest.MonkeyPatch):
    reproduce.reproduce(7, ROWS[7], work)
    (work.out / "ensemble-imdb" / "config.json").touch()  # the ensemble is finished
    first = len(work.commands)
    changed = RECORDS["pretrain-imdb-words"]
    monkeypatch.setitem(RECORDS, changed["id"], changed | {"command": changed["command"] + " --seed 7"})
    reproduce.reproduce(7, ROWS[7], work)
    made = [words for words in work.commands[first:] if "--out" in words]
    names = {Path(words[words.index("--out") + 1]).name for words in made}
    assert {"pretrain-imdb-words", "ensemble-imdb-from-words", "ensemble-imdb"} <= names
    assert len(names) < 8  # the others are kept


def test_the_sources_in_the_folder_are_not_taken_for_an_installation(tmp_path: Path):
    (tmp_path / "rnnnlp").mkdir()
    (tmp_path / "rnnnlp" / "__init__.py").touch()
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "reproduce.sh", tmp_path / "scripts")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    python = str(tmp_path / ".venv" / "bin" / "python")
    done = subprocess.run(
        ["bash", str(tmp_path / "scripts" / "reproduce.sh"), "--list"],
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "No module named pip" in done.stderr  # it tries to install
