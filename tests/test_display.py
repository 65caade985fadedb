"""Text for people: what a terminal or a page would act on is made visible."""

import json
import unicodedata

import pytest

from rnnnlp.display import has_acting, markdown, markdown_code, visible, visible_json

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
