"""Tables: files, folders and Hub data sets with one text per row, all behind one small interface."""

from __future__ import annotations

import csv
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnnlp.errors import UserError, option
from rnnnlp.text.chunks import split_lines
from rnnnlp.text.readers import read_text

if TYPE_CHECKING:
    import datasets
    import pyarrow.parquet

logger = logging.getLogger(__name__)

LONGEST_LINE = 1 << 24  # characters; the csv module needs many times the memory of a field
USUAL_TEXT_COLUMNS = ("text", "sentence", "review", "content", "comment", "body", "review_body", "reviewtext")
USUAL_LABEL_COLUMNS = ("label", "labels", "sentiment", "class", "category", "target", "stars", "rating", "polarity")


class Table(ABC):
    """Rows with named columns, read as a stream.

    Attributes:
        name: The name of the table in messages.
    """

    name: str

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yields the values of `columns` of each row; None for a missing value."""

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """The class names for the integers of a column, if the schema has them (a `ClassLabel`)."""
        return None

    def find_column(self, wanted: str | None, usual: Sequence[str], name_of_option: str) -> str:
        """Finds a column by name.

        Args:
            wanted: Its name; None takes the first of the `usual` names that the table has, in upper or lower case.
            usual: The usual names, in lower case.
            name_of_option: The option that names the column, for the message.

        Raises:
            UserError: If the table has no such column.
        """
        if wanted is not None:
            if wanted in self.columns:
                return wanted
            raise UserError(
                f"{self.name} has no column {wanted!r}; its columns are {', '.join(self.columns)}: name one of them"
            )
        by_lower_case = {column.lower(): column for column in reversed(self.columns)}
        for name in usual:
            if name in by_lower_case:
                return by_lower_case[name]
        raise UserError(
            f"{self.name} has none of the usual columns {', '.join(usual)}; "
            f"its columns are {', '.join(self.columns)}: name one with {option(name_of_option)}"
        )

    def find_text_column(self, wanted: str | None) -> str:
        """The column with the texts, as `find_column`."""
        return self.find_column(wanted, USUAL_TEXT_COLUMNS, "text_column")

    def find_label_column(self, wanted: str | None) -> str:
        """The column with the labels, as `find_column`."""
        return self.find_column(wanted, USUAL_LABEL_COLUMNS, "label_column")

    def texts_and(self, text_column: str, *others: str, keep_missing: bool = False) -> Iterator[tuple[Any, ...]]:
        """Yields the text and other values of each row.

        Args:
            text_column: The column with the texts.
            others: The other columns.
            keep_missing: Whether rows without a text are yielded, with None; else they are dropped, and their number is
                logged.

        Raises:
            UserError: If a value of `text_column` is not a string.
        """
        without = 0
        for number, row in enumerate(self.rows((text_column, *others)), start=1):
            text = row[0]
            if text is None or text != text:  # only NaN, which JSON may have, differs from itself
                without += 1
                if keep_missing:
                    yield (None, *row[1:])
            elif isinstance(text, str):
                yield row
            else:
                raise UserError(
                    f"{self.name}, row {number}: column {text_column!r} holds {type(text).__name__}, expected text; "
                    f"name another column with {option('text_column')}"
                )
        if without and not keep_missing:
            logger.warning("%s: %d rows without a text dropped", self.name, without)

    def documents(self, text_column: str | None) -> Iterator[tuple[str, ...]]:
        """Yields the text of each row as its chunks, which are one."""
        return self.texts_and(self.find_text_column(text_column))


def _lines_of_rows(path: Path) -> Iterator[str]:
    """Yields the lines of a file. `UserError` for an enormous line, which means that the file is not a table."""
    length = 0  # characters since the last line end

    def chunks() -> Iterator[str]:
        nonlocal length
        for chunk in read_text(path):
            after_line_end = chunk.rfind("\n") + 1
            length = len(chunk) - after_line_end + (0 if after_line_end else length)
            if length > LONGEST_LINE:
                raise UserError(
                    f"{path} has a line of more than {LONGEST_LINE:,} characters; expected one row per line: "
                    "check the file, or divide the text"
                )
            yield chunk

    return split_lines(chunks())


class CsvTable(Table):
    """A csv or tsv file with a header line, quoted as by Excel, pandas and `datasets`."""

    def __init__(self, path: Path, delimiter: str) -> None:
        self.name, self._path, self._delimiter = str(path), path, delimiter

    @cached_property
    def columns(self) -> tuple[str, ...]:
        header = next(self._records(), None)
        if header is None:
            raise UserError(f"{self.name} is empty; expected a header line with the names of the columns")
        return tuple(header)

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
        indices = [self.columns.index(column) for column in columns]
        records = self._records()
        next(records)
        for number, record in enumerate(records, start=1):
            if len(record) == len(self.columns):
                yield tuple(record[index] for index in indices)
            elif record:  # an empty line is no row
                raise UserError(
                    f"{self.name}, row {number}: {len(record)} fields, expected {len(self.columns)} as in the header; "
                    "quote fields that hold the separator, or use jsonl"
                )

    def _records(self) -> Iterator[list[str]]:
        limit = csv.field_size_limit(LONGEST_LINE)  # the default refuses texts over 128 KiB
        reader = csv.reader(_lines_of_rows(self._path), delimiter=self._delimiter, strict=True)
        try:
            yield from reader
        except csv.Error as error:
            raise UserError(
                f'{self.name}, line {reader.line_num}: {error}; quote fields with "..." and write quotes in them '
                'twice (""), or use jsonl'
            ) from error
        finally:
            csv.field_size_limit(limit)


class JsonlTable(Table):
    """A file with one JSON object per line. The first object has all columns; a missing key is a missing value."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path

    @cached_property
    def columns(self) -> tuple[str, ...]:
        first = next(self._objects(), None)
        if first is None:
            raise UserError(f"{self.name} is empty; expected one JSON object per line")
        return tuple(first)

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for record in self._objects():
            yield tuple(record.get(column) for column in columns)

    def _objects(self) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(_lines_of_rows(self._path), start=1):
            if line.isspace():
                continue
            try:
                record = json.loads(line)
                if "\\u" in line:
                    json.dumps(record, ensure_ascii=False).encode()  # only an escape can make a lone surrogate
            except UnicodeEncodeError as error:
                raise UserError(
                    f"{self.name}, line {number}: an escape stands for half a character "
                    f"({error.object[error.start]!r}); write the whole surrogate pair"
                ) from error
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{self.name}, line {number}: not JSON ({error}); expected one object per line"
                ) from error
            if not isinstance(record, dict):
                raise UserError(
                    f"{self.name}, line {number}: {type(record).__name__}, expected an object; "
                    "write one per line, with the columns as keys"
                )
            yield record


class ParquetTable(Table):
    """A parquet file. Class names come from the schema that `datasets` writes (`ClassLabel`)."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._file.schema_arrow.names)

    @cached_property
    def _file(self) -> pyarrow.parquet.ParquetFile:
        import pyarrow
        import pyarrow.parquet

        try:
            return pyarrow.parquet.ParquetFile(self._path)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise self._damaged(error) from error

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        import pyarrow

        try:
            for batch in self._file.iter_batches(batch_size=1024, columns=list(columns)):
                yield from zip(*(batch.column(column).to_pylist() for column in columns), strict=True)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise self._damaged(error) from error

    def class_names(self, column: str) -> tuple[str, ...] | None:
        try:
            schema = json.loads((self._file.schema_arrow.metadata or {})[b"huggingface"])
            feature = schema["info"]["features"][column]
            return tuple(map(str, feature["names"])) if feature["_type"] == "ClassLabel" else None
        except (KeyError, TypeError, ValueError, RecursionError):
            return None

    def _damaged(self, error: Exception) -> UserError:
        reason = str(error).partition("\n")[0]
        return UserError(f"{self.name} cannot be read as parquet ({reason}); download or write the file again")


class ClassFolders(Table):
    """A folder with one sub-folder of .txt files per class, as in aclImdb. The name of the sub-folder is the label."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.name, self._folder, self._classes = str(folder), folder, classes

    @property
    def columns(self) -> tuple[str, ...]:
        return ("text", "label")

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
        for label in self._classes:
            for path in sorted((self._folder / label).glob("*.txt")):
                row = {"text": "".join(read_text(path)), "label": label}
                yield tuple(row[column] for column in columns)


class HubTable(Table):
    """One split of a data set loaded by the `datasets` library."""

    def __init__(self, name: str, dataset: datasets.Dataset) -> None:
        self.name, self._dataset = name, dataset

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._dataset.column_names)

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for batch in self._dataset.select_columns(list(columns)).iter(batch_size=1024):
            yield from zip(*(batch[column] for column in columns), strict=True)

    def class_names(self, column: str) -> tuple[str, ...] | None:
        names = getattr(self._dataset.features[column], "names", None)
        return tuple(names) if names else None


TABLES: dict[str, Callable[[Path], Table]] = {
    ".csv": lambda path: CsvTable(path, delimiter=","),
    ".tsv": lambda path: CsvTable(path, delimiter="\t"),
    ".jsonl": JsonlTable,
    ".parquet": ParquetTable,
}
TABLE_SUFFIXES = tuple(TABLES)


def open_table(path: Path) -> Table:
    """Opens a file whose suffix is one of `TABLE_SUFFIXES`."""
    return TABLES[path.suffix.lower()](path)
