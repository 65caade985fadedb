"""How commands print and write. Nothing else in the package prints text for people, but the progress of a training."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from rnnnlp.display import visible, visible_json
from rnnnlp.errors import UserError, option


class Coloured(str):
    """A text that is visible already, with escape sequences of ours: see `highlight`."""


class LogHandler(logging.StreamHandler[TextIO]):
    """Prints each log message on one line of standard error, if somebody can read it."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # in place of a traceback
            raise


def show(*fields: str, to: TextIO | None = None) -> None:
    """Prints one line for people: fields with tabs between them, on standard output or `to` another stream."""
    print(*(field if isinstance(field, Coloured) else visible(field) for field in fields), sep="\t", file=to)


def show_text(text: str) -> None:
    """Prints a text that may have lines: as it is to a file or another program, and visible to a terminal."""
    print(visible(text, keep="\n\t") if sys.stdout.isatty() else text, end="", flush=True)


def show_json(value: Any, stream: TextIO) -> None:
    r"""Prints a line of JSON for programs. If the encoding is not UTF-8, other than ASCII becomes `\u....`."""
    encoding = (stream.encoding or "utf-8").lower().replace("_", "-")
    print(visible_json(json.dumps(value, ensure_ascii=encoding not in ("utf-8", "utf8"))), file=stream)


def write_json(path: str, figures: Any) -> None:
    try:
        Path(os.path.expanduser(path)).write_text(
            visible_json(json.dumps(figures, indent=2, ensure_ascii=False)) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise UserError(f"{option('json')} {path} cannot be written ({error.strerror}); give another path") from None
