"""Tables: files, folders and Hub data sets with one text per row, all behind one small interface.

Files with separators are in `delimited.py`, JSON in `json_files.py`.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnnlp.errors import UserError, option
from rnnnlp.text.decoding import read_text
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.unpacked import LONGEST_LINE, Expansion, is_hidden

if TYPE_CHECKING:
    import datasets
    import pyarrow.parquet

log = logging.getLogger(__name__)

USUAL_TEXT_COLUMNS = ("text", "sentence", "review", "content", "comment", "body", "review_body", "reviewtext")
USUAL_LABEL_COLUMNS = ("label", "labels", "sentiment", "class", "category", "target", "stars", "rating", "polarity")


BATCH_ROWS = 1 << 13  # rows of a parquet file that are decoded at a time, at most
BATCH_SIZE = 1 << 28  # bytes of these, at most
ROW_SIZE = 16  # bytes that a row counts for besides its texts
_LARGEST_FOOTER = 1 << 24  # bytes of a parquet file that describe the others
_LENGTH = struct.Struct("<I").unpack_from
_NUMBER = rb"[\x80-\xff]*[\x00-\x7f]"
_DICTIONARY_HEADER = re.compile(  # of a page of a parquet file, as Thrift writes it: with its size, unpacked and packed
    rb"\x15%b\x15(%b)\x15(%b)(?:\x4c|\x15%b\x3c)\x15%b\x15%b[\x11\x12]?\0\0" % ((_NUMBER,) * 6), re.DOTALL
)


class Table(ABC):
    """Rows with named columns, read as a stream.

    Attributes:
        name: The name of the table in messages.
        chosen_columns: Whether its columns have names of others, so that it is said which ones are taken.
        empty_is_missing: Whether an empty text is none at all, as in a file that cannot tell the two apart.
    """

    name: str
    chosen_columns = True
    empty_is_missing = False

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
            wanted: Its name; None takes the only one of the `usual` names that the table has, in upper or lower case.
            usual: The usual names, in lower case.
            name_of_option: The option that names the column, for the message.

        Raises:
            UserError: If the table has no such column, or several, or `wanted` is not a string.
        """
        if not isinstance(wanted, str | None):  # a table of Python may have numbers as names
            raise UserError(f"{option(name_of_option)} is {wanted!r}; it must be a string, as {str(wanted)!r}")
        found = self.columns_like(wanted, usual)
        has = ", ".join(column or "''" for column in self.columns)
        if wanted is not None:
            if not found:
                raise UserError(
                    f"{self.name} has no column {wanted!r}; its columns are {has}: "
                    f"name one of them with {option(name_of_option)}"
                )
        else:
            with_classes = [column for column in found if self.class_names(column)]
            found = with_classes if len(with_classes) == 1 else found
        if len(set(found)) > 1:
            names = " and ".join(dict.fromkeys(found))
            raise UserError(
                f"{self.name} has the columns {names}, which fit equally; name one with {option(name_of_option)}"
            )
        if len(found) > 1:
            raise UserError(f"{self.name} has {len(found)} columns named {found[0]}; rename the others")
        if not found:
            raise UserError(
                f"{self.name} has none of the usual columns {', '.join(usual)}; "
                f"its columns are {has}: name one with {option(name_of_option)}"
            )
        return found[0]

    def columns_like(self, wanted: str | None, usual: Sequence[str]) -> list[str]:
        """The columns of this name, or with None those of a usual name, in upper or lower case."""
        if wanted is None:
            return [column for column in self.columns if column.strip().lower() in usual]
        found = [column for column in self.columns if column == wanted]
        return found or [column for column in self.columns if column == wanted.strip()]

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
        if self.chosen_columns:
            _log_columns(self.name, (text_column, *others))
        without = 0
        for number, row in enumerate(self.rows((text_column, *others)), start=1):
            text = row[0]
            if isinstance(text, str) and (text or not self.empty_is_missing):
                yield row
            elif text is None or text == "" or text != text:  # only NaN differs from itself
                without += 1
                if keep_missing:
                    yield (None, *row[1:])
            else:
                raise UserError(
                    f"{self.name}, row {number}: column {text_column!r} holds {type(text).__name__}, expected text; "
                    f"name another column with {option('text_column')}"
                )
        if without and not keep_missing:
            log.warning("%s: %d rows without a text dropped", self.name, without)

    def documents(self, text_column: str | None) -> Iterator[tuple[str, ...]]:
        """Yields the text of each row as its chunks, which are one."""
        return self.texts_and(self.find_text_column(text_column))


@functools.lru_cache(maxsize=1000)
def _log_columns(name: str, columns: tuple[str, ...]) -> None:
    """Cached, so a file that is read several times is named once."""
    others = f", column {columns[1]!r} the labels" if len(columns) == 2 else ""
    log.info("%s: column %r has the texts%s", name, columns[0], others)


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
            self._check_footer()
            return pyarrow.parquet.ParquetFile(self._path)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise self._damaged(error) from error

    def _check_footer(self) -> None:
        with self._path.open("rb") as file:
            file.seek(-min(8, file.seek(0, os.SEEK_END)), os.SEEK_END)
            if int.from_bytes(file.read(4), "little") > _LARGEST_FOOTER:
                raise ValueError("its description is too large")

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        import pyarrow

        expansion = Expansion(self._path, self._path.stat().st_size)
        try:
            self._check_sizes(columns)
            size = self._rows_of_batch(columns)
            for batch in self._file.iter_batches(batch_size=size, columns=list(columns)):
                arrays = [self._checked(batch.column(column), column, expansion) for column in columns]
                step = max(1, batch.num_rows * LONGEST_LINE // max(1, sum(array.nbytes for array in arrays)))
                for start in range(0, batch.num_rows, step):  # nearly always all of them
                    yield from zip(*(array.slice(start, step).to_pylist() for array in arrays), strict=True)
        except UserError:
            raise
        except (OSError, ValueError, OverflowError, MemoryError, pyarrow.ArrowException) as error:
            raise self._damaged(error) from error

    def _checked(self, array: Any, column: str, expansion: Expansion) -> Any:
        """The values of a column in a batch, if they are not too large and not too many."""
        import pyarrow

        if pyarrow.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        expansion.count(ROW_SIZE * len(array) + array.nbytes)
        is_text = pyarrow.types.is_string(array.type) or pyarrow.types.is_large_string(array.type)
        is_bytes = pyarrow.types.is_binary(array.type) or pyarrow.types.is_large_binary(array.type)
        largest = array.nbytes
        if array.nbytes > LONGEST_LINE and (is_text or is_bytes):
            import pyarrow.compute  # here, since it takes 0.1 s and few batches are so large

            length = pyarrow.compute.utf8_length if is_text else pyarrow.compute.binary_length
            largest = pyarrow.compute.max(length(array)).as_py() or 0
        if largest > LONGEST_LINE:
            raise UserError(
                f"{self.name}: column {column!r} has a text of more than {LONGEST_LINE:,} characters; "
                "divide it into several rows"
            )
        return array

    def _chunks(self, columns: Sequence[str]) -> Iterator[tuple[int, pyarrow.parquet.ColumnChunkMetaData]]:
        """The chunks of some columns in all row groups, each with its number of rows."""
        metadata = self._file.metadata
        paths = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
        wanted = [index for index, path in enumerate(paths) if path.partition(".")[0] in columns or path in columns]
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            yield from ((group.num_rows, group.column(index)) for index in wanted)

    def _check_sizes(self, columns: Sequence[str]) -> None:
        """Refuses nested columns with many values in a row, and more data than a file of its size can have."""
        size = self._path.stat().st_size
        of_pages, of_rows = Expansion(self._path, size), Expansion(self._path, size)
        for rows, chunk in self._chunks(columns):
            of_pages.count(chunk.total_uncompressed_size)
            of_rows.count(ROW_SIZE * rows)  # known now, so that no row is used of a file that `rows` would refuse
            if chunk.num_values > rows:
                raise UserError(
                    f"{self.name}: column {chunk.path_in_schema!r} has several values in a row; expected one text or "
                    "label: name another column"
                )

    def _rows_of_batch(self, columns: Sequence[str]) -> int:
        """The number of rows whose values fit into BATCH_SIZE bytes, even if each is the largest of its dictionary."""
        largest = 1
        for rows, chunk in self._chunks(columns):
            largest = max(largest, chunk.total_uncompressed_size // max(1, rows))
            if chunk.has_dictionary_page and rows * chunk.total_uncompressed_size > BATCH_SIZE:
                largest = max(largest, self._largest_of_dictionary(chunk))
        return max(1, min(BATCH_ROWS, BATCH_SIZE // largest))

    def _largest_of_dictionary(self, chunk: pyarrow.parquet.ColumnChunkMetaData) -> int:
        """The size of the largest value in the dictionary page of a chunk, or more."""
        import pyarrow

        with self._path.open("rb") as file:
            file.seek(chunk.dictionary_page_offset or 0)
            header = _DICTIONARY_HEADER.match(file.read(100))
            if header is None:
                return BATCH_SIZE
            size, packed = (_varint(number) >> 1 for number in header.groups())
            file.seek((chunk.dictionary_page_offset or 0) + header.end())
            page = file.read(packed)
        if chunk.physical_type != "BYTE_ARRAY" or BATCH_ROWS * size <= BATCH_SIZE:
            return size
        try:
            if chunk.compression != "UNCOMPRESSED":
                codec = chunk.compression.lower().replace("lz4", "lz4_raw")
                page = pyarrow.decompress(page, size, codec=codec, asbytes=True)
        except (OSError, ValueError, pyarrow.ArrowException):
            return size
        at = largest = 0
        last = len(page) - 4
        while at <= last:  # each value is its length in 4 bytes, and its bytes
            (length,) = _LENGTH(page, at)
            if length > largest:
                largest = length
            at += 4 + length
        return largest if at == len(page) else size

    def class_names(self, column: str) -> tuple[str, ...] | None:
        return class_names_in(self._file.schema_arrow.metadata or {}, column)

    def _damaged(self, error: Exception) -> UserError:
        reason = str(error).partition("\n")[0]
        return UserError(f"{self.name} cannot be read as parquet ({reason}); download or write the file again")


def class_names_in(metadata: Mapping[bytes, bytes], column: str) -> tuple[str, ...] | None:
    """The class names of a column that `datasets` wrote into the metadata of an Arrow schema (a `ClassLabel`)."""
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return tuple(map(str, feature["names"])) if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _varint(number: bytes) -> int:
    """A variable-length integer: 7 bits in each byte, the lowest first."""
    return sum((byte & 127) << (7 * place) for place, byte in enumerate(number))


def texts_in(folder: Path) -> list[Path]:
    """The .txt files of a folder, in order, without hidden ones."""
    return [folder / name for name in sorted(_names_of_texts(folder))]


def has_texts(folder: Path) -> bool:
    """Whether a folder has a .txt file that is not hidden."""
    return any(True for _ in _names_of_texts(folder))


def _names_of_texts(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (
            entry.name for entry in entries if entry.name.lower().endswith(".txt") and not is_hidden(entry.name)
        )


class ClassFolders(Table):
    """A folder with one sub-folder of .txt files per class, as in aclImdb. The name of the sub-folder is the label."""

    chosen_columns = False

    def __init__(self, folder: Path, classes: Sequence[str], reading: ReadOptions) -> None:
        self.name, self._folder, self._classes, self._reading = str(folder), folder, classes, reading

    @property
    def columns(self) -> tuple[str, ...]:
        return ("text", "label")

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
        place = [self.columns.index(column) for column in columns]
        for label in self._classes:
            folder = self._folder / label
            for name in sorted(_names_of_texts(folder)):
                text = "".join(read_text(f"{folder}{os.sep}{name}", self._reading.encoding))  # quicker than a Path
                row = (text, label)
                yield tuple([row[k] for k in place])


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
