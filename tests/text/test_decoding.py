"""Files as text, byte for byte: encodings, line ends, marks, and cutting streams anywhere."""

import gzip
import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnnlp.errors import UserError
from rnnnlp.text import ReadOptions, load_plain_texts
from rnnnlp.text.chunks import blocks, line_blocks, lines, slice_chunks, split_lines
from rnnnlp.text.decoding import CHUNK_BYTES, read_text
from rnnnlp.text.plain import BATCH_CHARACTERS, in_batches, stream_plain_texts
from tests.text.samples import HARD_TEXTS

PIECES = st.lists(st.text(alphabet="ab\n\r\u2028 中", max_size=8))


@pytest.mark.parametrize("text", HARD_TEXTS[:8])
def test_text_is_read_unchanged(tmp_path, text):
    path = tmp_path / "file.txt"
    path.write_bytes(text.encode())
    assert "".join(read_text(path)) == text


def test_byte_order_mark_is_dropped_and_logged_once(tmp_path, caplog):
    path = tmp_path / "file.txt"
    path.write_bytes("\ufeffa\ufeffb".encode())
    with caplog.at_level("INFO", "rnnnlp"):
        assert ["".join(read_text(path)) for _ in range(2)] == ["a\ufeffb"] * 2
    assert [record.getMessage() for record in caplog.records] == [f"{path}: byte order mark at the start dropped"]


@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (b"caf\xe9 au lait", 3),  # Latin-1
        (b"\xed\xa0\x80", 0),  # a surrogate
        (b"whole \xe4\xb8", 6),  # cut inside a character
        (b"a" * (CHUNK_BYTES - 1) + "中".encode() + b"\x80", CHUNK_BYTES + 2),  # after a character across two chunks
        (b"a" * (CHUNK_BYTES - 1) + b"\xe4\xff", CHUNK_BYTES - 1),  # begun before the border, wrong behind it
    ],
)
def test_offset_of_invalid_bytes(tmp_path, content, offset):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=rf"file\.txt: byte {offset} (is not valid UTF-8|begins a character that is cut)"
    ):
        list(read_text(path))


def test_characters_across_two_chunks(tmp_path):
    path = tmp_path / "file.txt"
    text = "a" * (CHUNK_BYTES - 2) + "👩" * 10
    path.write_bytes(text.encode())
    assert "".join(read_text(path)) == text


def test_unreadable_path(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        list(read_text(tmp_path / "none.txt"))
    with pytest.raises(UserError, match="cannot read"):
        list(read_text(tmp_path))


@given(PIECES)
def test_lines_end_at_line_feeds_alone(chunks):
    assert list(split_lines(chunks)) == [line for line in io.StringIO("".join(chunks), newline="\n")]


@given(PIECES, st.integers(1, 5))
def test_blocks(chunks, size):
    found = list(blocks(chunks, size))
    assert "".join(found) == "".join(chunks)
    assert all(len(block) == size for block in found[:-1])
    assert all(0 < len(block) <= size for block in found[-1:])


@given(PIECES, st.integers(1, 5))
def test_line_blocks_do_not_depend_on_the_chunks(chunks, size):
    found = list(line_blocks(chunks, size))
    assert "".join(found) == "".join(chunks)
    assert found == list(line_blocks(["".join(chunks)], size))
    assert all(0 < len(block) <= 2 * size for block in found)
    assert "".join(lines(chunks, size)) == "".join(chunks)


def test_long_lines_are_cut_before_a_space_if_there_is_one():
    assert list(line_blocks(["one two three"], size=6)) == ["one", " two", " three"]
    assert list(line_blocks(["aaaaaaaa"], size=3)) == ["aaa", "aaa", "aa"]
    assert list(line_blocks(["a\nb b b\n"], size=4)) == ["a\n", "b b b\n"]


@given(PIECES, st.integers(0, 30), st.integers(0, 30))
def test_slice_chunks(chunks, start, stop):
    assert "".join(slice_chunks(chunks, start, stop)) == "".join(chunks)[start:stop]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("", []),
        ("one\ntwo", ["one", "two"]),
        ("one\n\ntwo\n", ["one", None, "two"]),
        ("one\r\n\r\n \t\n\n two \n  ", ["one", None, None, None, " two ", None]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("one\r\ntwo\nthree", ["one", "two", "three"]),
        ("a\u0085b\u2028c\rd\n", ["a\u0085b\u2028c\rd"]),
    ],
)
def test_plain_lines(tmp_path, monkeypatch, content, texts):
    path = tmp_path / "file.txt"
    path.write_bytes(content.encode())
    assert load_plain_texts(path) == texts
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert load_plain_texts("-") == texts


def test_plain_texts_of_a_table(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('id,review\n1,"a\nb"\n2,\n', newline="")
    assert load_plain_texts(str(path)) == ["a\nb", None]
    assert load_plain_texts(str(path), ReadOptions(text_column="id")) == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.csv", "summary,body,tone\na,b,good\n", ["a"]),
        ("a.csv", "name, of a film|summary\nb|a\n", ["a"]),
        ("a.csv", "text,tone\nb,good\n", ["b"]),
        ("a.txt", "summary,body\na,b\n", ["a"]),
        ("a.txt", "text,label\nb,good\n", ["b"]),
        ("a.txt", "in summary\nb\n", ["in summary", "b"]),
    ],
)
def test_the_column_of_a_training_is_taken_where_a_file_has_it(tmp_path, name, content, texts):
    (tmp_path / name).write_text(content)
    trained = ReadOptions(text_column="summary", label_column="tone")
    assert [text for batch in stream_plain_texts(tmp_path / name, None, trained) for text in batch] == texts
    if "body" in content:
        asked = ReadOptions(text_column="body")
        assert next(stream_plain_texts(tmp_path / name, asked, trained)) == ["b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"one"), "standard input is compressed by gzip; expected text: unpack it first"),
        (b'{"text": "one"}\n', "standard input is JSON; expected one text per line"),
        (b'[{"text": "one"}]', "standard input is JSON"),
    ],
)
def test_standard_input_that_is_no_text(monkeypatch, content, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(UserError, match=message):
        load_plain_texts("-")


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "file.txt").write_text("one\n")
    (tmp_path / "file.csv").write_text("text\none\n")
    assert load_plain_texts("~/file.txt") == load_plain_texts("~/file.csv") == ["one"]


def test_missing_file_of_plain_texts(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_plain_texts(tmp_path / "none.txt")


def test_batches_grow_and_end_where_the_input_pauses():
    words = [str(number) for number in range(100)]
    batches = list(in_batches([words[:3], [], words[3:50], words[50:], []], 10_000))
    assert [word for batch in batches for word in batch] == words
    assert list(map(len, batches)) == [3, 16, 32, 49]
    assert list(map(len, in_batches([words], largest=1))) == [1] * 100
    assert list(map(len, in_batches([["a" * BATCH_CHARACTERS] * 3], 100))) == [1, 1, 1]
    assert list(in_batches([[], []], 100)) == []


def test_a_compressed_file_that_is_damaged_late_gives_no_text_at_all(tmp_path):
    content = gzip.compress(b"\n".join(b"a text %d" % number for number in range(50_000)))
    (tmp_path / "whole.txt.gz").write_bytes(content)
    assert next(stream_plain_texts(tmp_path / "whole.txt.gz"))[0] == "a text 0"
    (tmp_path / "damaged.txt.gz").write_bytes(content[:-40] + bytes(40))
    with pytest.raises(UserError, match="cannot be unpacked"):
        next(stream_plain_texts(tmp_path / "damaged.txt.gz"))


def test_texts_before_a_damaged_row_are_not_lost(tmp_path):
    (tmp_path / "late.jsonl").write_text('{"text": "good"}\n' * 30 + '{"text": 5}\n' + '{"text": "good"}\n' * 30)
    batches = stream_plain_texts(tmp_path / "late.jsonl")
    assert next(batches) + next(batches) == ["good"] * 30
    with pytest.raises(UserError, match="row 31: column 'text' holds int, expected text"):
        next(batches)


def test_lines_of_standard_input_come_as_they_are_typed(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading, encoding="utf-8"))
    batches = stream_plain_texts("-")
    os.write(writing, "good\r\nna\u00ef".encode()[:-1])
    assert next(batches) == ["good"]
    os.write(writing, "\u00ef".encode()[1:] + b"ve\nbad\n")
    assert next(batches) == ["na\u00efve", "bad"]
    os.write(writing, b"the last")
    os.close(writing)
    assert next(batches) == ["the last"]
    assert list(batches) == []
    sys.stdin.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a" * 10 + b"\xe4", r"standard input: byte 10 is not valid UTF-8"),
        ("caf\u00e9 \u65e5".encode()[:-1], "standard input: byte 6 begins a character that is cut off"),
        (b"one\n" * 40_000 + b"\xe4 two\n", "standard input: byte 160000 is not valid UTF-8"),
    ],
)
def test_standard_input_that_does_not_decode(monkeypatch, content, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    with pytest.raises(UserError, match=message):
        load_plain_texts("-")
