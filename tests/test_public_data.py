"""The commands on real public data, which is not part of the project: small models learn something from it."""

import json
from pathlib import Path

import pytest

from rnnnlp.cli.main import main

SMALL = "--hidden-size 64 --embedding-size 32 --evaluations 1".split()


def figures(run: Path, capsys: pytest.CaptureFixture, *words: str) -> dict:
    capsys.readouterr()
    assert main(["evaluate", str(run), *words, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_tiny_shakespeare(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    data = str(shared_data / "tinyshakespeare" / "input.txt")
    assert main(["train", "charlm", "--data", data, "--out", str(tmp_path / "run"), "--steps", "150", *SMALL]) == 0
    assert "1003854 tokens to train on, 111540 to validate" in capsys.readouterr().err
    found = figures(tmp_path / "run", capsys)
    assert found["tokens"] == 111_539
    assert found["nats_per_char"] < 2.4  # single characters by their frequency: 3.3


@pytest.mark.parametrize("name", ["sst2", "sst2_phrases"])
def test_sst2(name: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    data = str(shared_data / name)
    steps = ["--steps", "320", *SMALL]
    assert main(["train", "sentiment", "--data", data, "--out", str(tmp_path / "run"), *steps]) == 0
    found = figures(tmp_path / "run", capsys, "--data", data, "--split", "validation")
    assert found["examples"] == 872
    assert found["accuracy"] > 0.62  # always the same class: 0.51


def test_chinese_reviews_character_by_character(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    data = str(shared_data / "online_shopping_10_cats")
    words = ["--tokenizer", "char", "--max-length", "60", "--steps", "150", *SMALL]
    assert main(["train", "sentiment", "--data", data, "--out", str(tmp_path / "run"), *words]) == 0
    found = figures(tmp_path / "run", capsys, "--data", data, "--split", "validation")
    assert found["examples"] == 5297
    assert found["accuracy"] > 0.75
