"""How commands print and write. Nothing else in the package prints text for people, but the progress of a training."""

import errno
import glob
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from pathlib import Path
from typing import IO, Any, TextIO

from rnnnlp.display import visible, visible_json
from rnnnlp.errors import OptionName, UserError, dashed, option


class Coloured(str):
    """A text that is visible already, with our own escape sequences: see `highlight`."""


class LogHandler(logging.StreamHandler[TextIO]):
    """Prints each log message on one line of standard error, if somebody can read it."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(values := record.args, tuple):
            record = copy(record)
            record.args = tuple(dashed(value) if isinstance(value, OptionName) else value for value in values)
        return visible(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # in place of a traceback
            raise


def show(*fields: str, to: TextIO | None = None) -> None:
    """Prints one line for people: fields with tabs between them, on standard output or `to` another stream.

    On another stream, nobody may read it.
    """
    with nullcontext() if to is None else suppress(OSError):
        print(*(field if isinstance(field, Coloured) else visible(field) for field in fields), sep="\t", file=to)


def show_text(text: str) -> None:
    """Prints a text that may have lines: in UTF-8 to a file or another program, and visible to a terminal."""
    show_bytes(text.encode("utf-8", "backslashreplace"))


def show_bytes(content: bytes) -> None:
    """Writes bytes to standard output as they are, and as visible text to a terminal."""
    at_terminal = sys.stdout.isatty()
    stream = None if at_terminal else getattr(sys.stdout, "buffer", None)
    if stream is None:
        text = content.decode("utf-8", "replace")
        print(visible(text, keep="\n\t") if at_terminal else text, end="", flush=True)
    else:
        sys.stdout.flush()
        stream.write(content)
        stream.flush()


def show_json(value: Any, stream: TextIO) -> None:
    r"""Prints a line of JSON for programs. If the encoding is not UTF-8, other than ASCII becomes `\u....`."""
    encoding = (stream.encoding or "utf-8").lower().replace("_", "-")
    print(visible_json(json.dumps(value, ensure_ascii=encoding not in ("utf-8", "utf8"))), file=stream)


def write_json(path: str | None, figures: Any, *, sync: bool = False) -> None:
    """Writes figures where `--json` says: to a file, to standard output for "-", and nowhere for None.

    `sync` is as for `output_file`.
    """
    if path is None:
        return
    if path == "-":
        show_json(figures, sys.stdout)
        return
    with output_file("json", path, sync=sync) as file:
        file.write(visible_json(json.dumps(figures, indent=2, ensure_ascii=False)).encode() + b"\n")


@contextmanager
def output_file(name: str, path: str, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A context that gives the file of an option; what is there is kept until the new content is complete.

    With `sync` it is on the disk, too, and what is written is locked until then, if there are locks.

    Raises:
        UserError: If it cannot be written.
    """
    from rnnnlp import locks
    from rnnnlp.files import replaced_file

    with writing_for(name, path):
        if sys.stdout is not None:
            sys.stdout.flush()  # in case the file is `/dev/stdout`
        with replaced_file(Path(os.path.expanduser(path)), sync=sync) as file:
            if sync:
                with suppress(OSError):
                    locks.take(file.fileno())
                with suppress(OSError):
                    file.seek(0)  # on Windows, the place of the lock is elsewhere
            yield file


@contextmanager
def writing_for(name: str, path: str) -> Iterator[None]:
    """A context that turns an `OSError` into a `UserError`, which names the option of an output."""
    try:
        yield
    except BrokenPipeError:  # a pipe in place of a file
        raise
    except OSError as error:
        raise UserError(f"{option(name)} {path} cannot be written ({error.strerror}); give another path") from None


def require_writable(name: str, path: str | None) -> None:
    """Refuses an output that cannot be written, before a command works for long.

    Args:
        name: The option of the output.
        path: Its value; None and "-" are not files.

    Raises:
        UserError: If it is a folder, or its own folder is missing or takes no file.
    """
    if path in (None, "-"):
        return
    place = os.path.expanduser(path)
    with writing_for(name, path):
        if os.path.isdir(place):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.path.exists(place):
            tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(place))).close()


def refuse_input(name: str, path: str | None, *, data: Iterable[str | None] = (), runs: Iterable[str] = ()) -> None:
    """Refuses an output that a command also reads.

    Args:
        name: The option of the output.
        path: Its value; None and "-" are not files.
        data: The data that the command reads: files, folders, patterns, or names of other kinds.
        runs: The folders of runs that it reads.

    Raises:
        UserError: If the output is one of these files, in a folder of data, or a file of a run.
    """
    from rnnnlp.training.data_places import is_local
    from rnnnlp.training.model_folder import ENTRIES

    if path in (None, "-") or not os.path.isfile(target := os.path.realpath(os.path.expanduser(path))):
        return
    named = ["/dev/stdin" if place == "-" else place for place in data]
    places = [os.path.expanduser(place) for place in named if place and is_local(place)]
    places = [
        found for place in places for found in ([place] if os.path.exists(place) else glob.glob(place, recursive=True))
    ]
    places += [os.path.join(os.path.expanduser(run), entry) for run in runs for entry in ENTRIES]
    for place in map(os.path.realpath, places):
        if os.path.exists(place) and (os.path.samefile(place, target) or Path(place) in Path(target).parents):
            raise UserError(f"{option(name)} {path} is a file that this command reads; give another path")
