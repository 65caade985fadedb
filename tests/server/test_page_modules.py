"""The modules of the page that need no browser, in node: tables are read as Python reads them; labels of axes."""

import codecs
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import rnnnlp.server
from rnnnlp.cli.predict import HARDLY_KNOWN
from rnnnlp.cli.to_label import FORMULA
from rnnnlp.errors import UserError
from rnnnlp.text.formats import begins_as_json, open_table
from rnnnlp.text.tables import USUAL_LABEL_COLUMNS, USUAL_TEXT_COLUMNS
from tests.node import in_node

BROWSER = "globalThis.location = { hash: '', pathname: '/', search: '' }; globalThis.addEventListener = () => {};"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, as modules of node."""
    if shutil.which("node") is None:
        if os.environ.get("RNNNLP_REQUIRE_CHROMIUM") == "1":
            pytest.fail("RNNNLP_REQUIRE_CHROMIUM is 1, but there is no node")
        pytest.skip("needs node")
    folder = tmp_path_factory.mktemp("modules") / "page"
    shutil.copytree(Path(rnnnlp.server.__file__).with_name("page"), folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def in_page(modules: Path, code: str, given: Any = None) -> Any:
    """As `in_node`, with what the page needs of a browser; or {"error": what the code throws}."""
    return in_node(modules, f"{BROWSER} try {{ {code} }} catch (error) {{ return {{ error: error.message }}; }}", given)


def read(modules: Path, tables: list[tuple[str, str]]) -> list[Any]:
    """The tables of a list of names and contents, as the page reads them."""
    code = """
        const { parseTable } = await import("./csv.js");
        return given.map(([name, content]) => {
            try {
                return parseTable(content, name);
            } catch (error) {
                return { error: error.message };
            }
        });
    """
    return list(in_page(modules, code, tables))


TABLES = [
    ("a.csv", "text;label\ngood, really;pos\n"),
    ("a.csv", "my review,mood\ngood,pos\n"),
    ("a.csv", "text\ngood\n\nbad\n"),
    ("a.csv", 'text\n""\n  \n'),
    ("a.csv", "\n\ntext,label\r\ngood,pos\r\n\r\nbad,neg"),
    ("a.csv", "text,label\rgood,pos\rbad,neg\r"),
    ("a.csv", 'sep=;\r\n"text";"label"\r\n"good; really";pos\r\n'),
    ("a.csv", 'sep=|\nmy text|mood\n"a ""good"" film\nreally"|pos\n'),
    ("a.csv", 'text, label\n"good, really", pos\ngood, "so good"\n'),
    ("a.csv", 'text,label\ngood, "so ""good"", really"\n'),
    ("a.csv", "text,label\n good , pos\n"),
    ("a.csv", "text,label\r\r\ngood,pos\r\r\n"),
    ("a.csv", "text,label,\ngood,pos\n"),
    ("a.csv", "text,label\ngood,pos,,\n"),
    ("a.csv", 'text,label\na "good" film,pos\n,\n'),
    ("a.csv", ""),
    ("a.tsv", 'text\tlabel\n"good" film\tpos\n"bad\tneg\n'),
    ("a.tsv", 'text\tlabel\n"good\tfilm"\tpos\n'),
    ("a.tsv", 'text\tlabel\n"a good ""film"""\tpos\n\n'),
    ("a.tsv", 'text\tlabel\n"good\nfilm"\tpos\n'),
    ("a.tsv", "text,label\ngood,pos\n"),
    ("a.txt", "text,label\ngood,pos\n"),
    ("a.txt", "text;label\n"),
    ("a.txt", "label: good\tthe text\tof it\nbad\n"),
    ("a.txt", "good\n\nbad\n"),
    ("a.txt", "\ngood\r\n\n"),
    ("a.txt", "text,title\ngood,x\n"),
]


def test_tables_are_read_as_python_reads_them(modules: Path, tmp_path: Path):
    for (name, content), found in zip(TABLES, read(modules, TABLES), strict=True):
        (tmp_path / name).write_bytes(content.encode())
        table = open_table(tmp_path / name)
        if table is None:
            assert found == {"head": None, "rows": [[line] for line in content.splitlines()]}, content
        elif content:
            assert (found["head"], found["rows"]) == (
                list(table.columns),
                list(map(list, table.rows(table.columns))),
            ), content
        else:
            assert found == {"head": [], "rows": []}


REFUSED = {
    ("a.csv", "text,label\ngood,pos\na good, really good film,pos\n"): "Line 3: 3 fields, but the header has 2",
    ("a.csv", "text,label\n\ngood\n"): "Line 3: 1 fields, but the header has 2 (separated by commas). Write empty",
    ("a.csv", 'text,label\ngood,pos\n"bad,neg\nbad,neg\n'): "Line 3: a quotation mark is not closed",
    ("a.csv", 'text,label\n"good" film,pos\n'): "Line 2: text follows a closing quotation mark",
    ("a.csv", "text,label\ngood\rfilm,pos\n"): "Line 2: a carriage return is in a field without quotation marks",
    ("a.txt", "text,label\ngood\n"): "Line 2: 1 fields, but the header has 2",
    ("a.tsv", 'text\tlabel\n"good\tpos\nbad\tneg\nso"\tpos\n"a\tb"\tpos\n'): "Line 2: a quoted field seems to",
}


def test_tables_that_python_refuses_are_refused(modules: Path, tmp_path: Path):
    for ((name, content), message), found in zip(REFUSED.items(), read(modules, list(REFUSED)), strict=True):
        assert found["error"].startswith(message), content
        (tmp_path / name).write_bytes(content.encode())
        table = open_table(tmp_path / name)
        assert table is not None
        with pytest.raises(UserError):
            list(table.rows(table.columns))


def test_what_is_pasted_is_a_table_or_lines(modules: Path):
    pasted = {
        "Content, but noisy\nA good film\n": (None, [["Content, but noisy"], ["A good film"]]),
        "text,label\n\ngood,pos\n": (["text", "label"], [["good", "pos"]]),
        "text\ngood, really\n": (["text"], [["good, really"]]),
        "sep=;\ntext;mood\ngood;pos\n": (["text", "mood"], [["good", "pos"]]),
        "good\n\nbad": (None, [["good"], ["bad"]]),
        "文字,標籤\n很好,正面\n": (["文字", "標籤"], [["很好", "正面"]]),
        "文字\t標籤\n很好\t正面\n": (["文字", "標籤"], [["很好", "正面"]]),
    }
    found = read(modules, [("", content) for content in pasted])
    assert [(one["head"], one["rows"]) for one in found] == list(pasted.values())


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "good"}\n{"text": "bad"}\n',
        ' \n[ {"text": "good"},\n',
        "[ ]\n",
        "[good] film\n",
        "{good} film\n",
        '{"text": "good"} film\n',
        "{\n}",
        "good\n",
    ],
)
def test_json_is_told_from_texts_as_python_does(content: str, modules: Path):
    for found in read(modules, [("", content), ("a.txt", content), ("a.csv", content)]):
        assert ("error" in found) == begins_as_json(content)
        assert found.get("error", "This is JSON.").startswith("This is JSON.")
    assert "error" not in read(modules, [("a.tsv", content)])[0]


def test_a_file_with_the_name_of_json_is_refused(modules: Path):
    for found in read(modules, [("a.json", "good\n"), ("a.JSONL", "good\n"), ("a.ndjson", "")]):
        assert found["error"].startswith("This is JSON.")


@pytest.mark.parametrize(("text", "marked"), [("good", False), ("電影 é", True)])
def test_a_saved_table_has_a_byte_order_mark_if_it_needs_one(text: str, marked: bool, modules: Path):
    rows = [["text", "label"], [f'{text}, "really"\nso', "pos"]]
    code = """
        const { parseTable, writeTable } = await import("./csv.js"), table = writeTable(given);
        return [table.charCodeAt(0), parseTable(table, "a.csv")];
    """
    first, found = in_page(modules, code, rows)
    assert (first == 0xFEFF) == marked
    assert [found["head"], *found["rows"]] == rows


def test_a_saved_table_has_what_the_model_says(modules: Path):
    code = "return (await import('./classify.js')).withPredictions(...given);"
    prediction = {"label": 1, "probabilities": {"0": 0.25, "1": 0.75}, "unknown_words": 0.5}
    given = [["text", "id"], [["good", "a"], ["", "b"], ["late", "c"]], [prediction, None]]
    assert in_page(modules, code, given) == [
        ["text", "id", "predicted_label", "probability", "unknown_words"],
        ["good", "a", "1", "0.750000", "0.5"],
        ["", "b", "", "", ""],
    ]


def test_texts_and_labels_that_look_like_formulas_are_found_as_by_the_command(modules: Path):
    texts = ["=1+1", "=5", "-5 stars", "good", "-1", "+2.5", "-", "@you", "@", "-1\n", "a=b", ""]
    prediction = {"label": "=2+5", "probabilities": {"=2+5": 0.75, "-1": 0.25}, "unknown_words": 0}
    code = "return (await import('./classify.js')).formulasIn(...given);"
    found = [text for text in texts if FORMULA.match(text)]
    assert in_page(modules, code, [texts, [prediction, None]]) == [*found, "=2+5"]


@pytest.mark.parametrize(
    ("label", "probabilities", "name"),
    [
        (True, {"False": 0.9, "True": 0.1}, "True"),
        (2.0, {"1.5": 0.9, "2.0": 0.1}, "2.0"),
        (10**17 + 1, {str(10**17): 0.1, str(10**17 + 1): 0.9}, str(10**17 + 1)),  # the same number in JavaScript
    ],
)
def test_a_saved_label_is_the_name_of_its_class(label: Any, probabilities: dict[str, float], name: str, modules: Path):
    code = "return (await import('./classify.js')).withPredictions(...given)[1][1];"
    prediction = {"label": label, "probabilities": probabilities, "unknown_words": 0}
    assert in_page(modules, code, [["text"], [["good"]], [prediction]]) == name


@pytest.mark.parametrize(("chosen", "p", "predicted"), [(0, 0.3, 0), (0, 0.5, 1), (1, 0.5, 1), (1, 0.7, 0)])
def test_a_saved_label_is_what_a_threshold_chooses(chosen: int, p: float, predicted: int, modules: Path):
    code = "return (await import('./classify.js')).withPredictions(...given)[1][1];"
    labels = [10**17, 10**17 + 1]  # the same number in JavaScript
    prediction = {
        "label": labels[predicted],
        "probabilities": {str(labels[0]): 0.4, str(labels[1]): 0.6},
        "unknown_words": 0,
        "threshold": {"label": str(labels[chosen]), "probability": p},
    }
    assert in_page(modules, code, [["text"], [["good"]], [prediction]]) == str(labels[predicted])


def test_the_warning_of_unknown_words_is_that_of_the_command(modules: Path):
    assert in_page(modules, "return (await import('./classify.js')).HARDLY_KNOWN;") == HARDLY_KNOWN


def test_usual_names_of_columns_are_those_of_python(modules: Path):
    code = "const csv = await import('./csv.js'); return [csv.TEXT_COLUMNS, csv.LABEL_COLUMNS];"
    assert in_page(modules, code) == [list(USUAL_TEXT_COLUMNS), list(USUAL_LABEL_COLUMNS)]


def test_files_are_utf_8_or_say_what_they_are(modules: Path):
    text = "電影 é"
    files = {
        text.encode(): text,
        codecs.BOM_UTF8 + text.encode(): text,
        codecs.BOM_UTF16_LE + text.encode("utf-16-le"): text,
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"): text,
        text.encode("cp950", "ignore"): {"error": "a.csv is not UTF-8 text. Save it as UTF-8 (in Excel: CSV UTF-8)."},
        "good".encode("utf-16-le"): {"error": "a.csv is not UTF-8 text. Save it as UTF-8 (in Excel: CSV UTF-8)."},
    }
    code = "const { decode } = await import('./csv.js'); return decode(new Uint8Array(given).buffer, 'a.csv');"
    for content, expected in files.items():
        assert in_page(modules, code, list(content)) == expected


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (50_000, 300_000, ["50000", "100000", "150000", "200000", "250000", "300000"]),
        (0.9921, 0.9938, ["0.9925", "0.9930", "0.9935"]),
        (-0.1, 0.1, ["-0.10", "-0.05", "0.00", "0.05", "0.10"]),
        (0, 4e7, ["0", "1e+7", "2e+7", "3e+7", "4e+7"]),
    ],
)
def test_labels_of_an_axis_can_be_told_apart(low: float, high: float, labels: list[str], modules: Path):
    code = """
        const { labelsOf, ticks } = await import("./chart.js"), { values, step } = ticks(...given, 5);
        return labelsOf(values, step);
    """
    assert in_page(modules, code, [low, high]) == labels


def test_a_table_is_sent_in_parts_that_fit(modules: Path):
    code = (
        "const { partsOf } = await import('./classify.js'); return [...partsOf(...given)].map((part) => part.length);"
    )
    assert in_page(modules, code, [["a"] * 5, 1000, 2]) == [2, 2, 1]
    assert in_page(modules, code, [["é" * 10] * 5, 50, 100]) == [2, 2, 1]  # 20 bytes, quotation marks, and a comma
    assert in_page(modules, code, [["a" * 100, "b"], 50, 100]) == [1, 1]


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (["en-US", "zh-TW"], "en"),
        (["de", "zh-TW", "en"], "zh-Hant"),
        (["de"], "en"),
        ([], "en"),
    ],
)
def test_the_first_language_that_the_page_has_is_taken(languages: list[str], expected: str, modules: Path):
    code = """
        Object.defineProperty(globalThis, "navigator", { value: { languages: given } });
        return (await import("./texts.js")).preferredLanguage();
    """
    assert in_page(modules, code, languages) == expected
