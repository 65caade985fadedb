"""The simulation of labelling: each choice has its row, and only the training split is read."""

import pytest
from simulate_labelling import main


@pytest.mark.parametrize("model", ["linear", "network"])
def test_each_choice_has_its_row(model: str, tmp_path, capsys):
    words = "plot cast score light sound story scene voice music ending".split()
    rows = [f"a {kind} {a} and {b},{kind}\n" for a in words for b in words for kind in ("good", "bad")]
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(rows))
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
