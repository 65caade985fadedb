"""A run is resumed on the data that it was trained on, to the last character; otherwise what changed is named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tensors import save_tensors
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS, RunFolder

TINY = "--hidden-size 4 --embedding-size 3 --batch-size 2 --bptt 8 --evaluations 1 --steps".split()
LINES = [f"line {i} of {i * i}\n" for i in range(2000)]
UNKNOWN = [*LINES[:400], "café\n", *LINES[400:499]]  # é is not in the training text
ROWS = [f"a film with {i} stars,{('bad', 'good')[i % 2]}" for i in range(40)]


def write(folder: Path, train: list[str], validation: list[str]) -> None:
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "train.txt").write_text("".join(train))
    (folder / "texts" / "validation.txt").write_text("".join(validation))


def write_rows(folder: Path, train: list[str], validation: list[str]) -> None:
    (folder / "rows").mkdir(exist_ok=True)
    (folder / "rows" / "train.csv").write_text("\n".join(["text,label", *train]))
    (folder / "rows" / "validation.csv").write_text("\n".join(["text,label", *validation]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write(home, LINES, UNKNOWN)
    write_rows(home, ROWS[:30], ROWS[30:])
    for command, data in (("charlm", "texts"), ("sentiment", "rows")):
        words = ["train", command, "--data", str(home / data), "--out", str(home / command), *TINY, "3"]
        assert main(words) == 0
    assert main(["pretrain", "--data", str(home / "texts"), "--out", str(home / "pretrain"), *TINY, "3"]) == 0
    return home


def swapped(rows: list[str], i: int, k: int) -> list[str]:
    rows = list(rows)
    rows[i], rows[k] = rows[k], rows[i]
    return rows


def other(rows: list[str], i: int, old: str, new: str) -> list[str]:
    assert old in rows[i]
    return [*rows[:i], rows[i].replace(old, new), *rows[i + 1 :]]


TRAIN, VALIDATION = ROWS[:30], ROWS[30:]
CHANGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a character in the middle": (
        "charlm",
        lambda home: write(home, other(LINES, 1000, "of", "fo"), UNKNOWN),
        "(the training text, the text as a whole changed)",
    ),
    "lines in another order": (
        "charlm",
        lambda home: write(home, swapped(LINES, 900, 901), UNKNOWN),
        "(the training text, the text as a whole changed)",
    ),
    "validation": (
        "charlm",
        lambda home: write(home, LINES, other(UNKNOWN, 300, "line", "enil")),
        "(the validation text, the text as a whole changed)",
    ),
    "a character that is not in the vocabulary": (
        "charlm",
        lambda home: write(home, LINES, other(UNKNOWN, 400, "é", "ê")),
        "(the text as a whole changed)",
    ),
    "both": (
        "charlm",
        lambda home: write(home, LINES[:-1], LINES[:400]),
        "(the training text, the validation text, the text as a whole changed)",
    ),
    "validation of language models of words": (
        "pretrain",
        lambda home: write(home, LINES, swapped(UNKNOWN, 100, 101)),
        "(the validation text, the text as a whole changed)",
    ),
    "a word": (
        "sentiment",
        lambda home: write_rows(home, other(TRAIN, 9, "film", "with"), VALIDATION),
        "(the training texts changed)",
    ),
    "a label": (
        "sentiment",
        lambda home: write_rows(home, other(TRAIN, 9, "good", "bad"), VALIDATION),
        "(the training labels changed)",
    ),
    "validation labels": (
        "sentiment",
        lambda home: write_rows(home, TRAIN, [row.replace("bad", "good") for row in VALIDATION]),
        "(the validation labels changed)",
    ),
    "rows of validation in another order": (
        "sentiment",
        lambda home: write_rows(home, TRAIN, swapped(VALIDATION, 0, 2)),
        "(the validation texts changed)",
    ),
    "a word that moved to the next text": (
        "sentiment",
        lambda home: write_rows(home, TRAIN, other(other(VALIDATION, 0, " stars", ""), 1, "a film", "stars a film")),
        "(the validation texts changed)",
    ),
    "names of classes": (
        "sentiment",
        lambda home: write_rows(home, *([row.replace("bad", "awful") for row in rows] for rows in (TRAIN, VALIDATION))),
        "(the names of the classes changed)",
    ),
}


def resume(home: Path, command: str, run: Path) -> int:
    task = ["pretrain"] if command == "pretrain" else ["train", command]
    return main([*task, "--resume", str(run), "--steps", "5"])


@pytest.mark.parametrize("change", CHANGES)
def test_changed_data_are_named(home: Path, tmp_path: Path, change: str, capsys: pytest.CaptureFixture):
    command, make, expected = CHANGES[change]
    write(home, LINES, UNKNOWN)
    write_rows(home, TRAIN, VALIDATION)
    run = tmp_path / "run"
    shutil.copytree(home / command, run)
    make(home)
    assert resume(home, command, run) == 2
    said = capsys.readouterr().err
    assert f" was trained on {expected}; give the place of those data, or begin a new run" in said
    write(home, LINES, UNKNOWN)
    write_rows(home, TRAIN, VALIDATION)
    assert resume(home, command, run) == 0


def test_a_checkpoint_of_an_earlier_version_knows_a_part(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    write(home, LINES, UNKNOWN)
    run = tmp_path / "run"
    shutil.copytree(home / "charlm", run)
    checkpoint = RunFolder(run).checkpoints()[-1]
    state = json.loads((checkpoint / STATE).read_bytes())
    state["data"] = "31780:0123456789abcdef"
    seal(checkpoint, state)
    assert resume(home, "charlm", run) == 2
    assert "(the training data changed)" in capsys.readouterr().err
    ids = CharLMNetwork.from_pretrained(run).tokenizer.encode("".join(LINES))
    state["data"] = (
        f"{len(ids)}:{hashlib.sha256(np.concatenate([ids[:4096], ids[-4096:]]).astype('<i8')).hexdigest()[:16]}"
    )
    seal(checkpoint, state)
    assert resume(home, "charlm", run) == 0
    assert "of an earlier version: only a part of its data can be recognised again" in capsys.readouterr().err
    saved = json.loads((RunFolder(run).checkpoints()[-1] / STATE).read_bytes())["data"]
    assert set(saved) == {"the training text", "the validation text", "the text as a whole"}


def seal(checkpoint: Path, state: dict) -> None:
    (checkpoint / STATE).write_text(json.dumps(state))
    path = checkpoint / STATE_TENSORS
    save_tensors(path, load_file(path), beside=BESIDE_STATE)
