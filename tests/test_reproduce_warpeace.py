"""scripts/reproduce_warpeace.py on a small text: its splits, its test figures, and that it resumes."""

import importlib.util
import json
import signal
from pathlib import Path

import pytest

from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.tasks.language_modelling import language_model_loss

SCRIPT = Path(__file__).parents[1] / "scripts" / "reproduce_warpeace.py"
SPLITS = ("train", "validation", "test")
TEXT = "".join(f"{n}: well, Prince, so Genoa and Lucca\r\n" for n in range(60))


@pytest.fixture
def main(tmp_path, monkeypatch):
    """The script with a small text and a short training; takes the name of its folder and further words."""
    monkeypatch.setenv("RNNNLP_CACHE", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("reproduce_warpeace", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    (tmp_path / "input.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    words = [
        "--data",
        str(tmp_path / "input.txt"),
        "--sizes",
        "8",
        "--batch-size",
        "2",
        "--bptt",
        "16",
        "--threads",
        "1",
    ]
    return lambda out, *more: script.main([*words, "--out", str(tmp_path / out), "--steps", "12", *more])


def test_table_and_rows(main, tmp_path, capsys):
    assert main("out", "--cells", "gru,elman", "--layers", "1,2", "--segments", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["gru-1x8", "gru-2x8", "elman-1x8", "elman-2x8"]
    parts = [part.read_bytes().decode() for name in SPLITS for part in (tmp_path / "out").glob(f"data-1-*/{name}.txt")]
    assert "".join(parts) == TEXT
    assert [round(len(part) / len(TEXT), 2) for part in parts] == [0.8, 0.1, 0.1]
    row = json.loads((tmp_path / "out/gru-2x8.json").read_text())
    model = CharLMNetwork.from_pretrained(tmp_path / "out/gru-2x8")
    loss_sum, count = language_model_loss(model, model.tokenizer.encode(parts[2]))
    assert row["test"] == pytest.approx(loss_sum / count, rel=1e-5)
    assert (model.config.cell, model.config.num_layers, row["steps"]) == ("gru_reset_first", 2, 12)


def test_each_segment_is_split(main, tmp_path):
    main("out", "--cells", "elman", "--segments", "4")
    parts = [part.read_bytes().decode() for name in SPLITS for part in (tmp_path / "out").glob(f"data-4-*/{name}.txt")]
    length = len(TEXT) // 4  # no segment is more than one character longer than another
    for number in range(4):
        start, stop = len(TEXT) * number // 4, len(TEXT) * (number + 1) // 4
        assert stop - start in (length, length + 1)
        ends = start + int(0.8 * (stop - start)), start + int(0.9 * (stop - start))
        for part, expected in zip(
            parts, (TEXT[start : ends[0]], TEXT[slice(*ends)], TEXT[ends[1] : stop]), strict=True
        ):
            assert expected in part
    assert sum(map(len, parts)) == len(TEXT)


def test_finished_rows_are_kept_and_others_trained(main, tmp_path):
    main("out", "--cells", "lstm")
    row = tmp_path / "out/lstm-1x8.json"
    before = row.stat().st_mtime_ns, row.read_text()
    main("out", "--cells", "lstm")
    assert before == (row.stat().st_mtime_ns, row.read_text())
    main("out", "--cells", "lstm", "--lr", "0.5")
    assert json.loads(row.read_text())["options"]["lr"] == 0.5
    other = tmp_path / "other.txt"
    other.write_text(TEXT.upper())
    before = json.loads(row.read_text())
    main("out", "--cells", "lstm", "--lr", "0.5", "--data", str(other))
    assert json.loads(row.read_text())["test"] != before["test"]


def test_interrupted_row_resumes(main, tmp_path, monkeypatch):
    main("whole", "--cells", "lstm", "--dropout", "0.2")
    gradients, steps = CharLMObjective.gradients, []

    def interrupting(task, shard, *, rng):
        steps.append(1)
        if len(steps) == 7:
            signal.raise_signal(signal.SIGINT)
        return gradients(task, shard, rng=rng)

    monkeypatch.setattr(CharLMObjective, "gradients", interrupting)
    assert main("parts", "--cells", "lstm", "--dropout", "0.2") == 128 + signal.SIGINT
    assert not (tmp_path / "parts/lstm-1x8.json").exists()
    assert main("parts", "--cells", "lstm", "--dropout", "0.2") == 0
    assert len(steps) == 12
    whole, parts = (json.loads((tmp_path / out / "lstm-1x8.json").read_text()) for out in ("whole", "parts"))
    assert parts["test"] == whole["test"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cells", "tree"], "--cells has 'tree'; it must be some of lstm, lstm_rms_norm, gru, elman"),
        (["--segments", "0"], "--segments is 0; it must be from 1 to 1000"),
        (["--layers", "one"], "--layers is 'one'; it must be numbers"),
        (["--data", "no/such.txt"], "--data no/such.txt: no such file"),
    ],
)
def test_refused_in_one_line(main, words, message, capsys):
    assert main("out", *words) == 2
    assert message in capsys.readouterr().err
