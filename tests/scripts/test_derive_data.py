"""Data sets that are made from others: a rare class has its share, and parts stay apart."""

import json
from collections import Counter
from pathlib import Path

import derive_data
import pyarrow as pa
import pytest
from pyarrow import parquet


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split, number in (("train", 90), ("test", 30)):
        rows = [{"label": k % 2, "cat": "abc"[k % 3], "review": f"{split} text {k}"} for k in range(number)]
        (tmp_path / "data").mkdir(exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / f"{split}.parquet")
    return tmp_path / "data"


def made(out: Path, split: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_rare_class(data: Path, tmp_path: Path):
    for out in ("one", "other"):
        assert derive_data.main(["--data", str(data), "--rare", "0=0.1", "--out", str(tmp_path / out)]) == 0
    assert Counter(row["label"] for row in made(tmp_path / "one", "train")) == {1: 45, 0: 5}
    assert Counter(row["label"] for row in made(tmp_path / "one", "test")) == {1: 15, 0: 2}
    assert all(row["text"].startswith("test") for row in made(tmp_path / "one", "test"))
    assert made(tmp_path / "one", "train") == made(tmp_path / "other", "train")


def test_classes_of_two_columns(data: Path, tmp_path: Path):
    words = ["--data", str(data), "--by", "cat=a,c", "--rare", "a 0=0.1", "--out", str(tmp_path / "out")]
    assert derive_data.main(words) == 0
    assert Counter(row["label"] for row in made(tmp_path / "out", "train")) == {
        "a 1": 15,
        "c 0": 15,
        "c 1": 15,
        "a 0": 5,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rare", "0=0.6"], "--rare is 0=0.6; give LABEL=SHARE with a label of the data and less than its share"),
        (["--rare", "7=0.1"], "--rare is 7=0.1; give"),
        (["--rare", "0"], "--rare is 0; give"),
        (["--by", "cat=z"], "--by is cat=z, and no row has such a value"),
        (["--data", "nowhere"], "--data nowhere has no train"),
        (["--out", "."], "--out . is there already"),
    ],
)
def test_mistakes(data: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert derive_data.main(["--data", str(data), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("columns", [{"label": pa.array([], "int64")}, {"text": ["a", "b"]}])
def test_data_without_labels(columns: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    parquet.write_table(pa.table(columns), tmp_path / "train.parquet")
    assert derive_data.main(["--data", str(tmp_path), "--rare", "0=0.1", "--out", str(tmp_path / "out")]) == 2
    assert "train.parquet has no rows with a label; give" in capsys.readouterr().err
