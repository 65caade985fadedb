"""Loads lists of texts without labels, for prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.text.chunks import split_lines
from rnnnlp.text.readers import read_standard_input, read_text
from rnnnlp.text.tables import TABLE_SUFFIXES, open_table


def load_plain_texts(path: str | Path, *, text_column: str | None = None) -> Sequence[str | None]:
    r"""Loads the texts of a table (csv, tsv, jsonl, parquet), or the lines of any other file or of standard input.

    Lines end at "\n", or at "\r\n" if all lines of the file do, and nowhere else. An empty line is an empty text.
    A row of a table without a text is None, so that each row has its answer.

    Args:
        path: The file; "-" for standard input.
        text_column: Name of the column with the texts of a table; by default one of the usual names.

    Raises:
        UserError: If the file cannot be read, or has no such column.
    """
    is_table = Path(path).suffix.lower() in TABLE_SUFFIXES
    if text_column is not None and not is_table:
        where = "standard input" if str(path) == "-" else path
        raise UserError(f"{option('text_column')} is {text_column}, and {where} is no table; leave it out")
    if str(path) == "-":
        return _lines(read_standard_input())
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f'{path}: no such file; expected a file of texts, or "-" for standard input')
    if not is_table:
        return _lines(read_text(file))
    table = open_table(file)
    return [text for (text,) in table.texts_and(table.find_text_column(text_column), keep_missing=True)]


def _lines(chunks: Iterable[str]) -> list[str]:
    lines = list(split_lines(chunks))
    ended = lines if lines and lines[-1].endswith("\n") else lines[:-1]
    line_end = "\r\n" if ended and all(line.endswith("\r\n") for line in ended) else "\n"
    return [line.removesuffix(line_end) for line in lines]
