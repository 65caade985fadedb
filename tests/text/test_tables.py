"""Tables: each format gives its texts unchanged, and an error that names what is wrong."""

import contextlib
import json
from pathlib import Path

import datasets
import pyarrow
import pyarrow.parquet
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text.formats import open_table
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.rows import LONGEST_LINE
from rnnnlp.text.tables import HubTable
from tests.text.samples import HARD_TEXTS

ROWS = [{"text": text, "label": i % 2, "other": 1.5} for i, text in enumerate(HARD_TEXTS) if text]


def quoted(value, separator):
    return '"' + str(value).replace('"', '""') + '"'


def write_table(path, rows=ROWS):
    """The rows as a file in the format of its suffix, written without the code under test."""
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        separator = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [separator.join(rows[0]), *(separator.join(quoted(v, separator) for v in row.values()) for row in rows)]
        path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_texts_are_read_unchanged(tmp_path, suffix):
    table = open_table(write_table(tmp_path / f"table{suffix}"))
    assert table.columns == ("text", "label", "other")
    assert [text for text, _ in table.rows(("text", "label"))] == [row["text"] for row in ROWS]
    assert [str(label) for (label,) in table.rows(("label",))] == [str(row["label"]) for row in ROWS]
    assert ["".join(document) for document in table.documents(None)] == [row["text"] for row in ROWS]


def test_data_set_of_the_datasets_library(tmp_path):
    dataset = datasets.Dataset.from_list(ROWS).cast_column("label", datasets.ClassLabel(names=["no", "yes"]))
    table = HubTable("a set", dataset)
    assert list(table.rows(("label", "text"))) == [(row["label"], row["text"]) for row in ROWS]
    assert table.class_names("label") == ("no", "yes")
    assert table.class_names("text") is None
    dataset.to_parquet(tmp_path / "table.parquet")
    assert open_table(tmp_path / "table.parquet").class_names("label") == ("no", "yes")


def test_columns_are_found_by_their_usual_names(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,Sentence,Label\n")
    table = open_table(path)
    assert table.find_text_column(None) == "Sentence"
    assert table.find_label_column(None) == "Label"
    assert table.find_text_column("id") == "id"
    with pytest.raises(UserError, match="has no column 'text'; its columns are id, Sentence, Label"):
        table.find_text_column("text")
    path.write_text("a,b\n")
    with pytest.raises(UserError, match=r"none of the usual columns text, .* columns are a, b: .* text_column"):
        open_table(path).find_text_column(None)


def test_rows_without_a_text_are_dropped_and_logged(tmp_path, caplog):
    path = write_table(tmp_path / "t.jsonl", [{"text": "a"}, {"text": None}, {"label": 1}, {"text": ""}])
    assert list(open_table(path).texts_and("text")) == [("a",), ("",)]
    assert "2 rows without a text dropped" in caplog.text
    (tmp_path / "t.csv").write_text('text,label\na,x\n,y\n"",z\n')  # a file that cannot tell the two apart
    assert list(open_table(tmp_path / "t.csv").texts_and("text")) == [("a",)]
    assert list(open_table(tmp_path / "t.csv").texts_and("text", keep_missing=True)) == [("a",), (None,), (None,)]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(("value", "kind"), [(["a"], "list"), ({"a": "b"}, "dict"), (1, "int")])
def test_columns_that_hold_no_text(tmp_path, suffix, value, kind):
    path = write_table(tmp_path / f"t{suffix}", [{"text": value}])
    with pytest.raises(UserError, match=f"row 1: column 'text' holds {kind}, expected text"):
        list(open_table(path).texts_and("text"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty; expected a header"),
        ("t.csv", b"text,label\na,b,c\n", "line 2: 3 fields, expected 2"),
        ("t.csv", b'text,label\n"never closed,1\n', "line 2: unexpected end of data"),
        ("t.csv", b"text,label\na\xff,1\n", "byte 12 is not valid UTF-8"),
        ("t.jsonl", b"\n\n", "is empty; expected one JSON object per line"),
        ("t.jsonl", b'{"text": "a"}\n{"text": \n', "line 2: not JSON"),
        ("t.jsonl", b'{"text": ' + b"[" * 100_000, "line 1: not JSON"),
        ("t.jsonl", b'{"text": ' + b"1" * 5_000 + b"}", "line 1: not JSON"),
        ("t.jsonl", b'["text"]\n', "item 1: str, expected an object"),
        ("t.jsonl", b'{"text": "\\ud800"}\n', "line 1: an escape stands for half a character"),
        ("t.parquet", b"", "cannot be read as parquet"),
        ("t.parquet", b"PAR1" + b"\0" * 40 + b"PAR1", "cannot be read as parquet"),
    ],
)
def test_damaged_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        list(open_table(path).texts_and(open_table(path).find_text_column(None)))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_parquet(tmp_path):
    path = write_table(tmp_path / "t.parquet", [{"text": str(i) * 50} for i in range(5000)])
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3 : len(whole) // 2] = bytes(len(whole) // 2 - len(whole) // 3)
    path.write_bytes(whole)
    with pytest.raises(UserError, match="cannot be read as parquet"):
        list(open_table(path).texts_and("text"))


def test_whole_surrogate_pairs_and_long_fields(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "\\ud83d\\udc69"}\n')
    assert list(open_table(path).rows(["text"])) == [("👩",)]
    path = write_table(tmp_path / "t.csv", [{"text": "long " * 100_000}])
    assert list(open_table(path).rows(["text"])) == [("long " * 100_000,)]


def test_deep_lists_beside_an_escape_are_read_or_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    for depth in range(800, 1000):
        path.write_text('{"text": "\\u2019", "x": ' + "[" * depth + "]" * depth + "}\n")
        with contextlib.suppress(UserError):
            list(open_table(path).rows(["text"]))


@pytest.mark.parametrize("form", [b"%s\n", b"[%s]"])
def test_objects_with_bytes_that_are_not_utf_8(form: bytes, tmp_path: Path):
    path = tmp_path / "t.jsonl"
    reading = ReadOptions().for_tokenizer("byte")
    path.write_bytes(form % b'{"text": "caf\xe9 \\u2019 \\ud83d\\udc69"}')
    assert list(open_table(path, reading).rows(["text"])) == [("caf\udce9 \u2019 \U0001f469",)]
    path.write_bytes(form % b'{"text": "caf\xe9 \\udce8"}')
    with pytest.raises(UserError, match=r"1: an escape stands for half a character \('\\udce8'\)"):
        list(open_table(path, reading).rows(["text"]))


@pytest.mark.parametrize("name", ["long.csv", "long.tsv", "long.jsonl"])
def test_a_line_that_is_not_a_row_is_refused_before_it_fills_the_memory(name: str, tmp_path: Path):
    path = tmp_path / name
    path.write_text('{"text": "a"}\n' if name == "long.jsonl" else "text\n")
    with path.open("a") as file:
        file.write("a" * (LONGEST_LINE + (1 << 20) + 1))
    with pytest.raises(UserError, match=r"line of more than 16,777,216 characters"):
        list(open_table(path).rows(("text",)))


def test_a_quote_that_is_never_closed_does_not_swallow_an_enormous_file(tmp_path: Path):
    path = tmp_path / "open.csv"
    path.write_text('text,label\n"' + "a line of text,1\n" * (1 << 20))
    with pytest.raises(UserError, match="field larger than field limit"):
        list(open_table(path).rows(("text",)))


def test_a_schema_that_is_nested_without_end_names_no_classes(tmp_path: Path):
    table = pyarrow.table({"text": ["a"], "label": [1]}).replace_schema_metadata({"huggingface": "[" * 100_000})
    pyarrow.parquet.write_table(table, tmp_path / "nested.parquet")
    assert open_table(tmp_path / "nested.parquet").class_names("label") is None


def test_columns_of_later_objects(tmp_path):
    """Unlabelled rows first, as of a pool in which some were labelled later."""
    rows = [{"text": f"text {k}"} for k in range(150)] + [{"text": "last", "label": "good", "tone": "glad"}]
    path = write_table(tmp_path / "pool.jsonl", rows)
    table = open_table(path, ReadOptions())
    assert table.find_label_column(None) == "label"
    assert list(table.texts_and("text", table.find_label_column("tone")))[-1] == ("last", "glad")
    with pytest.raises(UserError, match="has no column 'mood'"):
        table.find_label_column("mood")
