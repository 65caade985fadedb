"""csv and tsv files as spreadsheets and programs really write them."""

import csv
import io

import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import ReadOptions, load_labelled
from rnnnlp.text.formats import open_table

ROWS = [("good, film", "pos"), ("bad film", "neg")]


def read(tmp_path, name, content, **reading):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_table(path, ReadOptions(**reading)).rows(("text", "label")))


def written(delimiter, rows=ROWS, **options):
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, **options).writerows([("text", "label"), *rows])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", written(";")),
        ("a.csv", written("\t")),
        ("a.csv", written("|")),
        ("a.tsv", written(",")),
        ("a.tab", written("\t")),
        ("a.csv", "sep=;\r\n" + written(";")),
        ("a.csv", '"sep=,"\n' + written(",")),
        ("a.csv", written(",").replace("\r\n", "\r")),
        ("a.csv", written(",", lineterminator="\n").removesuffix("\n")),
        ("a.csv", written(",", quoting=csv.QUOTE_ALL)),
        ("a.tsv", written("\t", quoting=csv.QUOTE_ALL)),
        ("a.csv", written(",").encode("utf-8-sig")),
        ("a.csv", written(";", quoting=csv.QUOTE_ALL).encode("utf-8-sig")),
        ("a.csv", written("\t").encode("utf-16")),
        ("a.csv", written(",").encode("utf-16-le")),
        ("a.csv", "\n\n" + written(",")),
        ("a.csv", written(",").replace("\r\n", "\r\n  \r\n")),
        ("a.csv", 'text , label\n"good, film", pos\nbad film, neg\n'),
        ("a.csv", '"text", "label"\n"good, film", "pos"\n"bad film", "neg"\n'),
        ("a.csv", 'label,text\npos, "good, film"\nneg, "bad film"\n'),
        ("a.csv", 'text,label,\n"good, film",pos,\nbad film,neg,\n'),
        ("a.csv", 'text,label\n"good, film",pos,\nbad film,neg,,\n'),
        ("a.csv", 'text,label,,\n"good, film",pos\nbad film,neg\n'),
        ("a.csv", ',text,x,x,label\n0,"good, film",1,2,pos\n1,bad film,1,2,neg\n'),
    ],
)
def test_tables_as_programs_write_them(tmp_path, name, content):
    assert read(tmp_path, name, content) == ROWS


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_blank_line_is_no_row_of_a_single_column(tmp_path, name):
    (tmp_path / name).write_text("text\ngood film\n\nbad film\n\n")
    assert [text for (text,) in open_table(tmp_path / name).rows(("text",))] == ["good film", "bad film"]


def test_blanks_are_kept_where_they_are_no_habit(tmp_path):
    assert read(tmp_path, "a.csv", "text,label\n good,pos\nbad , neg\n") == [(" good", "pos"), ("bad ", " neg")]


def test_line_ends_and_blanks_in_quoted_fields(tmp_path):
    rows = [("one\r\ntwo", "pos"), ("\n three\n\n", "neg"), ('"', "pos")]
    for name, delimiter in (("a.csv", ","), ("a.tsv", "\t")):
        assert read(tmp_path, name, written(delimiter, rows)) == rows


STRAY = [('"good film', "pos"), ('bad "film"', "neg"), ('fine"', "pos"), ('"all of it"', "neg"), ('5" or "so', "pos")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_quotation_marks_of_tsv_are_characters_where_all_lines_agree(tmp_path, encoding, caplog):
    content = "text\tlabel\r\n" + "".join(f"{text}\t{label}\r\n" for text, label in STRAY)
    with caplog.at_level("INFO", "rnnnlp"):
        assert read(tmp_path, "a.tsv", content.encode(encoding), encoding=encoding) == STRAY
    assert "quotation marks are ordinary characters; choose with quoting" in caplog.text


def test_escaped_quotation_marks_of_tsv(tmp_path):
    content = 'text\tlabel\n"A \\"must\\" see"\t1\n"Not \\"so\\""\t0\n'
    assert read(tmp_path, "a.tsv", content) == [('"A \\"must\\" see"', "1"), ('"Not \\"so\\""', "0")]


def test_tsv_of_the_csv_module(tmp_path, caplog):
    rows = [('a "good" film', "pos"), ("one\ntwo", "neg"), ("plain", "pos")]
    with caplog.at_level("INFO", "rnnnlp"):
        assert read(tmp_path, "a.tsv", written("\t", rows)) == rows
        assert read(tmp_path, "b.tsv", written("\t", rows[::2])) == rows[::2]
    assert caplog.text.count("quotation marks enclose fields") == 2


def test_quoting_is_chosen(tmp_path):
    content = 'text,label\n"good",pos\n"bad",neg\n'
    assert read(tmp_path, "a.csv", content, quoting="none") == [('"good"', "pos"), ('"bad"', "neg")]
    content = 'text\tlabel\n"good\tone\nline"\tpos\n'
    assert read(tmp_path, "a.tsv", content, quoting="csv") == [("good\tone\nline", "pos")]


def test_a_quoted_field_of_tsv_may_have_tabs_and_line_ends(tmp_path):
    rows = [("one\n\ttwo\t\nthree", "pos"), ("\t", "neg")]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        assert read(tmp_path, "a.tsv", written("\t", rows, quoting=quoting)) == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "\n \n", "is empty; expected a header line"),
        (
            "a.csv",
            "text,label\ngood, very,pos\n",
            "line 2: 3 fields, expected 2 .*commas.; quote fields that hold the separator with",
        ),
        ("a.csv", "sep=;\ntext;label\n\na;b\na;b;c\n", "line 5: 3 fields, expected 2 .*semicolons.; quote fields"),
        ("a.csv", 'text,label\n"a\nb",c\nbad\n', "line 4: 1 fields, expected 2 .*; write empty fields, too"),
        ("a.csv", 'label,text\npos,x\nneg, "a, b"\n', "line 3: .*; leave out the blank between the separator and"),
        ("a.csv", 'text,label\n"good" or not,1\nbad,0\n', "line 2: .* every line has 2 fields .* give quoting none"),
        ("a.csv", "text,label\ngo\rod,1\n", "line 2: a carriage return is in a field without quotes"),
        (
            "a.tsv",
            'text\tlabel\n"good\t1\nbad\nfine"\t1\n',
            "line 2: a quoted field seems to swallow lines that are rows",
        ),
    ],
)
def test_rows_that_do_not_fit_are_named_with_their_line(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, name, content)


def test_no_quoting_is_advised_for_a_single_column_only_where_it_helps(tmp_path):
    def texts(line: str, quoting: str = "auto") -> list[str]:
        (tmp_path / "a.csv").write_text(f"text\n{line}\n\nbad\n")
        return [text for (text,) in open_table(tmp_path / "a.csv", ReadOptions(quoting=quoting)).rows(("text",))]

    with pytest.raises(UserError, match="every line has 1 fields without quoting: give quoting none"):
        texts('"good" film')
    assert texts('"good" film', "none") == ['"good" film', "bad"]
    with pytest.raises(UserError, match=r"as in a csv file: quote fields with .* and write quotes in them twice"):
        texts('"good" film, loved it')
    assert texts('"""good"" film, loved it"') == ['"good" film, loved it', "bad"]


@pytest.mark.parametrize(
    "content", ['"text,label\na,1\n', 'te"xt,"label\na,1\n', '"', '"\n', 'text,"la\nbel\na,1\n', "a\rb,c\nd,e\n"]
)
def test_a_header_whose_quotation_marks_are_wrong(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"a\.csv"):
        load_labelled(str(path))
