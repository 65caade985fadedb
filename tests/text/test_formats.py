"""Files as people have them: compressed, in other formats than their names say, with hidden files beside them."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tracemalloc
import zipfile

import pyarrow
import pyarrow.parquet
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import ReadOptions, load_corpus, load_labelled, load_plain_texts
from rnnnlp.text.formats import open_table
from rnnnlp.text.labelled_rows import read_labelled_rows
from rnnnlp.text.sources import find_source

ROWS = [("good film", "pos"), ("bad film", "neg")]
CSV = "text,label\ngood film,pos\nbad film,neg\n"
JSONL = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS)
ARRAY = json.dumps([{"text": text, "label": label} for text, label in ROWS], indent=1)


def zstd(content):
    stream = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(stream, "zstd") as file:
        file.write(content)
    return stream.getvalue().to_pybytes()


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def parquet():
    stream = io.BytesIO()
    texts, labels = zip(*ROWS, strict=True)
    pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels}), stream)
    return stream.getvalue()


def tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return stream.getvalue()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def labelled(spec, **reading):
    """The texts and labels of the training split."""
    source = find_source(spec, ReadOptions(**reading), rows=True)
    rows = read_labelled_rows(source.splits["train"], spec, reading.get("text_column"), None)
    return list(zip(rows.texts, rows.labels, strict=True))


COMPRESSORS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def halves(content: bytes) -> list[bytes]:
    return [content[: len(content) // 2], b"", content[len(content) // 2 :]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV.encode())),
        ("a.csv.bz2", bz2.compress(CSV.encode())),
        ("a.tsv.xz", lzma.compress(CSV.replace(",", "\t").encode())),
        ("a.jsonl.zst", zstd(JSONL.encode()) + zstd(b"")),
        ("A.CSV.GZ", gzip.compress(CSV.encode())),
        ("a.csv", gzip.compress(CSV.encode())),
        ("a.gz", gzip.compress(JSONL.encode())),
        *((f"streams.csv.{k}", b"".join(map(c, halves(CSV.encode()))) + b"\0" * 512) for k, c in COMPRESSORS.items()),
        ("a.csv.gz.gz", gzip.compress(gzip.compress(CSV.encode()))),
        ("plain.csv.gz", CSV),
        ("a.zip", zipped({"folder/a.csv": CSV, "__MACOSX/folder/._a.csv": b"\0\5", "folder/.DS_Store": "x"})),
        ("a.csv.zip", zipped({"a.csv.gz": gzip.compress(CSV.encode())})),
        ("a.json", ARRAY),
        ("a.json", JSONL),
        ("a.jsonl", ARRAY),
        ("a.ndjson", JSONL),
        ("a.csv", JSONL),
        ("a.txt", JSONL),
        ("a", "\ufeff" + ARRAY),
        ("a.csv", parquet()),
        ("a", parquet()),
        ("a.txt", CSV.replace(",", "\t")),
    ],
)
def test_what_a_file_is_its_content_says(tmp_path, name, content):
    spec = write(tmp_path / name, content)
    assert labelled(spec) == ROWS
    assert load_plain_texts(spec) == [text for text, _ in ROWS]


def test_compressed_books_and_splits(tmp_path):
    spec = write(tmp_path / "book.txt.gz", gzip.compress(b"It was a dark night.\n"))
    assert "".join(load_corpus(spec).chunks("train")) == "It was a dark night.\n"
    write(tmp_path / "data" / "train.csv.gz", gzip.compress(CSV.encode()))
    write(tmp_path / "data" / "test.json", ARRAY)
    data = load_labelled(str(tmp_path / "data"), validation_fraction=0)
    assert {split: len(rows) for split, rows in data.splits.items()} == {"train": 2, "test": 2}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.xlsx",
            zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""}),
            "is a spreadsheet .xlsx.; .* save it as csv",
        ),
        ("a.csv", zipped({"xl/workbook.xml": ""}), "is a spreadsheet"),
        ("a.docx", zipped({"word/document.xml": ""}), "is a Word document"),
        ("a.ods", zipped({"mimetype": "application/vnd.oasis"}), "is an office document or a book"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an old Office file"),
        ("a.zip", zipped({}), "zip archive of 0 files; expected one"),
        (
            "a.zip",
            zipped({"train.csv": CSV, "test.csv": CSV}),
            r"of 2 files \(train.csv, test.csv\); .* give the folder",
        ),
        ("a.tar.gz", gzip.compress(tar()), "is a tar archive; .* give the folder"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(30), "is a 7z archive"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS.* git lfs pull"),
        ("a.parquet.gz", gzip.compress(parquet()), "is a compressed parquet file"),
        ("a.csv.gz", gzip.compress(CSV.encode())[:-9], "cannot be unpacked"),
        *((f"garbage.csv.{k}", c(CSV.encode()) + b"garbage", "cannot be unpacked") for k, c in COMPRESSORS.items()),
        *((f"zeros.csv.{k}", c(CSV.encode()) + bytes(2 << 20), "more zeros follow") for k, c in COMPRESSORS.items()),
        *(
            (f"wrong.csv.{k}", c(CSV.encode()) + b"X" + c(CSV.encode())[1:], "cannot be unpacked")
            for k, c in COMPRESSORS.items()
        ),
        ("a.csv.bz2", bz2.compress(CSV.encode())[:30], "cannot be unpacked"),
        ("a.csv.xz", lzma.compress(CSV.encode())[:-9], "cannot be unpacked"),
        ("a.csv.zst", zstd(CSV.encode())[:-9], "cannot be unpacked"),
        ("a.zip", zipped({"a.csv": CSV})[:40], "cannot be unpacked"),
        ("a.csv", bytes(5000), "is a binary file"),
        ("a.csv", b"ID3\3\0\0\xff\xfb\x90", "is a binary file"),
        ("a.json", '{\n"data": [1]\n}', "is one JSON object with the keys 'data'"),
        ("a.json", ARRAY[:-1], r"array of 2 objects is damaged; expected a \] at its end"),
        ("a.json", ARRAY + " x", "expected nothing after it"),
        ("a.json", '[{"text": "a", "label": 1}, {"text": ', "item 2: not JSON"),
        ("a.json", '[{"text": "a", "label": 1}, "b"]', "item 2: str, expected an object"),
        ("a.json", '{"text": {"0": "a"}, "label": {"0": 1}}', "row 1: column 'text' holds dict, expected text"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, name, content, message):
    spec = write(tmp_path / name, content)
    for read in (load_labelled, load_plain_texts):
        with pytest.raises(UserError, match=message) as caught:
            read(spec)
        assert "\n" not in str(caught.value)


def test_encrypted_archives_are_named(tmp_path):
    content = bytearray(zipped({"a.csv": CSV}))
    content[content.index(b"PK\1\2") + 8] |= 1  # the flag of an encrypted file
    content[6] |= 1
    with pytest.raises(UserError, match=r"cannot be unpacked \(it is encrypted\)"):
        load_labelled(write(tmp_path / "a.zip", bytes(content)))


def test_any_text_stays_text_for_language_models(tmp_path):
    for name, content in (("config.json", '{\n "a": [1, 2]\n}\n'), ("a.txt", CSV.replace(",", "\t")), ("b.txt", JSONL)):
        assert "".join(load_corpus(write(tmp_path / name, content)).chunks("train")) == content


def test_json_arrays_are_read_as_a_stream(tmp_path):
    rows = [{"text": f"text {i} " + "x" * 3000, "label": i} for i in range(4000)]
    spec = tmp_path / "a.json"
    spec.write_text(json.dumps(rows, indent=2))
    tracemalloc.start()
    try:
        texts = [len(text) for (text,) in open_table(spec).rows(("text",))]
        assert tracemalloc.get_traced_memory()[1] < spec.stat().st_size / 4
    finally:
        tracemalloc.stop()
    assert texts == [len(row["text"]) for row in rows]


def test_missing_texts_of_json_are_left_out(tmp_path):
    spec = write(tmp_path / "a.jsonl", '{"text": NaN, "label": "x"}\n{"text": null, "label": "x"}\n' + JSONL)
    assert labelled(spec) == ROWS


def test_hidden_files_are_no_data(tmp_path):
    junk = b"\0\5\x16\7\xff"
    for folder in ("classes", "splits/train", "splits/test"):
        for label in ("neg", "pos"):
            write(tmp_path / folder / label / "1.txt", label)
            write(tmp_path / folder / label / "._1.txt", junk)
        for hidden in (".ipynb_checkpoints", "__MACOSX"):
            write(tmp_path / folder / hidden / "1.txt", junk)
    for folder in ("classes", "splits"):
        assert labelled(str(tmp_path / folder)) == [("neg", "neg"), ("pos", "pos")]
    for name in ("train.csv", "Thumbs.db", "._train.csv", "._train.txt", ".train.csv.swp", "__MACOSX/train.csv"):
        write(tmp_path / "files" / name, CSV if name == "train.csv" else junk)
    assert labelled(str(tmp_path / "files")) == ROWS
    for name in (
        "book.txt",
        ".ipynb_checkpoints/book-checkpoint.txt",
        "a/two.txt",
        "a/.b/three.txt",
        "__MACOSX/._book.txt",
    ):
        write(tmp_path / "books" / name, name)
    for spec in ("books", "books/**/*.txt"):
        text = "".join(load_corpus(str(tmp_path / spec)).chunks("train"))
        assert sorted(text.split("\n")) == ["a/two.txt", "book.txt"]
    assert "".join(load_corpus(str(tmp_path / "books/a/.b/three.txt")).chunks("train")) == "a/.b/three.txt"


def test_json_beside_another_format_is_no_second_copy(tmp_path):
    for name, content in (("train.csv", CSV), ("train_config.json", "{}"), ("dataset_infos.json", "{}")):
        write(tmp_path / name, content)
    assert labelled(str(tmp_path)) == ROWS


def test_names_with_the_characters_of_patterns(tmp_path):
    assert labelled(write(tmp_path / "a[1].csv", CSV)) == ROWS
    write(tmp_path / "b[2]" / "1.txt", "one")
    assert "".join(load_corpus(str(tmp_path / "b[2]/*.txt")).chunks("train")) == "one"


def test_a_folder_with_the_name_of_a_table(tmp_path):
    write(tmp_path / "all" / "train.csv" / "part-0.csv", CSV)
    write(tmp_path / "all" / "train.csv" / "_SUCCESS", "")
    assert labelled(str(tmp_path / "all")) == ROWS


def test_tables_that_are_folders_and_folders_with_one_table(tmp_path):
    write(tmp_path / "spark.parquet" / "part-00000.snappy.parquet", parquet())
    write(tmp_path / "spark.parquet" / "_SUCCESS", "")
    write(tmp_path / "spark.parquet" / ".part-00000.snappy.parquet.crc", "x")
    assert labelled(str(tmp_path / "spark.parquet")) == ROWS
    write(tmp_path / "one" / "reviews.csv", CSV)
    assert labelled(str(tmp_path / "one")) == ROWS
    write(tmp_path / "one" / "more.csv", CSV)
    with pytest.raises(UserError, match=r"has more\.csv, reviews\.csv, not named after the splits"):
        labelled(str(tmp_path / "one"))


def test_later_objects_have_columns_too(tmp_path):
    assert labelled(write(tmp_path / "a.jsonl", '{"label": "x"}\n' + JSONL)) == ROWS


def test_columns_of_parquet(tmp_path):
    table = pyarrow.table(
        {
            "text": pyarrow.array(["a", "b"]).dictionary_encode(),
            "label": pyarrow.array(["x", "y"], pyarrow.large_string()),
            "Review": [["a"], ["b"]],
        }
    )
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table, path)
    assert labelled(str(path), text_column="text") == [("a", "x"), ("b", "y")]
    with pytest.raises(UserError, match="row 1: column 'Review' holds list, expected text"):
        labelled(str(path), text_column="Review")


def test_which_columns_were_taken_is_said(tmp_path, caplog):
    spec = write(tmp_path / "a.csv", "id,Review,Stars\n1,good,5\n2,bad,1\n")
    with caplog.at_level("INFO", "rnnnlp"):
        labelled(spec)
        load_plain_texts(spec)
    assert f"{spec}: column 'Review' has the texts, column 'Stars' the labels" in caplog.messages
    assert f"{spec}: column 'Review' has the texts" in caplog.messages


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("text,label,sentiment", "the columns label and sentiment, which fit equally; name one with label_column"),
        ("text,review,label", "the columns text and review, which fit equally; name one with text_column"),
        ("text,Text,label", "the columns text and Text, which fit equally"),
        ("text,label,label", "has 2 columns named label; rename"),
        ("text,,label,label", "has 2 columns named label; rename"),
        (",text", r"columns are '', text: name one with label_column"),
    ],
)
def test_columns_that_leave_a_doubt(tmp_path, header, message):
    spec = write(tmp_path / "a.csv", f"{header}\n{','.join('a' for _ in header.split(','))}\n")
    with pytest.raises(UserError, match=message):
        load_labelled(spec)


def test_a_column_with_classes_in_its_schema_is_the_label(tmp_path):
    import datasets

    rows = datasets.Dataset.from_list([{"text": "a", "label": 0, "stars": 5}, {"text": "b", "label": 1, "stars": 1}])
    rows.cast_column("label", datasets.ClassLabel(names=["no", "yes"])).to_parquet(tmp_path / "a.parquet")
    assert labelled(str(tmp_path / "a.parquet")) == [("a", "no"), ("b", "yes")]
