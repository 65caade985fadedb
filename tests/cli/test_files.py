"""`predict --files` and `evaluate --files`: an output for each file, by any number of processes, stopped or not."""

import json
import os
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from rnnnlp import files as module_of_files
from rnnnlp import locks
from rnnnlp.cli import evaluate, predict
from rnnnlp.cli.main import main
from rnnnlp.cli.many_files import outputs_of_files, part_of_files
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training import model_folder
from rnnnlp.training.launcher import LOCAL_SIZES, RANKS, SIZES, share_of_processors
from rnnnlp.training.run_folder import RunFolder
from tests.conftest import PATIENCE
from tests.runs import trained, trained_on

TEXTS = ["a good film", "a bad film", "good good", "bad bad"] * 6


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    labels = ["good" if "good" in text else "bad" for text in TEXTS]
    trained_on(TEXTS, labels, home / "run", hidden_size=3, embedding_size=3, steps=2, evaluations=1)
    (home / "in").mkdir()
    for number in range(6):
        rows = "".join(f"{text} {number},{label}\n" for text, label in zip(TEXTS, labels, strict=True))
        (home / f"in/{number}.csv").write_text("text,label\n" + rows)
    return home


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def words(home: Path, out: Path, *more: str) -> list[str]:
    return ["predict", str(home / "run"), "--files", str(home / "in/*.csv"), "--out", str(out), *more]


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, bytes]:
    assert main(words(home, home / "expected")) == 0
    return contents(home / "expected")


def test_each_file_has_an_output_like_that_of_json(home: Path, expected: dict[str, bytes], tmp_path: Path):
    assert set(expected) == {"model.json", *(f"{number}.csv.jsonl" for number in range(6))}
    assert main(["predict", str(home / "run"), "--file", str(home / "in/3.csv"), "--json", str(tmp_path / "3")]) == 0
    assert (tmp_path / "3").read_bytes() == expected["3.csv.jsonl"]


def test_parts_make_all_files_once(home: Path, expected: dict[str, bytes], tmp_path: Path):
    for part in (2, 1, 4, 3):
        before = set(tmp_path.glob("*.jsonl"))
        assert main(words(home, tmp_path, "--part", f"{part}/4")) == 0
        assert len(set(tmp_path.glob("*.jsonl")) - before) == (2 if part in (1, 2) else 1)
    assert contents(tmp_path) == expected


def test_a_launcher_says_which_part(
    home: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PMI_SIZE", "2")
    for rank in (1, 0):
        monkeypatch.setenv("PMI_RANK", str(rank))
        assert main(words(home, tmp_path)) == 0
    assert contents(tmp_path) == expected


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({}, (1, 1)),
        ({"PMI_SIZE": "4", "PMI_RANK": "2"}, (3, 4)),
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0", "PMIX_RANK": "0"}, (1, 4)),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7"}, (8, 8)),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "PMIX_RANK": "5"}, (6, 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, (1, 1)),  # a script of sbatch
    ],
)
def test_the_part_of_a_process(variables: dict[str, str], part: tuple[int, int], monkeypatch: pytest.MonkeyPatch):
    for name in (*SIZES, *RANKS, "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert part_of_files(None) == part


def test_what_is_there_is_not_made_again(home: Path, expected: dict[str, bytes], tmp_path: Path):
    assert main(words(home, tmp_path, "--part", "1/2")) == 0
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert main(words(home, tmp_path)) == 0
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert contents(tmp_path) == expected


def test_a_stopped_process_leaves_whole_files(
    home: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    as_json, seen = predict.as_json, []

    def stopping(*arguments):
        seen.append(1)
        if len(seen) == 2 * len(TEXTS) + 5:
            signal.raise_signal(signal.SIGTERM)
        return as_json(*arguments)

    monkeypatch.setattr(predict, "as_json", stopping)
    assert main(words(home, tmp_path)) == 128 + signal.SIGTERM
    found = contents(tmp_path)
    assert found == {name: expected[name] for name in ("model.json", "0.csv.jsonl", "1.csv.jsonl")}
    assert main(words(home, tmp_path)) == 0
    assert contents(tmp_path) == expected


def test_a_killed_process_leaves_whole_files(home: Path, expected: dict[str, bytes], tmp_path: Path):
    program = "import os, sys; from rnnnlp.cli import predict; from rnnnlp.cli.main import main; seen = []\n"
    program += f"def kill(*a):\n  seen.append(1)\n  if len(seen) == {len(TEXTS) + 5}: os.kill(os.getpid(), 9)\n"
    program += "  return first(*a)\nfirst, predict.as_json = predict.as_json, kill\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", program, *words(home, tmp_path)]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
    assert done.returncode == -signal.SIGKILL
    assert {name for name in contents(tmp_path) if not name.startswith(".")} == {"model.json", "0.csv.jsonl"}
    assert main(words(home, tmp_path)) == 0
    assert contents(tmp_path) == expected


def test_only_what_killed_processes_left_of_its_outputs_is_removed(
    home: Path, expected: dict[str, bytes], tmp_path: Path
):
    left, locked, mine, name = (
        tmp_path / f".{name}.{'0' * 16}.tmp" for name in ("0.csv.jsonl", "1.csv.jsonl", "mine", "2.csv.jsonl.gz")
    )
    for path in (left, locked, mine, name):
        path.write_text("half a li")
    with locked.open("r+") as file:
        locks.take(file.fileno())  # as by a process that writes the same output
        assert main(words(home, tmp_path)) == 0
    assert set(contents(tmp_path)) == {*expected, locked.name, mine.name, name.name}


def test_the_same_command_twice_makes_the_same(
    home: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = "import sys; from rnnnlp.cli.main import main; sys.exit(main(sys.argv[1:]))"
    as_json, seen = predict.as_json, []

    def meanwhile(*arguments):
        seen.append(1)
        if len(seen) == 5:
            subprocess.run([sys.executable, "-c", program, *words(home, tmp_path)], check=True, timeout=PATIENCE)
        return as_json(*arguments)

    monkeypatch.setattr(predict, "as_json", meanwhile)
    assert main(words(home, tmp_path)) == 0
    assert contents(tmp_path) == expected


def test_outputs_of_other_options_are_kept_apart(home: Path, expected: dict[str, bytes], tmp_path: Path):
    assert main(words(home, tmp_path / "out", "--part", "1/6")) == 0
    assert main(words(home, tmp_path / "out", "--explain")) == 2
    assert main(words(home, tmp_path / "out", "--text-column", "label")) == 2
    assert set(contents(tmp_path / "out")) == {"model.json", "0.csv.jsonl"}
    assert main(words(home, tmp_path / "out", "--quoting", "auto")) == 0  # which is the default
    assert main(words(home, tmp_path / "other", "--text-column", "label")) == 0
    assert contents(tmp_path / "other")["0.csv.jsonl"] != contents(tmp_path / "out")["0.csv.jsonl"]
    (tmp_path / "other/1.csv.jsonl").unlink()
    assert main(words(home, tmp_path / "other")) == 2
    assert not (tmp_path / "other/1.csv.jsonl").exists()


def test_a_threshold_decides_for_each_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """As the split of `evaluate`, it may not change between the files of a folder."""
    for label in ("bad", "good"):
        out = tmp_path / label
        assert main(words(home, out, "--threshold", f"{label}=0")) == 0
        lines = [json.loads(line) for path in out.glob("*.jsonl") for line in path.read_text().splitlines()]
        assert {line["label"] for line in lines} == {label}
    evaluate = ["evaluate", str(home / "run"), *words(home, tmp_path / "figures")[2:], "--threshold"]
    assert main([*evaluate, "good=0"]) == 0
    capsys.readouterr()
    of_predict = words(home, out, "--threshold", "good=1")
    for changed in (of_predict, [*evaluate, "good=1"], [*evaluate, "good=0", "--split", "train"]):
        assert main(changed) == 2
        assert "has outputs of another model or of other options" in capsys.readouterr().err


def test_of_two_models_that_begin_together_one_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    create = module_of_files.create_atomically

    def too_late(path, content):
        path.write_bytes(b"another")
        return create(path, content)

    monkeypatch.setattr(module_of_files, "create_atomically", too_late)
    assert main(words(home, tmp_path)) == 2
    assert "has outputs of another model or of other options" in capsys.readouterr().err
    assert contents(tmp_path) == {"model.json": b"another"}


def test_a_model_that_changes_while_it_is_opened_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = Path(shutil.copytree(home / "run", tmp_path / "run"))
    digest = model_folder.digest_of_model

    def too_late(folder):
        SentimentNetwork.from_pretrained(run).save_weights(run)
        return digest(folder)

    monkeypatch.setattr(model_folder, "digest_of_model", too_late)
    files = ["--files", str(home / "in/*.csv"), "--out", str(tmp_path / "out")]
    for command in ("predict", "evaluate"):
        assert main([command, str(run), *files]) == 2
        assert "run got other weights while it was opened; give the same command again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_all_files_are_measured_with_the_same_weights(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = ["--files", str(home / "in/*.csv"), "--out"]
    assert main(["evaluate", str(home / "run"), *files, str(tmp_path / "whole")]) == 0
    run = Path(shutil.copytree(home / "run", tmp_path / "run"))
    network, write_json = SentimentNetwork.from_pretrained(run), evaluate.write_json
    for p in network.parameters().values():
        p.value *= -3

    def meanwhile(*arguments, **options):
        write_json(*arguments, **options)
        network.save_weights(run)  # as a run that trains there

    monkeypatch.setattr(evaluate, "write_json", meanwhile)
    assert main(["evaluate", str(run), *files, str(tmp_path / "out")]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_checkpoint_that_is_removed_meanwhile_is_still_measured(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Path(shutil.copytree(home / "run", tmp_path / "run"))
    checkpoint, measured = RunFolder(run).latest_checkpoint(), evaluate.measured

    def meanwhile(*arguments, **options):
        figures = measured(*arguments, **options)
        shutil.rmtree(checkpoint, ignore_errors=True)
        return figures

    monkeypatch.setattr(evaluate, "measured", meanwhile)
    data = [word for number in (0, 1) for word in ("--data", str(home / f"in/{number}.csv"))]
    where = tmp_path / "figures.json"
    assert main(["evaluate", str(run), "--weights", "last", *data, "--json", str(where)]) == 0
    figures = json.loads(where.read_bytes())
    assert [of_file["data"] for of_file in figures] == data[1::2]
    assert not any("model_sha256" in of_file for of_file in figures)


def test_figures_of_files_are_on_the_disk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[int] = []
    monkeypatch.setattr(module_of_files, "sync_folder", lambda path: synced.append(len(list(path.glob("*.csv.json")))))
    assert main(["evaluate", str(home / "run"), "--files", str(home / "in/*.csv"), "--out", str(tmp_path)]) == 0
    assert synced == [*range(7)]  # first `model.json`, then each file


def test_the_total_replaces_nothing_that_is_read(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(home / "in", tmp_path / "in")
    files = ["--files", str(tmp_path / "in/*.csv"), "--out", str(tmp_path / "out"), "--json"]
    for total, said in (
        (tmp_path / "in/1.csv", "is a file that this command reads"),
        (tmp_path / "out/1.csv.json", "has the figures of one of the files; give another path"),
    ):
        assert main(["evaluate", str(home / "run"), *files, str(total)]) == 2
        assert said in capsys.readouterr().err
    assert contents(tmp_path / "in") == contents(home / "in")


@pytest.mark.parametrize("names", [("Reviews.csv", "reviews.csv"), ("caf\u00e9.csv", "cafe\u0301.csv")], ids=ascii)
def test_names_that_are_one_file_on_some_disks_are_refused(names: tuple[str, str], tmp_path: Path):
    files = [tmp_path / str(number) / name for number, name in enumerate(names)]
    for file in files:
        file.parent.mkdir()
        file.write_text("text,label\ngood,good\n")
    with pytest.raises(
        UserError, match="two files have names that differ at most in case or in how an accent is written"
    ):
        outputs_of_files(Namespace(files=list(map(str, files)), out=str(tmp_path)), ".json")
    (tmp_path / "Model").write_text("text,label\ngood,good\n")
    with pytest.raises(UserError, match="which has the digest of the model; rename that file"):
        outputs_of_files(Namespace(files=[str(tmp_path / "Model")], out=str(tmp_path)), ".json")


def test_figures_of_each_file(home: Path, tmp_path: Path):
    files = ["--files", str(home / "in/*.csv"), "--out", str(tmp_path)]
    for part in ("1/2", "2/2"):
        assert main(["evaluate", str(home / "run"), *files, "--part", part]) == 0
    figures = {path.name: json.loads(path.read_bytes()) for path in tmp_path.glob("*.csv.json")}
    assert set(figures) == {f"{number}.csv.json" for number in range(6)}
    assert figures["4.csv.json"]["examples"] == len(TEXTS)
    assert figures["4.csv.json"]["data"] == str(home / "in/4.csv")


def test_the_total_is_that_of_all_texts_at_once(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = ["--files", str(home / "in/*.csv"), "--out", str(tmp_path / "out"), "--threshold", "good"]
    whole = tmp_path / "whole.csv"
    rows = [path.read_text().partition("\n")[2] for path in sorted((home / "in").glob("*.csv"))]
    whole.write_text("text,label\n" + "".join(rows))
    at_once, total = tmp_path / "once.json", tmp_path / "total.json"
    assert (
        main(["evaluate", str(home / "run"), "--data", str(whole), "--threshold", "good", "--json", str(at_once)]) == 0
    )
    capsys.readouterr()
    assert main(["evaluate", str(home / "run"), *files, "--part", "2/2", "--json", str(total)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "3 of 6 files are not measured yet; the last process prints the total" in said.err
    assert main(["evaluate", str(home / "run"), *files, "--part", "1/2", "--json", str(total)]) == 0
    assert "6 files, all:" in capsys.readouterr().out
    expected, found = json.loads(at_once.read_bytes()), json.loads(total.read_bytes())
    for name in (
        "accuracy",
        "macro_f1",
        "examples",
        "per_class",
        "confusion_matrix",
        "accuracy_interval",
        "thresholds",
    ):
        assert found[name] == expected[name], name
    for name in ("expected_calibration_error", "uncalibrated_error", "temperature"):
        assert found[name] == pytest.approx(expected[name]), name
    assert main(["evaluate", str(home / "run"), *files, "--part", "2/2"]) == 0
    assert capsys.readouterr().out == ""  # it was said
    assert main(["evaluate", str(home / "run"), *files]) == 0
    assert "6 files, all:" in capsys.readouterr().out


@pytest.mark.parametrize("task", ["char_lm", "word_lm"])
def test_the_total_of_texts_is_a_sum(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    texts = {"a.txt": "to be or not to be\n" * 20, "b.txt": "that is the question\n" * 7}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    small = {"hidden_size": 4, "embedding_size": 3, "steps": 2, "batch_size": 2, "bptt": 8, "evaluations": 1}
    trained(task, tmp_path / "run", data=str(tmp_path / "a.txt"), **small)
    files = ["--files", str(tmp_path / "[ab].txt"), "--out", str(tmp_path / "out")]
    assert main(["evaluate", str(tmp_path / "run"), *files, "--json", "-"]) == 0
    said = capsys.readouterr()
    assert said.err.count("its figures there are too good") == 1
    assert f"run was trained on {tmp_path / 'a.txt'}: its figures" in said.err
    total = json.loads(said.out)
    parts = [json.loads(path.read_bytes()) for path in sorted((tmp_path / "out").glob("*.txt.json"))]
    assert total["tokens"] == sum(part["tokens"] for part in parts)
    nats = [np.log(part["perplexity"]) * part["tokens"] for part in parts]
    assert np.log(total["perplexity"]) == pytest.approx(sum(nats) / total["tokens"])
    if task == "char_lm":
        assert total["nats_per_char"] == pytest.approx(sum(nats) / sum(part["sums"]["characters"] for part in parts))


def test_figures_that_cannot_be_added_up(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tmp_path.joinpath("3.csv.json").write_text('{"accuracy": 1.0}')
    assert main(["evaluate", str(home / "run"), "--files", str(home / "in/*.csv"), "--out", str(tmp_path)]) == 2
    assert "3.csv.json has no figures that can be added up; remove it, and give" in capsys.readouterr().err


def test_processes_of_a_launcher_share_the_processors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name in LOCAL_SIZES:
        monkeypatch.delenv(name, raising=False)
    assert share_of_processors() is None
    monkeypatch.setenv("MPI_LOCALNRANKS", str(os.cpu_count() or 1) + "0")
    assert share_of_processors() == 1
