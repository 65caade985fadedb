"""The options of reading, from the command line to the files: encodings, quoting, and bytes."""

import io
import json
import os
from pathlib import Path

import pytest

from rnnnlp import CharLM, Ensemble, SentimentClassifier
from rnnnlp.cli.main import main
from tests.cli.furnished import TINY

GOOD, BAD = "房间很干净", "服务员很差"
ROWS = [(GOOD, "pos"), (BAD, "neg")] * 10


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews in GB18030, a classifier trained on them, and a byte model of what is not text."""
    home = tmp_path_factory.mktemp("home")
    table = "text\tlabel\n" + "".join(f'"{text}\t{label}\n' for text, label in ROWS)
    (home / "gb.tsv").write_bytes(table.encode("gb18030"))
    (home / "utf8.tsv").write_text(table, encoding="utf-8")
    (home / "tune.mid").write_bytes(bytes(range(256)) * 8)
    reading = ["--data", str(home / "gb.tsv"), "--encoding", "gb18030", "--quoting", "none"]
    assert main(["train", "sentiment", *reading, "--out", str(home / "run"), *TINY]) == 0
    tune = ["--data", str(home / "tune.mid"), "--tokenizer", "byte"]
    assert main(["train", "charlm", *tune, "--out", str(home / "lm"), *TINY]) == 0
    return home


def evaluated(home: Path, *words: str) -> int:
    assert main(["evaluate", str(home / "run"), "--json", str(home / "out.json"), *words]) == 0
    return json.loads((home / "out.json").read_text())["examples"]


def test_a_run_reads_its_own_data_as_it_was_told(home: Path, capsys: pytest.CaptureFixture):
    training = json.loads((home / "run" / "config.json").read_text())["training"]
    assert (training["encoding"], training["quoting"]) == ("gb18030", "none")
    assert "--encoding gb18030 --quoting none" in (home / "run" / "README.md").read_text()
    assert evaluated(home) == 2
    assert main(["evaluate", str(home / "run"), "--data", str(home / "gb.tsv")]) == 0


def test_other_data_are_read_as_they_are(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    evaluated(home, "--data", str(home / "utf8.tsv"))
    (tmp_path / "copy.tsv").write_bytes((home / "gb.tsv").read_bytes())
    assert main(["evaluate", str(home / "run"), "--data", str(tmp_path / "copy.tsv")]) == 2
    assert "it may be gb18030: give --encoding gb18030" in capsys.readouterr().err
    evaluated(home, "--data", str(tmp_path / "copy.tsv"), "--encoding", "gb18030")


def test_predict_reads_encodings(home: Path, capsys: pytest.CaptureFixture):
    words = ["predict", str(home / "run"), "--file", str(home / "gb.tsv"), "--json", "-"]
    assert main(words) == 2
    capsys.readouterr()
    assert main([*words, "--encoding", "gb18030"]) == 0
    texts = [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]
    assert texts == ['"' + text for text, _ in ROWS]
    assert main([*words, "--encoding", "gb18030", "--quoting", "csv"]) == 2
    assert main(["predict", str(home / "run"), "text", "--encoding", "utf-8"]) == 2


def test_ensembles_read_the_data_of_the_first_run(home: Path, tmp_path: Path):
    runs = [str(home / "run")] * 2
    ensemble = Ensemble.from_runs(runs, data=str(home / "gb.tsv"), encoding="gb18030", out=tmp_path / "out")
    assert len(ensemble.members) == 2
    assert main(["evaluate", str(tmp_path / "out")]) == 0
    assert main(["ensemble", *runs, "--out", str(tmp_path / "other")]) == 0
    assert "--encoding gb18030" in (tmp_path / "out" / "README.md").read_text()


def test_bytes_are_given_back(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "new.mid"
    assert main(["generate", str(home / "lm"), "--length", "300", "--seed", "1", "--out", str(out)]) == 0
    written = out.read_bytes()
    assert len(written) == 300
    model = CharLM.from_pretrained(home / "lm")
    text = model.generate(length=300, seed=1, errors="surrogateescape")
    assert text.encode("utf-8", "surrogateescape") == written
    assert model.generate(length=300, seed=1) == written.decode("utf-8", "replace")
    assert main(["evaluate", str(home / "lm")]) == 0


def test_pretraining_with_bytes_takes_any_file(home: Path, tmp_path: Path):
    words = ["pretrain", "--data", str(home / "tune.mid"), "--tokenizer", "byte", "--out", str(tmp_path / "run")]
    assert main([*words, *TINY]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--data", str(home / "tune.mid")]) == 0


def test_bytes_are_given_to_standard_output(home: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]):
    words, out = ["generate", str(home / "lm"), "--length", "300", "--seed", "1", "--out"], tmp_path / "new.mid"
    assert main([*words, str(out)]) == main([*words, "-"]) == 0
    assert capsysbinary.readouterr().out == out.read_bytes()
    assert not Path("-").exists()


def test_python_takes_the_same_options(home: Path):
    options = {"encoding": "gb18030", "quoting": "none"}
    assert SentimentClassifier(**options).get_params()["quoting"] == "none"
    tiny = dict(hidden_size=4, embedding_size=3, steps=2, batch_size=2, bptt=8, evaluations=1)
    model = CharLM(encoding="gb18030", text_column="label", **tiny).fit(home / "gb.tsv")
    assert model.training_["encoding"] == "gb18030"


def said_after(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """What the command says, which must be one line of an error."""
    capsys.readouterr()
    assert main(words) == 2
    return capsys.readouterr().err


def test_standard_input_that_is_closed_or_a_table(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    predict = ["predict", str(home / "run")]
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdin", None)
        assert "there is no standard input; give the texts" in said_after(predict, capsys)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text,label\ngood,pos\n")))
    assert "standard input is a table with a header; expected one text per line" in said_after(predict, capsys)


def test_pipes_and_names_that_are_no_unicode(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    os.mkfifo(tmp_path / "pipe.csv")
    for command in ("charlm", "sentiment"):
        for data in (tmp_path / "pipe.csv", "/dev/zero"):
            said = said_after(["train", command, "--data", str(data), "--out", str(tmp_path / "run")], capsys)
            assert f"{data} is a pipe or a device; expected a file" in said
    words = ["train", "sentiment", "--data", "caf\udce9.csv", "--out", str(home / "run"), "--overwrite"]
    assert "which has bytes that are not UTF-8; give another name, or rename the file" in said_after(words, capsys)
    assert main(["predict", str(home / "run"), "text"]) == 0  # the run is still there


def test_one_column_for_both_and_output_over_input(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "a.csv"
    path.write_text("text,label\ngood,pos\nbad,neg\n")
    words = ["train", "sentiment", "--data", str(path), "--text-column", "label"]
    assert "column 'label' is taken for the texts and for the labels; name another one" in said_after(words, capsys)
    words = ["predict", str(home / "run"), "--file", str(path), "--json", str(path)]
    assert "is a file that this command reads; give another path" in said_after(words, capsys)
    assert path.read_text().startswith("text,label")


def test_a_text_that_is_the_name_of_a_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "reviews.txt"
    path.write_text("good")
    said = said_after(["predict", str(home / "run"), str(path)], capsys)
    assert "is the name of a file; to classify its texts, give --file" in said


def test_classes_and_upper_case_suffixes_are_said_and_read(tmp_path: Path, capsys: pytest.CaptureFixture):
    for number, name in enumerate(("a.txt", "b.TXT", "c.txt", "d.TXT")):
        for label in ("neg", "pos"):
            (tmp_path / "data" / label).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / label / name).write_text(f"{label} {number}")
    assert main(["train", "sentiment", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), *TINY]) == 0
    assert "2 classes (and their texts): neg (4), pos (4)" in capsys.readouterr().err
