"""Links to files outside of docs/ lead to pages that show these files, with highlighted code."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parents[2]
FOLDER = "files"  # of the site: a page for each linked file


def link_to_pages(app: Sphinx, doctree: nodes.document) -> None:
    """Replaces downloads of files of the repository by links to their pages."""
    page = app.env.docname
    for node in list(doctree.findall(addnodes.download_reference)):
        path = (Path(app.srcdir) / posixpath.dirname(page) / node["reftarget"]).resolve()
        if not path.is_file() or not path.is_relative_to(ROOT) or path.is_relative_to(app.srcdir):
            continue
        name = path.relative_to(ROOT).as_posix()
        linked(app.env).setdefault(page, set()).add(name)
        target = app.builder.get_relative_uri(page, f"{FOLDER}/{name}")
        node.replace_self(nodes.reference("", "", *node.children, refuri=target, internal=True))


def linked(env: BuildEnvironment) -> dict[str, set[str]]:
    """The files that each page links to."""
    if not hasattr(env, "repository_files"):
        env.repository_files = {}
    return env.repository_files


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    linked(env).pop(page, None)


def merge(app: Sphinx, env: BuildEnvironment, pages: set[str], other: BuildEnvironment) -> None:
    linked(env).update({page: names for page, names in linked(other).items() if page in pages})


def file_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for name in sorted(set().union(*linked(app.env).values())):
        text = (ROOT / name).read_text(encoding="utf-8")
        try:
            language = get_lexer_for_filename(name).aliases[0]
        except ClassNotFound:
            language = "text"
        code = app.builder.highlighter.highlight_block(text, language, linenos=False)
        yield f"{FOLDER}/{name}", {"title": name, "body": f"<h1><code>{name}</code></h1>{code}"}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", link_to_pages, priority=100)  # before the downloads are collected
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("html-collect-pages", file_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
