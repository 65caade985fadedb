"""The commands on real public data, which is not part of the project: small models learn something from it."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from rnnnlp.cli.main import main
from rnnnlp.text import load_labelled

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


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
def test_chinese_reviews_as_a_text(tokenizer: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    texts = load_labelled(str(shared_data / "online_shopping_10_cats"), splits=("test",)).splits["test"].texts
    train, validation = "\n".join(texts[:3000]), "\n".join(texts[3000:3100])
    for split, part in {"train": texts[:3000], "validation": texts[3000:3100]}.items():
        lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in part]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    run = str(tmp_path / "run")
    words = ["--data", str(tmp_path), "--tokenizer", tokenizer, "--steps", "150", "--batch-size", "8", *SMALL]
    assert main(["train", "charlm", *words, "--out", run]) == 0
    found = figures(tmp_path / "run", capsys)
    assert found["tokens"] + 1 == len(validation if tokenizer == "char" else validation.encode())

    counts = Counter(train)
    share = {c: (counts[c] + 1) / (len(train) + len(counts)) for c in validation}
    by_frequency = -sum(math.log2(share[c]) for c in validation) / len(validation)  # 8.3 bits
    assert found["bits_per_char"] < (by_frequency if tokenizer == "char" else 1.5 * by_frequency)

    assert main(["generate", run, "--prompt", "这个", "--length", "300", "--seed", "1"]) == 0
    written = capsys.readouterr().out.removeprefix("这个").removesuffix("\n")
    written.encode()  # raises an error for what is not a character
    assert written.count("\ufffd") < 0.2 * len(written)  # bytes that are not UTF-8
    chinese = sum("\u4e00" <= c <= "\u9fff" for c in written)
    assert chinese > 0.5 * len(written)
    assert len(written) == 300 if tokenizer == "char" else 80 < len(written) < 300
