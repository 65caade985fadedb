"""A run that was killed and resumed ends in the same bits as one that was left alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from rnnnlp.cli.main import main
from rnnnlp.config import written_duration
from rnnnlp.training.folder_lock import FolderLock
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import LANGUAGE_MODEL
from rnnnlp.training.progress import Progress
from tests.conftest import PATIENCE, TickingClock

SMALL = "--hidden-size 12 --embedding-size 6 --evaluations 3 --checkpoint-every 2 --seed 5".split()
RUNS = {
    "charlm": [*SMALL, "--data", "{text}", "--steps", "60", "--batch-size", "4", "--bptt", "16", "--dropout", "0.2"],
    "sentiment": [*SMALL, "--data", "sample-reviews", "--epochs", "2", "--batch-size", "16", "--patience", "0"],
    "n-grams": [*SMALL, "--data", "sample-reviews", "--epochs", "2", "--batch-size", "16", "--ngram-buckets", "256"],
    "pretrain": [*SMALL, "--data", "{text}", "--steps", "60", "--batch-size", "4", "--bptt", "8", "--samples", "4"],
}
RUNS["virtual"] = [*RUNS["sentiment"], "--virtual-adversarial", "0.1"]
RUNS["pretraining"] = [*RUNS["sentiment"], "--pretraining", "2"]
RUNS["transfer"] = ["--from", "{words}", *RUNS["sentiment"][4:]]
STEPS = {kind: 60 if kind in ("charlm", "pretrain") else 48 for kind in RUNS}
COMMANDS = {kind: ["train", "sentiment"] for kind in RUNS} | {"charlm": ["train", "charlm"], "pretrain": ["pretrain"]}

# A command that sends itself a signal once the run in a folder has had some steps.
STOPPED = """
import os, sys
from pathlib import Path
from rnnnlp.cli.main import main
from rnnnlp.training.loop import Trainer
folder, step, number = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
advance = Trainer.advance

def stop_and_advance(trainer, progress):
    if trainer.clock.step >= step and Path(trainer.run.path).resolve() == folder.resolve():
        Trainer.advance = advance  # the signal comes once
        os.kill(os.getpid(), number)
    advance(trainer, progress)

Trainer.advance = stop_and_advance
sys.exit(main(sys.argv[4:]))
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"line {i} of a text that is long enough to be read again.\n" for i in range(200)))
    words = ["--data", "sample-reviews", "--steps", "2", "--batch-size", "4", "--bptt", "8", "--out"]
    assert main(["pretrain", *SMALL, *words, str(path.with_name("words"))]) == 0
    return path


@pytest.fixture(scope="module", params=list(RUNS))
def finished(request: pytest.FixtureRequest, text: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A kind, and the folder of its run that was left alone."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(arguments(request.param, text, folder)) == 0
    return request.param, folder


def arguments(kind: str, text: Path, folder: Path) -> list[str]:
    return [
        *COMMANDS[kind],
        *(word.format(text=text, words=text.with_name("words")) for word in RUNS[kind]),
        "--out",
        str(folder),
    ]


def stopped_at(step: int, folder: Path, number: signal.Signals, words: list[str]) -> tuple[int, str]:
    """Sends the signal to a command once the run in the folder has had `step` steps; its exit code and messages."""
    options = [str(folder), str(step), str(int(number)), *words]
    done = subprocess.run([sys.executable, "-c", STOPPED, *options], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stderr


def last_checkpoint(folder: Path) -> int:
    return max((int(path.stem[5:]) for path in folder.glob("checkpoints/step-*")), default=-1)


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_a_killed_run_resumes_to_the_same_bits(finished: tuple[str, Path], text: Path, tmp_path: Path, share: float):
    kind, whole = finished
    folder = tmp_path / "run"
    step = int(share * STEPS[kind])
    code, said = stopped_at(step, folder, signal.SIGKILL, arguments(kind, text, folder))
    assert code == -signal.SIGKILL, said
    assert last_checkpoint(folder) == step - step % 2

    assert main([*COMMANDS[kind], "--resume", str(folder)]) == 0
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    last = f"checkpoints/step-{STEPS[kind]:08d}"
    assert (folder / last / "model.safetensors").read_bytes() == (whole / last / "model.safetensors").read_bytes()
    assert training_state(folder / last) == training_state(whole / last)
    assert steps_logged(folder) == steps_logged(whole)


def test_a_run_that_was_killed_in_pretraining_resumes_to_the_same_bits(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    whole, folder = tmp_path / "whole", tmp_path / "run"
    words = [*arguments("pretraining", text, whole)[:-1]]
    words[words.index("--pretraining") + 1] = "20"
    assert main([*words, str(whole)]) == 0
    code, said = stopped_at(5, folder / LANGUAGE_MODEL, signal.SIGKILL, [*words, str(folder)])
    assert code == -signal.SIGKILL, said
    assert last_checkpoint(folder) == 0
    assert last_checkpoint(folder / LANGUAGE_MODEL) == 4 < last_checkpoint(whole / LANGUAGE_MODEL)
    assert main(["status", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{folder} pretrains a language model first: {folder / LANGUAGE_MODEL}" in said
    assert "model        word_lm" in said
    lock = FolderLock(folder)  # as of a process that has pretrained, and trains the classifier now
    try:
        assert main(["status", str(folder)]) == 0
        said = capsys.readouterr().out
        assert "model        sentiment" in said
        assert f"process      {os.getpid()} is training in it" in said
        inner = FolderLock(folder / LANGUAGE_MODEL)
        assert main(["status", str(folder)]) == 0
        assert "model        word_lm" in capsys.readouterr().out
        inner.release()
    finally:
        lock.release()
    assert main([*COMMANDS["pretraining"], "--resume", str(folder)]) == 0
    for model in ("model.safetensors", f"{LANGUAGE_MODEL}/model.safetensors"):
        assert (folder / model).read_bytes() == (whole / model).read_bytes()


def test_a_polite_signal_saves_and_says_how_to_resume(finished: tuple[str, Path], text: Path, tmp_path: Path):
    kind, whole = finished
    folder = tmp_path / "run"
    code, said = stopped_at(6, folder, signal.SIGTERM, arguments(kind, text, folder))
    assert code == 128 + signal.SIGTERM, said
    assert last_checkpoint(folder) == 7  # none is due then
    assert f"rnnnlp {' '.join(COMMANDS[kind])} --resume {folder}" in said
    assert main([*COMMANDS[kind], "--resume", str(folder)]) == 0
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_shuffled_blocks_resume_in_the_same_order(text: Path, tmp_path: Path):
    options = [*SMALL, "--data", str(text), *"--steps 60 --batch-size 16 --bptt 16 --shuffle-blocks 64".split()]
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert main(["train", "charlm", *options, "--out", str(whole)]) == 0
    code, said = stopped_at(7, folder, signal.SIGKILL, ["train", "charlm", *options, "--out", str(folder)])
    assert code == -signal.SIGKILL, said
    assert last_checkpoint(folder) == 6
    assert main(["train", "charlm", "--resume", str(folder)]) == 0
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    last = "checkpoints/step-00000060"
    state = training_state(folder / last)
    assert state == training_state(whole / last)
    assert state[1]["position"]["epoch"] > 0  # the order has changed on the way


def test_resuming_a_finished_run_changes_nothing(finished: tuple[str, Path]):
    kind, whole = finished
    before = (whole / "model.safetensors").read_bytes()
    assert main([*COMMANDS[kind], "--resume", str(whole)]) == 0
    assert (whole / "model.safetensors").read_bytes() == before


def test_a_budget_resumes_with_the_time_that_was_left(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture, ticking: TickingClock, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "run"
    words = [*SMALL, "--data", str(text), "--budget", "1s", "--batch-size", "4", "--bptt", "16", "--out", str(folder)]
    advance = Trainer.advance

    def interrupted(trainer: Trainer, progress: Progress) -> None:
        advance(trainer, progress)
        if trainer.clock.step == 20:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", interrupted)
        assert main(["train", "charlm", *words]) == 128 + signal.SIGINT
    saved = json.loads((folder / f"checkpoints/step-{last_checkpoint(folder):08d}/training_state.json").read_bytes())
    assert saved["step"] == 20
    assert 0 < saved["seconds"] < 0.5
    ticking.seconds += 10  # a pause is not training time
    started = ticking.seconds
    assert main(["train", "charlm", "--resume", str(folder)]) == 0
    assert 0.9 - saved["seconds"] < ticking.seconds - started < 1.2 - saved["seconds"]
    end = json.loads((folder / f"checkpoints/step-{last_checkpoint(folder):08d}/training_state.json").read_bytes())
    assert end["step"] > saved["step"]
    assert 0.9 < end["seconds"] < 1.1
    more = f"{end['seconds'] + end['reserve'] / 2:f}"  # not enough for another evaluation
    assert main(["train", "charlm", "--resume", str(folder), "--budget", more]) == 2
    kept = written_duration(end["reserve"])
    assert f"and {kept} more are kept for the last evaluation; give more" in capsys.readouterr().err
    assert main(["train", "charlm", "--resume", str(folder), "--max-epochs", "9000"]) == 2
    assert "error: --budget is 1.0, and " in capsys.readouterr().err  # more epochs do not help
    for code in (0, 2):  # nor does more time after the last epoch
        assert main(["train", "charlm", "--resume", str(folder), "--budget", "+1h", "--max-epochs", "1"]) == code
    assert "error: --max-epochs is 1, and " in capsys.readouterr().err


def training_state(checkpoint: Path) -> tuple[dict[str, bytes], dict[str, object]]:
    """What a resume needs, without the clock's time."""
    tensors = load_file(checkpoint / "training_state.safetensors")
    state = json.loads((checkpoint / "training_state.json").read_bytes())
    del state["seconds"], state["reserve"], state["spent"]
    return {name: tensor.tobytes() for name, tensor in tensors.items()}, state


def steps_logged(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
