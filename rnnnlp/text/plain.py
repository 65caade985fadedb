"""Loads lists of texts without labels, for prediction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.text.chunks import split_lines
from rnnnlp.text.formats import begins_as_json, delimiter_of_header, open_table
from rnnnlp.text.readers import read_standard_input, read_text
from rnnnlp.text.reading import ReadOptions
from rnnnlp.text.rows import with_line_feeds
from rnnnlp.text.sources import refuse_what_is_no_path


def load_plain_texts(path: str | Path, reading: ReadOptions | None = None) -> Sequence[str | None]:
    r"""Loads the texts of a table (csv, tsv, json, parquet), or the lines of any other file or of standard input.

    Lines end at "\n", or at "\r\n" if all lines of the file do; at "\r" in a file that has no "\n". An empty line is an
    empty text. A file without the suffix of a table is one if its first line is a JSON object, or names usual columns.
    A row of a table without a text is None, so that each row has its answer.

    Args:
        path: The file; "-" for standard input.
        reading: How it is read.

    Raises:
        UserError: If the file cannot be read, or has no such column.
    """
    reading = reading or ReadOptions()
    file = Path(os.path.expanduser(path))  # an unknown ~name stays as it is
    if str(path) == "-":
        table = None
    else:
        if not file.is_file():
            refuse_what_is_no_path(str(path))
            raise UserError(f'{path}: no such file; expected a file of texts, or "-" for standard input')
        table = open_table(file, reading)
    if table is not None:
        return [text for (text,) in table.texts_and(table.find_text_column(reading.text_column), keep_missing=True)]
    if reading.text_column is not None:
        where = "standard input" if str(path) == "-" else path
        raise UserError(f"{option('text_column')} is {reading.text_column}, and {where} is no table; leave it out")
    if str(path) == "-":
        return _lines(_no_table(read_standard_input(reading.encoding)))
    return _lines(read_text(file, reading.encoding))


def _no_table(chunks: Iterable[str]) -> Iterator[str]:
    """The chunks of standard input; UserError if they are JSON or a csv table, whose lines are no texts."""
    for number, chunk in enumerate(chunks):
        if number == 0 and begins_as_json(chunk):
            raise UserError(
                "standard input is JSON; expected one text per line: write it to a .jsonl file and give that"
            )
        if number == 0 and delimiter_of_header(chunk, ReadOptions()):
            raise UserError(
                "standard input is a table with a header; expected one text per line: write it to a .csv file and give "
                "that"
            )
        yield chunk


def _lines(chunks: Iterable[str]) -> list[str]:
    lines = list(split_lines(with_line_feeds(chunks)))
    ended = lines if lines and lines[-1].endswith("\n") else lines[:-1]
    line_end = "\r\n" if ended and all(line.endswith("\r\n") for line in ended) else "\n"
    return [line.removesuffix(line_end) for line in lines]
