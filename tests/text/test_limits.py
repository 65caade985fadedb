"""What comes out of a data file has limits; beyond them it is refused in one line."""

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import load_corpus, load_labelled, load_plain_texts
from rnnnlp.text.formats import open_table
from rnnnlp.text.plain import stream_plain_texts

LINE = b"a line that comes again and again\n"


def text_of(path: Path) -> str:
    return "".join(load_corpus(str(path)).chunks("train"))


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_file_does_not_expand_without_limit(tmp_path, monkeypatch, suffix):
    import pyarrow

    monkeypatch.setattr("rnnnlp.text.unpacked._SMALL", 1 << 20)
    path = tmp_path / f"a.txt.{suffix}"
    for size, is_read in ((900_000, True), (1_200_000, False)):
        content = LINE * (size // len(LINE))
        if suffix == "zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.txt", content)
        else:
            pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
            pack["zst"] = lambda content: pyarrow.compress(content, codec="zstd", asbytes=True)
            path.write_bytes(pack[suffix](content))
        if is_read:
            assert text_of(path) == content.decode()
        else:
            with pytest.raises(UserError, match=r"holds more than 50 times its size, .* decompress it first"):
                text_of(path)


def test_compressed_too_often_or_by_an_unusual_method(tmp_path):
    content = LINE
    for _ in range(3):
        content = gzip.compress(content)
    (tmp_path / "a.txt.gz").write_bytes(content)
    assert text_of(tmp_path / "a.txt.gz") == LINE.decode()
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match=r"b\.txt\.gz is compressed more than 3 times; expected text or a table"):
        text_of(tmp_path / "b.txt.gz")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", LINE)
    with pytest.raises(UserError, match="is a zip archive with an unusual compression"):
        text_of(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", LINE)
        archive.writestr("mimetype", bytes(1000), zipfile.ZIP_LZMA)  # which is looked into first
    with pytest.raises(UserError, match="is a zip archive with an unusual compression"):
        text_of(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a.txt", LINE)
    (tmp_path / "b.zip.gz").write_bytes(gzip.compress((tmp_path / "b.zip").read_bytes()))
    with pytest.raises(UserError, match="is a zip archive that is compressed once more"):
        text_of(tmp_path / "b.zip.gz")


@pytest.mark.parametrize("locator", [b"", b"PK\6\7"])
def test_the_directory_of_a_zip_archive_has_a_limit(tmp_path, monkeypatch, locator):
    """Also if what seems to locate a 64-bit size is before its end, which is then ignored."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", LINE)
    content = (tmp_path / "a.zip").read_bytes()
    at = content.rindex(b"PK\5\6")
    size = int.from_bytes(content[at + 12 : at + 16], "little")
    padding = bytes(56) + locator.ljust(20, b"\0")  # in the comment of the file, so it is of the directory
    entry = content.rindex(b"PK\1\2")
    directory = bytearray(content[entry:at] + padding)
    directory[32:34] = len(padding).to_bytes(2, "little")
    end = bytearray(content[at:])
    end[12:16] = (size + len(padding)).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content[:entry] + directory + end)
    assert text_of(tmp_path / "a.zip") == LINE.decode()
    monkeypatch.setattr("rnnnlp.text.unpacked._LARGEST_DIRECTORY", size + len(padding) - 1)
    with pytest.raises(UserError, match="is a zip archive of thousands of files"):
        text_of(tmp_path / "a.zip")


def write_parquet(path: Path, **columns: list) -> None:
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def test_parquet_files_with_large_values(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    write_parquet(path, text=["é" * 1000, "b"] * 3, label=[0, 1] * 3)
    monkeypatch.setattr("rnnnlp.text.tables.LONGEST_LINE", 1000)  # characters
    assert [len(text) for text in load_plain_texts(path)] == [1000, 1] * 3  # one at a time
    monkeypatch.setattr("rnnnlp.text.tables.BATCH_SIZE", 3000)
    assert [len(text) for text in load_plain_texts(path)] == [1000, 1] * 3  # one row in a batch
    monkeypatch.setattr("rnnnlp.text.tables.LONGEST_LINE", 999)
    with pytest.raises(UserError, match="column 'text' has a text of more than 999 characters; divide it into several"):
        load_plain_texts(path)
    monkeypatch.setattr("rnnnlp.text.tables.LONGEST_LINE", 1000)
    monkeypatch.setattr("rnnnlp.text.unpacked._SMALL", 10)
    monkeypatch.setattr("rnnnlp.text.unpacked.MOST_EXPANSION", 1)
    with pytest.raises(UserError, match="holds more than 1 times its size"):
        load_plain_texts(path)


@pytest.mark.parametrize("text", ["a text", None])
def test_a_parquet_file_with_too_many_rows_is_refused_before_one_is_used(tmp_path, monkeypatch, text):
    monkeypatch.setattr("rnnnlp.text.unpacked._SMALL", 1 << 18)
    for rows, is_read in ((8000, True), (30_000, False)):
        write_parquet(tmp_path / "a.parquet", text=[text, "b"] * (rows // 2), label=[0, 1] * (rows // 2))
        batches = stream_plain_texts(tmp_path / "a.parquet")
        if is_read:
            assert next(batches)[:2] == [text, "b"]
        else:
            with pytest.raises(UserError, match="as a decompression bomb does"):
                next(batches)


def test_parquet_columns_of_many_bytes_are_named_as_no_text(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", text=[b"a" * 900] * 3)
    monkeypatch.setattr("rnnnlp.text.tables.LONGEST_LINE", 1000)
    with pytest.raises(UserError, match="column 'text' holds bytes, expected text"):
        load_plain_texts(tmp_path / "a.parquet")


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_the_largest_value_of_a_dictionary_is_found(tmp_path, monkeypatch, compression):
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    rows = ["a" * 5000, "b", None, "c" * 70] * 50
    pyarrow.parquet.write_table(pyarrow.table({"text": rows}), path, compression=compression)
    monkeypatch.setattr("rnnnlp.text.tables.BATCH_SIZE", 25_000)
    table = open_table(path)
    assert table._rows_of_batch(["text"]) == 5
    assert [text for (text,) in table.rows(["text"])] == rows


def test_parquet_columns_of_lists(tmp_path):
    write_parquet(tmp_path / "a.parquet", text=["a", "b"] * 10, label=[[0], [1]] * 10)
    assert load_labelled(str(tmp_path / "a.parquet")).classes.names == ("0", "1")
    write_parquet(tmp_path / "b.parquet", text=["a", "b"], label=[[0, 1], [1]])
    with pytest.raises(UserError, match=r"column 'label.* has several values in a row; expected one text or label: na"):
        load_labelled(str(tmp_path / "b.parquet"))
    write_parquet(tmp_path / "c.parquet", text=["a", "b"], label=[[], [1]])  # an empty list is one missing value
    with pytest.raises(UserError, match=r"it is 0 values, and a text has one label"):
        load_labelled(str(tmp_path / "c.parquet"))


def test_schemas_with_thousands_of_classes(tmp_path):
    import pyarrow.parquet

    features = {"label": {"names": [str(i) for i in range(1001)], "_type": "ClassLabel"}}
    table = pyarrow.table({"text": ["good", "bad"], "label": [0, 1]})
    schema = json.dumps({"info": {"features": features}})
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": schema}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"the schema of .* names 1001 classes; a classifier has at most 1000"):
        load_labelled(str(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("labels", "is_refused"),
    [
        ([i % 1000 for i in range(8000)], False),
        ([i % 1001 for i in range(8008)], True),
        ([i % 100 for i in range(200)], False),
        ([i % 101 for i in range(303)], True),
        ([i % 150 for i in range(600)], False),
    ],
)
def test_numbers_of_classes(tmp_path, labels, is_refused):
    rows = "".join(f"a text,{label}\n" for label in labels)
    (tmp_path / "a.csv").write_text("text,stars\n" + rows)
    if is_refused:
        with pytest.raises(UserError, match=r"a\.csv, column 'stars' has .* different labels in .*; a classifier"):
            load_labelled(str(tmp_path / "a.csv"))
    else:
        assert len(load_labelled(str(tmp_path / "a.csv")).classes) == len(set(labels))


def test_quoted_records_of_many_lines(tmp_path, monkeypatch):
    fields = '"a line\n",' * 3_000
    path = tmp_path / "a.csv"
    path.write_text("text,label\ngood,1\nbad,0\n" + '"long\ntext",1\n' * 30_000 + fields * 30)
    monkeypatch.setattr("rnnnlp.text.delimited.LONGEST_LINE", 200_000)
    with pytest.raises(UserError, match=r"a row has more than 400,000 characters"):
        list(open_table(path).rows(["text"]))
    path.write_text("text,label\ngood,1\nbad,0\n" + '"long\ntext",1\n' * 200_000)
    table = open_table(path)
    assert len(list(table.rows(["text"]))) == 200_002
    pairs = zip(table.rows(["text"]), table.rows(["label"]), strict=True)  # both read the file by themselves
    assert next(pairs) == (("good",), ("1",))
    assert sum(1 for _ in table.rows(["text"])) == 200_002
    assert sum(1 for _ in pairs) == 200_001


def test_tables_of_many_columns(tmp_path):
    (tmp_path / "a.csv").write_text("text,label" + ",more" * 10_000 + "\n")
    with pytest.raises(UserError, match="has 10002 columns; expected a table of texts: give one with fewer"):
        load_labelled(str(tmp_path / "a.csv"))


def test_json_objects_of_many_parts(tmp_path):
    many = '{"text": "a", "label": 1, "more": [' + "{}," * 1_000_000 + "{}]}"
    for name, content in (("a.jsonl", many), ("a.json", f"[{many}]")):
        (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=r"(line|item) 1: an object of more than 262,144 parts; expected"):
            load_labelled(str(tmp_path / name))
    few = [{"text": "a [long] text " * 80_000, "label": i} for i in (0, 1)]
    (tmp_path / "b.json").write_text(json.dumps(few))
    assert [text for (text,) in open_table(tmp_path / "b.json").rows(["text"])] == [row["text"] for row in few]


def test_devices_in_class_folders(tmp_path):
    for name in ("bad", "good"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(name)
    (tmp_path / "good" / "b.txt").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"good/b\.txt is a pipe or a device; expected a file"):
        load_labelled(str(tmp_path))
