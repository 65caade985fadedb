"""Loads lists of texts without labels, for prediction."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.text.chunks import split_lines
from rnnnlp.text.formats import begins_as_json, delimiter_of_header, open_table
from rnnnlp.text.labelled_rows import label_of_file
from rnnnlp.text.readers import read_standard_input, read_text
from rnnnlp.text.reading import ReadOptions
from rnnnlp.text.rows import with_line_feeds
from rnnnlp.text.sources import refuse_what_is_no_path
from rnnnlp.text.tables import USUAL_LABEL_COLUMNS, Table

LABEL = "label"  # the column of labels to come, where a table has none


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
    table = _table(path, reading)
    if table is not None:
        return [text for (text,) in table.texts_and(table.find_text_column(reading.text_column), keep_missing=True)]
    return _plain_lines(path, reading)


@dataclass(frozen=True)
class TextsToLabel:
    """Texts to be labelled; some may have a label already.

    Attributes:
        texts: The text of each row without a label; None for a row that has one, or has no text.
        labelled: The texts that have a label.
        columns: The names of the columns of texts and labels.
    """

    texts: list[str | None]
    labelled: frozenset[str] = frozenset()
    columns: tuple[str, str] = ("text", LABEL)


def load_texts_to_label(path: str | Path, reading: ReadOptions | None = None) -> TextsToLabel:
    """Loads texts as `load_plain_texts`; of a table with a label column, those of the rows without a label.

    Raises:
        UserError: If the file cannot be read, or has no such column.
    """
    reading = reading or ReadOptions()
    table = _table(path, reading)
    if table is None:
        return TextsToLabel(list(_plain_lines(path, reading)))
    of_texts, wanted = table.find_text_column(reading.text_column), reading.label_column
    if wanted is None and not any(name.strip().lower() in USUAL_LABEL_COLUMNS for name in table.columns):
        texts = [text for (text,) in table.texts_and(of_texts, keep_missing=True)]
        return TextsToLabel(texts, columns=(of_texts, LABEL))
    column = table.find_label_column(wanted)
    names = table.class_names(column)
    pairs = table.texts_and(of_texts, column, keep_missing=True)
    rows = [(text, label_of_file(value, names, table)) for text, value in pairs]
    if {label for _, label in rows} - {None} == {-1}:  # it means that there is none, as in `load_labelled`
        rows = [(text, None) for text, _ in rows]
    return TextsToLabel(
        [text if label is None else None for text, label in rows],
        frozenset(text for text, label in rows if text is not None and label is not None),
        (of_texts, column),
    )


def _table(path: str | Path, reading: ReadOptions) -> Table | None:
    """The table that a file is; None for plain text, and for "-".

    Raises:
        UserError: If there is no such file.
    """
    if str(path) == "-":
        return None
    file = Path(os.path.expanduser(path))  # an unknown ~name stays as it is
    if not file.is_file():
        refuse_what_is_no_path(str(path))
        raise UserError(f'{path}: no such file; expected a file of texts, or "-" for standard input')
    return open_table(file, reading)


def _plain_lines(path: str | Path, reading: ReadOptions) -> list[str]:
    """The lines of a file that is no table, or of standard input."""
    for name in ("text_column", "label_column"):
        if (column := getattr(reading, name)) is not None:
            where = "standard input" if str(path) == "-" else path
            raise UserError(f"{option(name)} is {column}, and {where} is no table; leave it out")
    if str(path) == "-":
        return _lines(_no_table(read_standard_input(reading.encoding)))
    return _lines(read_text(Path(os.path.expanduser(path)), reading.encoding))


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
