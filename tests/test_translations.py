"""The translations are as new as their originals, and what they quote and run is right."""

import os
import re
import runpy
from pathlib import Path

import pytest

from scripts import translations

ROOT = Path(__file__).parents[1]
PAGES = translations.translations(ROOT)
EXPECTED = [
    "README.zh-TW.md",
    *(f"docs/zh-TW/{n}.md" for n in "quickstart classifier character-model pretraining".split()),
]
SIMPLIFIED = set("这个们说时还没过对开关门问间见观现觉学习训练题词语读写试评论质价标签类别预测结错误")


@pytest.mark.parametrize("name", [*EXPECTED, "docs/zh-TW/backpropagation.md"])
def test_the_page_is_a_translation(name: str):
    assert ROOT / name in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_original_has_not_changed_since(page: Path):
    original, made_of = PAGES[page]
    name = page.relative_to(ROOT)
    assert original.is_file()
    assert translations.digest(original) == made_of, (
        f"{original.relative_to(ROOT)} has changed: bring {name} up to date, "
        f"then python scripts/translations.py --accept {name}"
    )


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent != ROOT], ids=lambda page: page.name)
def test_a_page_has_the_commands_of_its_original(page: Path):
    """Commands may have other texts, such as Chinese ones, and more may be there."""
    original, _ = PAGES[page]
    wanted, there = (shapes(path.read_text(encoding="utf-8")) for path in (original, page))
    assert not wanted - there


def shapes(text: str) -> set[str]:
    """Command and first folder of each command in a block."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {
        f"{match[1]} {match[2]}"
        for block in blocks
        for match in re.finditer(r"rnnnlp (evaluate|predict|generate|train|pretrain|ensemble) (\w+/\w+|\w+)", block)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_traditional_characters_are_used(page: Path):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert sorted(set(text) & SIMPLIFIED) == []


def test_the_derivation_quotes_the_code_and_its_blocks_run():
    page = ROOT / "docs" / "zh-TW" / "backpropagation.md"
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        assert "assert " in block
        exec(compile(block, str(page), "exec"), {"__name__": "documentation"})
    tables = re.findall(r"^\| [^|\n]*\| `(rnnnlp/[\w/.]+)` 的程式 \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    assert len(tables) == 5
    for path, rows in tables:
        source = (ROOT / path).read_text(encoding="utf-8")
        quoted = [
            code for row in rows.splitlines() for code in re.findall(r"`([^`]+)`", row.rstrip("| ").rpartition("|")[2])
        ]
        assert quoted
        assert [code for code in quoted if code not in source] == []


def test_the_site_has_no_spaces_between_lines_of_chinese():
    if os.environ.get("RNNNLP_REQUIRE_SPHINX") != "1":
        pytest.importorskip("sphinx", reason="needs rnnnlp[docs]")
    conf = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    before = "一行\n二行 a\n三行\n\n- 項目\n\n```\n好,正面\n壞,負面\n```\n"
    source = [before]
    conf["join_chinese_lines"](None, "zh-TW/classifier", source)
    assert source[0] == before.replace("一行\n二", "一行二")
    source = [before]
    conf["join_chinese_lines"](None, "tutorials/classifier", source)
    assert source[0] == before


def test_a_changed_original_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "docs").mkdir()
    original, page = tmp_path / "README.md", tmp_path / "README.zh-TW.md"
    original.write_text("# Title\n\n<!-- results:t -->\n1\n<!-- /results -->\n", encoding="utf-8")
    page.write_text("<!-- translation of README.md -->\n\n# 標題\n", encoding="utf-8")
    assert translations.main([], tmp_path) == 1
    assert translations.main(["--accept", str(page)], tmp_path) == 0
    assert page.read_text(encoding="utf-8").endswith(" -->\n\n# 標題\n")
    original.write_text("# Title  \n\n<!-- results:t -->\n2\n<!-- /results -->\n", encoding="utf-8")
    assert translations.main([], tmp_path) == 0  # another figure, and blanks at the end of a line
    original.write_text("# Titles\n", encoding="utf-8")
    capsys.readouterr()
    assert translations.main([], tmp_path) == 1
    assert "README.zh-TW.md is older than README.md" in capsys.readouterr().out
    for path, message in ((original, "does not begin with"), (tmp_path / "none.md", "No such file")):
        with pytest.raises(SystemExit):
            translations.main(["--accept", str(path)], tmp_path)
        assert message in capsys.readouterr().err
