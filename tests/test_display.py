"""Text for people: what a terminal or a page would act on is made visible."""

import json
import os
import unicodedata
from pathlib import Path

import pytest

from rnnnlp.display import (
    aligned_right,
    columns,
    command_line,
    has_acting,
    markdown,
    markdown_code,
    path_as_word,
    visible,
    visible_json,
)

ACTING = [
    *map(chr, (*range(0x20), *range(0x7F, 0xA0))),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff",
    "\ud800",
    "\udfff",
]


@pytest.mark.parametrize("character", ACTING, ids=ascii)
def test_what_acts_is_written_as_an_escape(character: str):
    assert visible(f"a{character}b") == f"a{repr(character)[1:-1]}b"
    assert has_acting(f"a{character}b")


def test_all_controls_lines_and_halves_are_among_them():
    of_unicode = {chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) in ("Cc", "Zl", "Zp", "Cs")}
    of_unicode |= {chr(c) for c in range(0x110000) if unicodedata.bidirectional(chr(c)) in BIDIRECTIONAL}
    assert [c for c in of_unicode if not has_acting(c)] == []


BIDIRECTIONAL = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize(
    "text", ["", "a film, café", "质量很好", "плохо", "👩\u200d🚀", "می\u200cخواهم", "a\u00a0b\u3000c", "\\n"]
)
def test_other_text_stays_as_it_is(text: str):
    assert visible(text) == text
    assert not has_acting(text)


def test_some_characters_can_be_kept():
    assert visible("a\n\tb\x1b[2J", keep="\n\t") == "a\n\tb\\x1b[2J"


def test_json_has_the_same_content_and_none_of_them():
    content = {"text": "-".join(ACTING) + "质 é"}
    for indent in (None, 2):
        written = visible_json(json.dumps(content, ensure_ascii=False, indent=indent))
        assert json.loads(written) == content
        assert not has_acting(written.replace("\n", ""))
        assert "质 é" in written


def test_markdown():
    assert markdown("a|b <script>`*[x](y)\nc_d") == r"a\|b \<script\>\`\*\[x\](y)\\nc_d"
    assert "\n" not in markdown_code("a`\n`b")


@pytest.mark.parametrize(
    ("text", "code"),
    {"data.csv": "`data.csv`", "a`b": "`` a`b ``", "`": "`` ` ``", "a``b": "``` a``b ```"}.items(),
)
def test_code_in_markdown(text: str, code: str):
    assert markdown_code(text) == code


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("abc", 3), ("好评", 4), ("ｱａ", 3), ("e\u0301", 1), ("คำ\u200d", 2), ("정말", 4)]
)
def test_columns_of_a_terminal(text: str, expected: int):
    assert columns(text) == expected
    assert aligned_right(text, 6) == " " * (6 - expected) + text
    assert aligned_right(text, 0) == text


def test_commands_are_quoted(monkeypatch: pytest.MonkeyPatch):
    words = ["rnnnlp", "predict", "my runs/a", path_as_word("-b"), path_as_word(Path("c"))]
    place = os.path.join(".", "-b")
    found = []
    for name in ("posix", "nt"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "name", name)
            found.append(command_line(*words))
    assert found == [f"rnnnlp predict 'my runs/a' {place} c", f'rnnnlp predict "my runs/a" {place} c']
