"""Tables with a separator between the fields: csv and tsv files as spreadsheets and programs really write them."""

from __future__ import annotations

import csv
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from operator import itemgetter, length_hint, methodcaller
from pathlib import Path
from typing import TYPE_CHECKING

from rnnnlp.errors import UserError, option
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.rows import bare_lines_of_rows, blocks_of_rows, lines_of_blocks, lines_of_rows
from rnnnlp.text.tables import USUAL_LABEL_COLUMNS, USUAL_TEXT_COLUMNS, Table
from rnnnlp.text.unpacked import LONGEST_LINE
from rnnnlp.threads import Setting

if TYPE_CHECKING:
    from _csv import Reader

log = logging.getLogger(__name__)

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_FIELD_SIZE = Setting(csv.field_size_limit, csv.field_size_limit)  # by default it refuses texts over 128 KiB
_SEPARATOR_LINE = re.compile(r'"?sep=([,;|:\t^~])"?\r?\n?')  # the first line that Excel understands
_MOST_COLUMNS = 10_000
_LONGEST_HEADER = 1 << 16  # characters; the csv module refuses longer fields
_QUOTE = 'quote fields that hold the separator with "..."'
_USUAL = (*USUAL_TEXT_COLUMNS, *USUAL_LABEL_COLUMNS)
_BLANKS = " \t\r\n\xa0\u200b\ufeff"  # around names of columns, seen or not


@dataclass(frozen=True)
class Dialect:
    """How the fields of a file are written.

    Attributes:
        delimiter: The character between two fields.
        quoted: Whether quotation marks enclose fields; otherwise they are ordinary characters.
        blanks: Whether blanks after a delimiter are left out of the field.
        before: The number of lines before the header.
    """

    delimiter: str
    quoted: bool
    blanks: bool
    before: int

    def fields_of(self, line: str) -> list[str]:
        """The fields of one line, without blanks around them."""
        line = line[:_LONGEST_HEADER]
        if not self.quoted:
            return [field.strip().strip('"') for field in line.strip("\r\n").split(self.delimiter)]
        line = line.replace("\r", " ")  # the csv module refuses it outside of quotation marks
        reader = csv.reader([line], delimiter=self.delimiter, skipinitialspace=self.blanks)
        return [field.strip(_BLANKS) for field in next(reader, [])]


class DelimitedTable(Table):
    """A csv or tsv file with a header line.

    Args:
        path: The file.
        usual: The delimiter that its name stands for.
        reading: Its encoding and quoting.
    """

    empty_is_missing = True

    def __init__(self, path: Path, usual: str, reading: ReadOptions) -> None:
        self.name, self._path, self._usual, self._reading = str(path), path, usual, reading

    @cached_property
    def columns(self) -> tuple[str, ...]:
        header = next(self._open(_numbers())[0], None)
        if header is not None and len(header) > _MOST_COLUMNS:
            raise UserError(f"{self.name} has {len(header)} columns; expected a table of texts: give one with fewer")
        if header is None or not any(map(str.strip, header)):
            raise UserError(f"{self.name} is empty; expected a header line with the names of the columns")
        return tuple(name.strip() if self._dialect.quoted else name.strip().strip('"') for name in header)

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
        indices = [self.columns.index(column) for column in columns]
        number_of_fields = len(self.columns)
        blank = None if self._dialect.quoted else [""]  # the csv module gives an empty line as no field
        numbers = _numbers()
        records, line_of = self._open(numbers)
        next(records)
        if len(indices) == 1:
            index = indices[0]
            picked: Callable[[list[str]], tuple[str, ...]] = lambda record: (record[index],)  # noqa: E731
        else:
            picked = itemgetter(*indices)
        for number, record in zip(numbers, records, strict=False):
            if len(record) == number_of_fields and record != blank:
                yield picked(record)
            elif any(map(str.strip, record)):  # an empty line is not a row
                yield picked(self._completed(record, line_of(number)))

    def _completed(self, record: list[str], line: int) -> list[str]:
        """The fields of a row that has more or fewer than the header, where the difference is of empty ones."""
        expected = len(self.columns)
        if not any(map(str.strip, record[expected:])) and len(record) > expected:
            return record[:expected]
        missing = self.columns[len(record) :]
        if missing and not any(missing):  # the header ends in delimiters
            return record + [""] * len(missing)
        delimiter = self._dialect.delimiter
        more = len(record) > expected
        remedy = f"{_QUOTE if more else 'write empty fields, too'}, or use jsonl"
        if any(field.startswith(' "') for field in record):
            remedy = "leave out the blank between the separator and a quotation mark"
        elif self._dialect.quoted and self._agrees_without_quoting():
            remedy = f"every line has {expected} without quoting: give {option('quoting')} none"
        raise UserError(
            f"{self.name}, line {line}: {len(record)} fields, expected {expected} as in the header "
            f"(separated by {DELIMITERS.get(delimiter, repr(delimiter))}); {remedy}"
        )

    @cached_property
    def _dialect(self) -> Dialect:
        numbered = enumerate(self._lines())
        blank, first = next(((number, line) for number, line in numbered if line.strip()), (0, None))
        lines = [] if first is None else [first, *(line for _, line in islice(numbered, 2))]
        sep = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
        header, *rest = [*lines[1 if sep else 0 :], ""]
        delimiter = sep[1] if sep else self._delimiter_of(header)
        if delimiter != self._usual:
            log.info("%s: fields are separated by %s", self.name, DELIMITERS.get(delimiter, repr(delimiter)))
        shape = re.escape(delimiter)
        blanks = (
            delimiter in header
            and delimiter.isprintable()
            and (not re.search(f"{shape}(?! )", header.rstrip()) or bool(rest and re.search(f'{shape} +"', rest[0])))
        )
        if blanks:
            log.info("%s: the blanks after the separators are left out", self.name)
        return Dialect(delimiter, self._is_quoted(delimiter), blanks, blank + (1 if sep else 0))

    def _delimiter_of(self, header: str) -> str:
        """The usual delimiter if the header has it; or another one, which must give a usual or wanted column."""
        wanted = (*_USUAL, self._reading.text_column, self._reading.label_column)
        candidates = [self._usual, *(d for d in DELIMITERS if d != self._usual)]
        found = [d for d in candidates if d in header]
        for delimiter in found:
            names = Dialect(delimiter, True, True, 0).fields_of(header)
            if any(name in wanted or name.lower() in wanted for name in names):
                return delimiter
        return next(iter(found), self._usual)

    def _is_quoted(self, delimiter: str) -> bool:
        """Whether quotation marks enclose fields, where the options leave it open.

        In a csv file they do. In a tsv file they do not if every line has the same number of fields without quoting,
        and a field that begins with a mark does not also end as the csv module writes it.
        """
        if self._reading.quoting != "auto":
            return self._reading.quoting == "csv"
        if delimiter != "\t":
            return True
        begins = re.compile(r'(?:^|\t)"', re.MULTILINE)
        blocks = blocks_of_rows(self._path, self._reading.encoding)
        if not any('"' in block and begins.search(block) for block in blocks):
            return False  # both ways are the same
        quoted = not self._agrees_without_quoting(delimiter) or self._is_well_quoted()
        log.info(
            "%s: quotation marks %s; choose with %s",
            *(self.name, "enclose fields" if quoted else "are ordinary characters", "quoting (auto, csv, none)"),
        )
        return quoted

    def _agrees_without_quoting(self, delimiter: str | None = None, *, single: bool = False) -> bool:
        """Whether all lines have the same number of fields if quotation marks are ordinary characters.

        Args:
            delimiter: The delimiter; None takes that of the dialect.
            single: Whether that number may be 1.
        """
        counts: set[int] = set()
        count = methodcaller("count", delimiter or self._dialect.delimiter)
        for block in blocks_of_rows(self._path, self._reading.encoding):
            lines = block.removesuffix("\n").split("\n")
            counts.update(map(count, lines))
            if 0 in counts and len(counts) > 1:  # perhaps of empty lines
                counts = (counts - {0}) | {count(line) for line in lines if line.strip() and not count(line)}
            if len(counts) > 1:
                return False
        return single or counts != {0}

    def _is_well_quoted(self) -> bool:
        """Whether each field of a tsv file that begins with a quotation mark ends as the csv module writes it."""
        begins = re.compile(r'(?:^|\t)"', re.MULTILINE)
        whole = re.compile(r'(?:^|\t)"(?:[^"\n]|"")*"(?=\t|\r?$)', re.MULTILINE)
        return all(
            len(begins.findall(block)) == len(whole.findall(block))
            for block in blocks_of_rows(self._path, self._reading.encoding)
            if '"' in block
        )

    def _lines(self) -> Iterator[str]:
        return lines_of_rows(self._path, self._reading.encoding)

    def _open(self, numbers: Iterator[int]) -> tuple[Iterator[list[str]], Callable[[int], int]]:
        """The records of the file, and the line of a record by its number after the header.

        Args:
            numbers: From `_numbers`. The caller takes one before each record that it reads after the header.
        """
        dialect = self._dialect
        if not dialect.quoted:
            lines = islice(bare_lines_of_rows(self._path, self._reading.encoding), dialect.before, None)
            delimiter = dialect.delimiter
            split = (line.split(delimiter) for line in lines)
            records = ([field.lstrip(" ") for field in record] for record in split) if dialect.blanks else split
            return records, lambda number: number + 1 + dialect.before
        text = lines_of_blocks(self._bounded_blocks(numbers))
        for _ in range(dialect.before):
            next(text)
        reader = csv.reader(text, delimiter=dialect.delimiter, skipinitialspace=dialect.blanks, strict=True)
        return self._records(reader), lambda number: reader.line_num + dialect.before

    def _bounded_blocks(self, numbers: Iterator[int]) -> Iterator[str]:
        """The blocks of the file; UserError where a quoted record is too long to be one."""
        last, length = 0, 0
        for block in blocks_of_rows(self._path, self._reading.encoding):
            now = length_hint(numbers)  # the same while the same record is read
            length = length + len(block) if now == last else len(block)
            last = now
            if length > 2 * LONGEST_LINE:
                raise UserError(
                    f"{self.name}: a row has more than {2 * LONGEST_LINE:,} characters; its "
                    f"quotation marks are not as in a csv file: fix them, or give {option('quoting')} none"
                )
            yield block

    def _undoubted(self, reader: Reader) -> Iterator[list[str]]:
        """The records of a tsv file; UserError where a quotation mark that is only that seems to swallow lines."""
        line = 0
        for record in reader:
            line += 1
            if reader.line_num != line:
                if _swallows_rows(record):
                    raise UserError(
                        f"{self.name}, line {line + self._dialect.before}: a quoted field seems to swallow lines that "
                        "are rows; if its quotation mark is an ordinary character, give "
                        f"{option('quoting')} none, otherwise {option('quoting')} csv"
                    )
                line = reader.line_num
            yield record

    def _records(self, reader: Reader) -> Iterator[list[str]]:
        doubtful = self._reading.quoting == "auto" and self._dialect.delimiter == "\t"
        try:
            with _FIELD_SIZE.during(max(LONGEST_LINE, csv.field_size_limit())):
                yield from self._undoubted(reader) if doubtful else reader
        except csv.Error as error:
            line = reader.line_num + self._dialect.before
            columns = vars(self).get("columns", ())  # none while the header is being read
            fields = f"{len(columns)} fields" if columns else "the same number of fields"
            remedy = (
                f"every line has {fields} without quoting: give {option('quoting')} none"
                if self._agrees_without_quoting(single=len(columns) == 1)
                else 'quote fields with "..." and write quotes in them twice (""), or use jsonl'
            )
            if "new-line" in str(error):
                raise UserError(
                    f"{self.name}, line {line}: a carriage return is in a field without quotes; quote the field"
                ) from error
            raise UserError(
                f"{self.name}, line {line}: {error}; its quotation marks are not as in a csv file: {remedy}"
            ) from error


def _numbers() -> Iterator[int]:
    """The numbers of the records; `length_hint` says how many are left, so it changes with each record."""
    return iter(range(1, sys.maxsize))


def _swallows_rows(record: list[str]) -> bool:
    """Whether the first and the last of the lines of a tsv record would be rows by themselves, without quoting."""
    of_lines = [index for index, field in enumerate(record) if "\n" in field]
    if not of_lines:
        return False
    first, last = of_lines[0], of_lines[-1]
    tabs_of_first = first + record[first].partition("\n")[0].count("\t")
    tabs_of_last = record[last].rpartition("\n")[2].count("\t") + len(record) - 1 - last
    return tabs_of_first == tabs_of_last == len(record) - 1
