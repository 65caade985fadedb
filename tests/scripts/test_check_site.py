"""`scripts/check_site.py` finds links that lead nowhere, and what a page would fetch from another server."""

from pathlib import Path

import pytest

from scripts import check_site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "guide").mkdir()
    (tmp_path / "index.html").write_text('<a href="guide/data.html#csv">csv</a><a href="https://example.org">x</a>')
    (tmp_path / "guide" / "data.html").write_text('<h1 id="csv">csv</h1><a href="../index.html">up</a>')
    return tmp_path


def test_a_site_without_mistakes(site: Path, capsys: pytest.CaptureFixture[str]):
    assert check_site.main([str(site)]) == 0
    assert "2 pages, no mistake" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ('<a href="gone.html">x</a>', "guide/page.html links to gone.html, which is not there"),
        ('<a href="data.html#json">x</a>', "guide/page.html links to data.html#json: the page has no such anchor"),
        ('<a href="#nothing">x</a>', "guide/page.html links to #nothing: the page has no such anchor"),
        ('<img src="gone.png">', "guide/page.html links to gone.png, which is not there"),
        ('<script src="https://example.org/x.js"></script>', "guide/page.html fetches https://example.org/x.js"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "guide/page.html fetches //example.org/x.css"),
    ],
)
def test_a_mistake_is_found(html: str, message: str, site: Path, capsys: pytest.CaptureFixture[str]):
    (site / "guide" / "page.html").write_text(html)
    assert check_site.main([str(site)]) == 1
    assert capsys.readouterr().out == message + "\n"


def test_a_folder_without_a_site_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        check_site.main([str(tmp_path)])
    assert "has no index.html" in capsys.readouterr().err
