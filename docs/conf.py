"""The documentation site: `sphinx-build -W --keep-going docs build/site`."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from rnnnlp import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "rnnnlp"
author = "The rnnnlp developers"
copyright = "The rnnnlp developers, MIT licence"
release = version = __version__

extensions = [
    "myst_nb",  # Markdown, and notebooks, which are executed
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "api_reference",
    "command_reference",
    "mathml",
    "repository_files",
]
exclude_patterns = ["_ext"]
nitpicky = False
default_role = "code"  # `name` in a docstring

myst_heading_anchors = 4  # #the-heading, as in GitHub
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_links_external_new_tab = False
suppress_warnings = [
    "myst.header",  # a page may go from the first level to the third
    "ref.python",  # a type in a signature, such as `Classes`, may be found in two modules
]

nb_execution_mode = "force"  # with today's code, also if a notebook has not changed
nb_execution_raise_on_error = True
nb_execution_timeout = 120  # seconds per cell
nb_execution_show_tb = True
nb_output_stderr = "remove"  # progress bars and evaluations of a training
nb_merge_streams = True

python_maximum_signature_line_length = 100
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"rnnnlp {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
pygments_dark_style = "github-dark"

linkcheck_ignore = [r"https?://(?!localhost)"]  # addresses of others are not asked while the site is built


def copy_notebooks(app: Sphinx) -> None:
    """Sphinx reads only files of docs/; the notebooks are in examples/, where people look for them."""
    target = HERE / "examples"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted((HERE.parent / "examples").glob("*.ipynb")):
        shutil.copy2(path, target)


def add_documents_of_the_root(app: Sphinx, page: str, source: list[str]) -> None:
    """Puts CONTRIBUTING.md and CHANGELOG.md before what is on their pages."""
    name = f"{page.upper()}.md"
    if name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        text = (HERE.parent / name).read_text(encoding="utf-8")
        text = (
            text.replace("](docs/", "](")
            .replace("](CHANGELOG.md", "](changelog.md")
            .replace("](CONTRIBUTING.md", "](contributing.md")
        )
        source[0] = re.sub(r"\]\((LICENSE)", r"](../\1", text) + "\n" + source[0]


def join_chinese_lines(app: Sphinx, page: str, source: list[str]) -> None:
    """A line end between two Chinese characters is not a space; in code blocks it stays a line end."""
    if page.startswith("zh-TW/"):
        parts = re.split(r"(^```.*?^```$)", source[0], flags=re.MULTILINE | re.DOTALL)
        chinese = "[\u3000-\u9fff\uff00-\uffef]"
        parts[::2] = [re.sub(f"(?<={chinese})\n(?={chinese})", "", part) for part in parts[::2]]
        source[0] = "".join(parts)


def set_language(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """So that a browser takes the right glyphs for Chinese characters."""
    if page.startswith("zh-TW/"):
        context["language"] = "zh-TW"


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", set_language)
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", add_documents_of_the_root)
    app.connect("source-read", join_chinese_lines)
