"""Encodings: those that are read, those that are proposed, and any bytes for a byte tokenizer."""

import io
import sys

import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import (
    ByteTokenizer,
    ReadOptions,
    encode_corpus,
    load_corpus,
    load_labelled,
    load_plain_texts,
)
from rnnnlp.text.decoding import CHUNK_BYTES, read_text
from tests.text.samples import HARD_TEXTS

TEXTS = {
    "gb18030": "房间很干净，服务员的态度也很好，下次还会再来住。",
    "cp950": "房間很乾淨，服務員的態度也很好，下次還會再來住。",
    "cp932": "この部屋はとても綺麗で、スタッフの対応も素晴らしかったです。",
    "euc_jp": "この部屋はとても綺麗で、スタッフの対応も素晴らしかったです。",
    "cp949": "이 영화는 정말 재미있었습니다. 배우들의 연기도 훌륭했어요.",
    "cp1251": "Этот фильм мне очень понравился, актёры играют прекрасно.",
    "koi8_r": "Этот фильм мне очень понравился, актёры играют прекрасно.",
    "cp1252": "Un très bon café \u2013 déjà vu, größer als gedacht.",
    "utf-16-le": "Un très bon café, déjà vu.\n好\n",
    "utf-16-be": "Un très bon café, déjà vu.\n好\n",
}
ANY_BYTES = bytes(range(256)) * 3 + "中é".encode() + b"\xe4\xb8"


@pytest.mark.parametrize("encoding", TEXTS)
def test_encodings_are_read_and_proposed(tmp_path, encoding):
    text = TEXTS[encoding]
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert "".join(load_corpus(str(path), ReadOptions(encoding=encoding)).chunks("train")) == text
    assert load_plain_texts(path, ReadOptions(encoding=encoding)) == text.splitlines()
    if "utf" not in encoding:
        with pytest.raises(UserError, match=f"is not valid UTF-8 .* it may be {encoding}: give encoding {encoding}"):
            list(read_text(path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_what_the_first_bytes_show_is_read(tmp_path, encoding, caplog):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\ngut,a\nschön,b\n".encode(encoding))
    with caplog.at_level("INFO", "rnnnlp"):
        assert load_plain_texts(path) == ["gut", "schön"]
    assert "byte order mark" in caplog.text or "as its first bytes show" in caplog.text


def test_a_given_encoding_is_that_of_every_file(tmp_path, monkeypatch):
    text = TEXTS["gb18030"]
    reading = ReadOptions(encoding="GB18030")
    for name, content in (
        ("a.csv", f"text,label\n{text},x\n{text},y\n"),
        ("a.tsv", f'text\tlabel\n"{text}\tx\n{text}\ty\n'),
        ("a.jsonl", f'{{"text": "{text}", "label": "x"}}\n{{"text": "{text}", "label": "y"}}\n'),
        ("a.json", f'[{{"text": "{text}", "label": "x"}}, {{"text": "{text}", "label": "y"}}]'),
        ("folder/x/1.txt", text),
        ("folder/y/1.txt", text),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("gb18030"))
        spec = str(path if path.suffix != ".txt" else tmp_path / "folder")
        if name != "folder/x/1.txt":
            found = load_labelled(spec, reading, validation_fraction=0).splits["train"].texts
            assert [each.lstrip('"') for each in found] == [text, text]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode("gb18030"))))
    assert load_plain_texts("-", reading) == [text]


@pytest.mark.parametrize(
    ("named", "text", "larger"),
    [
        ("Big5", "房間裏的碁盤", "cp950"),
        ("euc-kr", "펲시콜라 똠양꿍", "cp949"),
        ("gb2312", "朱镕基", "gb18030"),
        ("sjis", "①番の部屋", "cp932"),
        ("tis-620", "ดี\u00a0มาก", "cp874"),
    ],
)
def test_a_larger_encoding_is_proposed_where_a_standard_has_less(tmp_path, named, text, larger):
    (tmp_path / "a.txt").write_bytes(text.encode(larger))
    with pytest.raises(
        UserError, match=f"is not valid {named.upper()} .*; it may be {larger}: give encoding {larger}$"
    ):
        list(read_text(tmp_path / "a.txt", named))
    assert "".join(read_text(tmp_path / "a.txt", larger)) == text


@pytest.mark.parametrize("named", ["big5", "euc-kr", "gbk", "shift-jis", "iso-8859-7"])
def test_one_that_fails_too_is_not_proposed(tmp_path, named):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 au lait\xae")
    with pytest.raises(UserError, match=r"; give another encoding$"):
        list(read_text(tmp_path / "a.txt", named))


def test_a_given_encoding_is_that_of_a_folder_of_texts(tmp_path):
    for name in ("books/a.txt", "classes/neg/0.txt", "classes/pos/0.txt", "classes/unsup/0.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"caf\xe9")
    for name in ("books", "classes"):
        corpus = load_corpus(str(tmp_path / name), ReadOptions(encoding="cp1252"), unlabelled=True)
        assert set("".join(corpus.chunks("train")).split()) == {"café"}


def test_utf_16_with_few_zeros_is_proposed(tmp_path):
    (tmp_path / "a.txt").write_bytes(("房间很干净，很好\n" * 9).encode("utf-16-be"))
    with pytest.raises(UserError, match="it may be utf-16-be"):
        list(read_text(tmp_path / "a.txt"))


def test_the_sample_is_taken_where_utf_8_fails(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain ascii\n" * (CHUNK_BYTES // 4) + TEXTS["cp950"].encode("cp950"))
    with pytest.raises(UserError, match="it may be cp950"):
        list(read_text(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\x90G`", "is a binary file; .* on its bytes with tokenizer byte"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a binary file"),
        (b"\0" * 100, "is a binary file"),
        ("schön, größer".encode()[:-5], "byte 10 begins a character that is cut off"),
        (b"caf\xe9", "byte 3 is not valid UTF-8 .unexpected end of data.; it may be cp1252"),
    ],
)
def test_what_no_encoding_reads(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_text(tmp_path / "a.txt"))


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "hex", "", "a\0"])
def test_unknown_encodings(encoding):
    with pytest.raises(UserError, match=r"encoding is .* it must be an encoding that Python knows"):
        ReadOptions(encoding=encoding)


def test_a_byte_tokenizer_reads_and_gives_back_any_bytes(tmp_path):
    tokenizer = ByteTokenizer()
    path = tmp_path / "tune.mid"
    path.write_bytes(ANY_BYTES)
    corpus = load_corpus(str(path), ReadOptions().for_tokenizer("byte"))
    encoded = encode_corpus(corpus, tokenizer, cache_dir=tmp_path)
    ids = np.concatenate([encoded.ids["train"], encoded.ids["validation"]])
    assert ids.astype(np.uint8).tobytes() == ANY_BYTES
    text = "".join(corpus.chunks("train"))
    assert len(tokenizer.spans(text)) == len(ANY_BYTES)
    decoder = tokenizer.decoder("surrogateescape")
    again = "".join([*(decoder.push([i]) for i in ids), decoder.flush()])
    assert again.encode("utf-8", "surrogateescape") == ANY_BYTES
    assert tokenizer.decode(ids) == ANY_BYTES.decode("utf-8", "replace")


def test_a_byte_tokenizer_reads_utf_8_as_ever(tmp_path):
    (tmp_path / "a.txt").write_bytes("\n".join(HARD_TEXTS).encode())
    plain, byte = (load_corpus(str(tmp_path / "a.txt"), ReadOptions().for_tokenizer(kind)) for kind in ("char", "byte"))
    assert "".join(plain.chunks("train")) == "".join(byte.chunks("train")) == "\n".join(HARD_TEXTS)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_a_byte_tokenizer_reads_tables_in_the_encoding_that_they_show(tmp_path, encoding):
    reading = ReadOptions().for_tokenizer("byte")
    for name, content in (
        ("a.csv", "text,label\ngut,a\nschön,b\n"),
        ("a.tsv", "text\tlabel\ngut\ta\nschön\tb\n"),
        ("a.jsonl", '{"text": "gut"}\n{"text": "schön"}\n'),
        ("a.json", '[{"text": "gut"}, {"text": "schön"}]'),
    ):
        (tmp_path / name).write_bytes(content.encode(encoding))
        assert "".join(load_corpus(str(tmp_path / name), reading).chunks("train")) == "gut\nschön"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbftext\ncaf\xe9\n")  # only the mark is UTF-8
    assert "".join(load_corpus(str(tmp_path / "a.csv"), reading).chunks("train")) == "caf\udce9"


def test_compressed_and_other_files_for_a_byte_tokenizer(tmp_path):
    import gzip

    reading = ReadOptions().for_tokenizer("byte")
    for name, content, wanted in (
        ("a.mid.gz", gzip.compress(ANY_BYTES), ANY_BYTES),
        ("a.bin", gzip.compress(b"a"), gzip.compress(b"a")),
        ("a.pdf", b"%PDF-1.7\xff", b"%PDF-1.7\xff"),
    ):
        (tmp_path / name).write_bytes(content)
        text = "".join(load_corpus(str(tmp_path / name), reading).chunks("train"))
        assert text.encode("utf-8", "surrogateescape") == wanted
    assert ReadOptions(encoding="cp1252").for_tokenizer("byte").encoding == "cp1252"
