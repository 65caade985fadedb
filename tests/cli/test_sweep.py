"""`rnnnlp sweep`: a run for each configuration, by any number of processes, stopped or not."""

import json
import signal
import tomllib
from pathlib import Path

import pytest

from rnnnlp.cli import sweep
from rnnnlp.cli.main import main
from rnnnlp.cli.sweep import changes_to
from rnnnlp.tasks import load_task
from rnnnlp.tasks.sentiment.ensemble import load_predictor
from rnnnlp.training import loop
from rnnnlp.training.folder_lock import FolderLock
from rnnnlp.training.run_folder import RunFolder
from tests.runs import trained

SMALL = "hidden-size = 4\nembedding-size = 3\nsteps = 4\nbatch-size = 2\nbptt = 8\nevaluations = 1\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 20)
    for name, lr in (("slow", 0.001), ("fast", 0.1), ("middle", 0.01)):
        (tmp_path / f"{name}.toml").write_text(f"{SMALL}lr = {lr}\n")
    return tmp_path


def words(home: Path, *more: str) -> list[str]:
    files = sorted(map(str, home.glob("*.toml")))
    return ["sweep", "charlm", *files, "--data", str(home / "text.txt"), "--out", str(home / "runs"), *more]


def test_a_table_of_all_runs(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(words(home, "--threads", "1", "--json", str(home / "table.json"))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| run | lr | nats_per_char | ")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["fast", "middle", "slow"]
    results = json.loads((home / "table.json").read_bytes())
    assert {result["run"]: result["options"]["lr"] for result in results} == {
        "slow": 0.001,
        "fast": 0.1,
        "middle": 0.01,
    }
    assert results[0]["steps"] == 4
    assert {result["options"]["threads"] for result in results} == {1}
    times = {path: path.stat().st_mtime_ns for path in home.glob("runs/*/checkpoints/*")}
    assert len(times) >= 3
    assert main(words(home)) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert {path: path.stat().st_mtime_ns for path in times} == times  # nothing is trained again


def test_seconds_are_those_of_pretraining_and_folds_too(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RunFolder, "seconds", lambda run: 600.0)
    assert main(words(home, "--json", str(home / "table.json"))) == 0
    assert [result["seconds"] for result in json.loads((home / "table.json").read_bytes())] == [600.0] * 3


def test_a_warning_says_that_figures_of_different_tokenizers_are_not_alike(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    (home / "slow.toml").unlink()
    assert main(words(home)) == 0
    assert "the tokenizers of the runs differ" not in capsys.readouterr().err
    (home / "words.toml").write_text(f'{SMALL}tokenizer = "word"\n')
    assert main(words(home)) == 0
    assert "the tokenizers of the runs differ" in capsys.readouterr().err


def test_a_table_of_classifiers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    small = "".join(line for line in SMALL.splitlines(keepends=True) if not line.startswith("bptt"))
    for cell in ("gru", "lstm"):
        (tmp_path / f"{cell}.toml").write_text(f"{small}cell = '{cell}'\n")
    files = [str(tmp_path / name) for name in ("gru.toml", "lstm.toml")]
    (tmp_path / "reviews.csv").write_text("text,label\n" + "a good film,good\na bad film,bad\n" * 10)
    assert main(["sweep", "sentiment", *files, "--data", str(tmp_path / "reviews.csv"), "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| run | cell | ")
    assert " accuracy | " in lines[0]
    assert sorted(line.split("|")[1:3] for line in lines[2:]) == [[" gru ", " gru "], [" lstm ", " lstm "]]
    assert load_predictor(tmp_path / "gru").labels == ("bad", "good")


def test_a_run_of_another_process_is_left_alone(home: Path, capsys: pytest.CaptureFixture[str]):
    folder = home / "runs/middle"
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    try:
        assert main(words(home)) == 0
        said = capsys.readouterr()
        assert [line.split("|")[1].strip() for line in said.out.splitlines()[2:]] == ["fast", "slow"]
        assert "1 runs are trained by other processes; the same command shows all results later" in said.err
    finally:
        lock.release()
    assert main(words(home)) == 0
    assert "| middle |" in capsys.readouterr().out


def test_a_run_whose_process_was_stopped_meanwhile_is_trained_after_the_others(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (home / "runs/middle").mkdir(parents=True)
    lock = FolderLock(home / "runs/middle")
    of_one, trained_here = sweep.trains, []

    def trains(task, folder, name, *more):
        trained = of_one(task, folder, name, *more)
        trained_here.extend([name] if trained else [])
        if trained_here == ["fast", "slow"]:
            lock.release()
        return trained

    monkeypatch.setattr(sweep, "trains", trains)
    assert main(words(home)) == 0
    assert trained_here == ["fast", "slow", "middle"]
    said = capsys.readouterr()
    assert "looking for runs whose process was stopped meanwhile" in said.err
    assert "| middle |" in said.out


def test_a_stopped_run_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    first = loop.gradients_of_batch

    def stopping(*arguments, step, **options):
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
        return first(*arguments, step=step, **options)

    monkeypatch.setattr(loop, "gradients_of_batch", stopping)
    assert main(words(home)) == 128 + signal.SIGTERM
    monkeypatch.undo()
    assert len(RunFolder(home / "runs/fast").checkpoints()) > 1
    assert main(words(home)) == 0
    assert "resuming from step 3" in capsys.readouterr().err


def test_a_stopped_run_of_other_options_is_not_resumed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Its result would be taken for that of the options that its file has by now."""

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "gradients_of_batch", stop)
        assert main([*words(home), "--threads", "1"]) == 130
    (begun,) = (path.name for path in home.glob("runs/*") if path.is_dir())
    file = home / f"{begun}.toml"
    before = file.read_text()
    file.write_text(before.replace("lr = 0.", "lr = 0.9"))
    assert main(words(home)) == 2
    said = capsys.readouterr()
    line = f"{begun}: --lr is {tomllib.loads(file.read_text())['lr']}, and {home / 'runs' / begun} was begun with "
    assert line in said.err
    assert f"; give the option as it was, or remove {home / 'runs' / begun}\n" in said.err
    assert f"| {begun} |" not in said.out
    file.write_text(SMALL)  # the option is left out
    assert main(words(home)) == 2
    said = capsys.readouterr()
    assert f"{begun}: --lr is left out, and {home / 'runs' / begun} was begun with {tomllib.loads(before)['lr']}" in (
        said.err
    )
    assert f"| {begun} |" not in said.out
    file.write_text(before)
    assert main([*words(home), "--threads", "2"]) == 0  # which changes nothing
    assert f"| {begun} |" in capsys.readouterr().out


def test_a_result_of_other_options_data_or_task_is_not_shown(home: Path, capsys: pytest.CaptureFixture[str]):
    """It would be taken for that of the options that its file has by now."""
    for name in ("middle", "slow"):
        (home / f"{name}.toml").unlink()
    file, run = home / "fast.toml", home / "runs" / "fast"
    before = file.read_text()
    assert main(words(home)) == 0
    assert json.loads((home / "runs/fast.json").read_bytes())["task"] == "char_lm"
    shown = capsys.readouterr().out
    for changed, said in (
        (before.replace("lr = 0.1", "lr = 0.2"), "--lr is 0.2, and {run} was begun with 0.1"),
        (f"{before}dropout = 0.1\n", "--dropout is 0.1, and {run} was begun with it left out"),
        (SMALL, "--lr is left out, and {run} was begun with 0.1"),
        (f"{before}data = 'python-docs'\n", f"--data is python-docs, and {{run}} was begun with {home}/text.txt"),
    ):
        file.write_text(changed)
        assert main(words(home)) == 2
        written = capsys.readouterr()
        assert f"fast: {said.format(run=run)}; give the option as it was, or remove {run} and {run}.json" in written.err
        assert "| fast |" not in written.out
    file.write_text(before)
    (home / "reviews.csv").write_text("text,label\ngood,good\nbad,bad\n")
    assert main(["sweep", "sentiment", str(file), "--data", str(home / "reviews.csv"), "--out", str(run.parent)]) == 2
    assert f"fast: {run} is a run of the task char_lm; give another --out" in capsys.readouterr().err
    no_matter = "threads = 1\nreport-to = 'none'\nbackend = 'numpy'\ncheckpoint-every = 1\nkeep-checkpoints = 1\n"
    file.write_text(f"{before}{no_matter}data = '{home}/./text.txt'\n")
    assert main(words(home)) == 0
    assert capsys.readouterr().out == shown


def test_what_a_start_decides_is_no_other_option(tmp_path: Path):
    task = load_task("sentiment")
    options = {"data": "sample-reviews", "from_": "none", "steps": 1, "hidden_size": 4, "embedding_size": 3}
    trained("sentiment", tmp_path / "run", **options)
    assert changes_to(task, tmp_path / "run", options) == {}
    again = {"data": "sample-reviews", "from_": str(tmp_path / "run"), "vocab_size": 9999, "steps": 1}
    trained("sentiment", tmp_path / "again", **again)
    assert changes_to(task, tmp_path / "again", again) == {}
    assert changes_to(task, tmp_path / "again", again | {"threads": 3, "report_to": "none"}) == {"threads": 3}


def test_a_configuration_that_cannot_be_trained(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "bad.toml").write_text(f"{SMALL}lr = -1.0\n")
    assert main(words(home)) == 2
    said = capsys.readouterr()
    assert said.out.count("\n") == 5
    assert "bad: --lr is -1.0; it must be above 0" in said.err


def test_mistakes_of_a_sweep(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "out.toml").write_text("out = 'elsewhere'\n")
    assert main(words(home)) == 2
    assert "out.toml has out or overwrite, which --out of the sweep decides; remove it" in capsys.readouterr().err
    (home / "out.toml").unlink()
    assert main(["sweep", "charlm", str(home / "none.toml"), "--out", str(home / "none")]) == 2
    assert f"error: {home}/none.toml: No such file or directory" in capsys.readouterr().err
    (home / "runs").mkdir()
    (home / "runs/slow.json").write_text("[]")
    assert main(words(home)) == 2
    assert "slow.json was not written by a sweep; remove it, and give" in capsys.readouterr().err
    for name in ("more/slow.toml", "other/Slow.toml"):
        (home / name).parent.mkdir()
        (home / name).write_text("")
        words_of_two = words(home)
        words_of_two.insert(2, str(home / name))
        assert main(words_of_two) == 2
        assert "or in how an accent is written, and so one run; give them other names" in capsys.readouterr().err


def test_a_table_goes_to_standard_output_and_replaces_no_configuration(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(words(home, "--json", str(home / "fast.toml"))) == 2
    assert "is a file that this command reads" in capsys.readouterr().err
    assert main(words(home, "--json", "-")) == 0
    assert {result["run"] for result in json.loads(capsys.readouterr().out)} == {"slow", "fast", "middle"}
