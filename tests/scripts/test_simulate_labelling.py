"""The simulation of labelling: each choice has its row, and only the training split is read."""

from pathlib import Path

import pytest
from simulate_labelling import main


def write_reviews(folder: Path) -> None:
    """200 texts to train on."""
    words = "plot cast score light sound story scene voice music ending".split()
    rows = [f"a {kind} {a} and {b},{kind}\n" for a in words for b in words for kind in ("good", "bad")]
    (folder / "train.csv").write_text("text,label\n" + "".join(rows))


@pytest.mark.parametrize("model", ["linear", "network"])
def test_each_choice_has_its_row(model: str, tmp_path, capsys):
    write_reviews(tmp_path)
    (tmp_path / "test.csv").write_text("text,label\nthis would be refused,other\n")
    options = ["--data", str(tmp_path), "--start", "10", "--add", "5", "--seeds", "1", "--model", model, "--copies"]
    assert main([*options, "--budget", "0.1s"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| 10 labels",
        "| random",
        "| smallest margins",
        "| uncertain",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--start 100", "--start is 100; it must be less than 100, the texts that are not held out"),
        ("--start 0", "--start is 0; it must be at least 1"),
        ("--add -1", "--add is -1; it must be at least 1"),
        ("--seeds 0", "--seeds is 0; it must be at least 1"),
    ],
)
def test_numbers_that_cannot_be(words: str, message: str, tmp_path, capsys):
    write_reviews(tmp_path)
    assert main(["--data", str(tmp_path), "--model", "linear", *words.split()]) == 2
    assert message in capsys.readouterr().err
