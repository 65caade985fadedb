"""Checks the built documentation site: links within it lead somewhere, and nothing is fetched from another server.

    sphinx-build -W --keep-going docs build/site
    python scripts/check_site.py build/site

Prints each mistake; the exit code is 1 if there is one.
"""

import argparse
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """What a page links to, what it fetches, and the anchors that it has."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in FETCHED and FETCHED[tag] in values and values.get("rel") not in ("canonical", "edit"):
            self.fetched.append(values[FETCHED[tag]])


def mistakes(site: Path) -> list[str]:
    """Each link to a page or an anchor that is not there, and each file of another server."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve()).as_posix()
        found += [f"{name} fetches {url}" for url in page.fetched if urlsplit(url).netloc]
        for url in [*page.links, *(url for url in page.fetched if not urlsplit(url).netloc)]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.is_file():
                found.append(f"{name} links to {url}, which is not there")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                found.append(f"{name} links to {url}: the page has no such anchor")
    return found


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="the folder that sphinx-build wrote")
    options = parser.parse_args(words)
    if not (options.site / "index.html").is_file():
        parser.error(f"{options.site} has no index.html; give the folder that sphinx-build wrote")
    found = mistakes(options.site)
    print("\n".join(dict.fromkeys(found)) or f"{len(list(options.site.rglob('*.html')))} pages, no mistake")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
