"""Standard output and standard error that cannot show every character, are closed, full, or read by nobody."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from tests.runs import trained, trained_on

TEXTS = ["a good film, café", "质量很好，真的", "плохо", "🙂 \u2028"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    rows = "".join(
        f"{text} 很好 {i},{label}\n" for i in range(10) for text, label in zip(TEXTS, "好坏好坏", strict=True)
    )
    for name in ("train", "validation", "test"):
        (home / f"{name}.csv").write_text("text,label\n" + rows.replace(", café", " café"), encoding="utf-8")
    (home / "book.txt").write_text("质量很好 café\n" * 60, encoding="utf-8")
    tiny = {"hidden_size": 8, "embedding_size": 6, "steps": 2, "evaluations": 1}
    trained_on(TEXTS * 10, list("好坏好坏") * 10, home / "classifier", **tiny)
    trained("char_lm", home / "language_model", data=str(home / "book.txt"), bptt=8, batch_size=2, **tiny)
    return home


COMMANDS = {
    "predict {home}/classifier --file {home}/texts.txt": 4,
    "predict {home}/classifier --file {home}/texts.txt --explain": 8,
    "predict {home}/classifier --file {home}/texts.txt --json -": 4,
    "predict {home}/classifier --file {home}/texts.txt --json - --explain": 4,
    "predict {home}/classifier --file {home}/texts.txt --uncertain 4": 5,
    "evaluate {home}/classifier --data {home} --split test --mistakes 3": 3,
    "evaluate {home}/classifier --data {home} --split test --json -": 1,
    "generate {home}/language_model --prompt 质量 --length 20 --seed 1": 1,
    "status {home}/classifier": 3,
    "info": 3,
    "train charlm --data {home}/book.txt --steps 1 --hidden-size 4 --bptt 8 --batch-size 1 --out {new}": 0,
    "predict {home}/没有 text": 0,
    "plot {home}/classifier --json -": 1,
}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "koi8-r", "gb2312", "utf-8"])
@pytest.mark.parametrize("command", COMMANDS)
def test_any_encoding(command, encoding, home, tmp_path, monkeypatch):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = main([word.format(home=home, new=tmp_path / "new") for word in command.split()])
    err.flush()
    of_out = "utf-8" if "--uncertain" in command or command.startswith("generate") else encoding  # texts, as in a file
    said, errors = out.buffer.getvalue().decode(of_out, "strict"), err.buffer.getvalue().decode(encoding, "strict")
    assert code == (2 if "没有" in command else 0), errors
    assert said.count("\n") >= COMMANDS[command]
    if "--uncertain" in command:
        assert [text for text in TEXTS if text not in said] == []
    if command.startswith("generate"):
        assert said.startswith("质量")
    if "--json -" in command:
        found = [json.loads(line) for line in said.split("\n")[:-1]]
        if command.startswith("predict"):
            assert [prediction["text"] for prediction in found] == TEXTS


def run(command: str, home: Path, **streams) -> subprocess.CompletedProcess[str]:
    script = f"{sys.executable} -m rnnnlp.cli.main {command}".format(home=home)
    return subprocess.run(["bash", "-c", script], stderr=subprocess.PIPE, text=True, env=os.environ, **streams)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
@pytest.mark.parametrize("command", ["predict {home}/classifier text", "info"])
def test_full_output_is_an_error(command, home):
    done = run(f"{command} > /dev/full", home)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("rnnnlp: error: reading or writing: No space left on device; ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert run(f"{command} 2> /dev/full", home, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
def test_a_training_does_not_end_because_its_log_is_full(home, tmp_path):
    (tmp_path / "text.txt").write_text("To be, or not to be.\n" * 20)
    words = f"--data {tmp_path}/text.txt --out {tmp_path}/run --steps 2 --hidden-size 4 --bptt 8 --batch-size 2"
    assert run(f"train charlm {words} 2> /dev/full", home).returncode == 0
    assert (tmp_path / "run" / "model.safetensors").is_file()


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed, home):
    done = run(f"predict {{home}}/classifier text {closed}", home, stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    done = run(f"predict {{home}}/nothing text {closed}", home, stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stdout == ""  # an error is not a result


def test_output_that_nobody_reads(home, tmp_path):
    (tmp_path / "many.txt").write_text("a good film\n" * 20_000)
    script = f"predict {{home}}/classifier --file {tmp_path}/many.txt | head -1; exit ${{{{PIPESTATUS[0]}}}}"
    done = run(script, home, stdout=subprocess.PIPE)
    assert done.returncode == 141
    assert done.stdout.count("\n") == 1
    assert [line for line in done.stderr.splitlines() if not line.startswith("kernels:")] == []
