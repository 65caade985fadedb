"""The built-in data sets, which need no network."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.text.tables import Table

SAMPLE_REVIEWS = "sample-reviews"
PYTHON_DOCS = "python-docs"
BUILTIN_NAMES = (SAMPLE_REVIEWS, PYTHON_DOCS)

_PACKAGE = Path(__file__).resolve().parents[1]


def sample_folder(name: str) -> Path:
    """The folder of a bundled data set: in the package if installed from a wheel, beside it in a checkout.

    Raises:
        UserError: If the installation lacks it.
    """
    for parent in (_PACKAGE / "sample_data", _PACKAGE.parent / "data"):
        if (parent / name).is_dir():
            return parent / name
    raise UserError(f"the built-in set {name} is not in {_PACKAGE}; install rnnnlp again, or clone its repository")


class PythonDocs(Table):
    """The topics of the Python language reference, sorted by name: about 0.7 MB of English text."""

    chosen_columns = False
    name = f"{PYTHON_DOCS} (Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro})"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("text",)

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        try:
            from pydoc_data.topics import topics
        except ImportError as error:
            raise UserError(
                f"{PYTHON_DOCS} needs pydoc_data, which this Python lacks; install the full standard library"
            ) from error
        yield from ((topics[key],) for key in sorted(topics))
