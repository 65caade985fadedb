"""What is bundled with this library, and needs no network: data sets, and where the bundled models are."""

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


def bundled_folder(name: str) -> Path | None:
    """The folder of this name among what is bundled; None if the installation lacks it.

    It is in the package if installed from a wheel, beside it in a checkout.
    """
    places = (_PACKAGE / "bundled" / name, _PACKAGE.parent / "data" / name)
    return next((place for place in places if place.is_dir()), None)


def sample_folder(name: str) -> Path:
    """The folder of a bundled data set.

    Raises:
        UserError: If the installation lacks it.
    """
    if (folder := bundled_folder(name)) is not None:
        return folder
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
