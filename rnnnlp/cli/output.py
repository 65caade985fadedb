"""What commands share when they print and write."""

import glob
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO

from rnnnlp.errors import UserError, option


def json_line(value: Any, stream: TextIO) -> str:
    r"""JSON in one line, to be written to `stream`. If its encoding is not UTF-8, other than ASCII becomes `\u....`."""
    encoding = (stream.encoding or "utf-8").lower().replace("_", "-")
    return json.dumps(value, ensure_ascii=encoding not in ("utf-8", "utf8"))


def write_json(path: str, figures: Any) -> None:
    """Writes figures to the file of `--json`."""
    with output_file("json", path) as file:
        file.write(json.dumps(figures, indent=2, ensure_ascii=False).encode() + b"\n")


@contextmanager
def output_file(name: str, path: str) -> Iterator[IO[bytes]]:
    """A context that gives the file of an option; what is there stays until the new content is whole.

    Raises:
        UserError: If it cannot be written.
    """
    from rnnnlp.files import replaced_file

    try:
        with replaced_file(Path(os.path.expanduser(path))) as file:
            yield file
    except BrokenPipeError:  # a pipe in place of a file
        raise
    except OSError as error:
        raise UserError(f"{option(name)} {path} cannot be written ({error.strerror}); give another path") from None


def refuse_input(name: str, path: str | None, *, data: Iterable[str | None] = (), runs: Iterable[str] = ()) -> None:
    """Refuses an output that a command also reads.

    Args:
        name: The option of the output.
        path: Its value; None and "-" are no file.
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
    places = [found for place in places for found in (glob.glob(place, recursive=True) or [place])]
    places += [os.path.join(os.path.expanduser(run), entry) for run in runs for entry in ENTRIES]
    for place in map(os.path.realpath, places):
        if os.path.exists(place) and (os.path.samefile(place, target) or Path(place) in Path(target).parents):
            raise UserError(f"{option(name)} {path} is a file that this command reads; give another path")
