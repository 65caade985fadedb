"""Which kind of table a file is: its first bytes decide, and its name where they leave it open."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

from rnnnlp.text.charsets import marked_encoding, unmarked_utf16
from rnnnlp.text.delimited import DELIMITERS, DelimitedTable, Dialect
from rnnnlp.text.json_files import JsonTable
from rnnnlp.text.read_options import BYTES, ReadOptions
from rnnnlp.text.tables import USUAL_LABEL_COLUMNS, USUAL_TEXT_COLUMNS, ParquetTable, Table
from rnnnlp.text.unpacked import PARQUET, data_suffix, first_bytes, refused

log = logging.getLogger(__name__)

TABLES: dict[str, Callable[[Path, ReadOptions], Table]] = {
    ".csv": lambda path, reading: DelimitedTable(path, ",", reading),
    ".tsv": lambda path, reading: DelimitedTable(path, "\t", reading),
    ".tab": lambda path, reading: DelimitedTable(path, "\t", reading),
    ".jsonl": JsonTable,
    ".ndjson": JsonTable,
    ".json": JsonTable,
    ".parquet": lambda path, _: ParquetTable(path),
}
TABLE_SUFFIXES = tuple(TABLES)
PLAIN_JSON = ".json"  # may also be anything else than a table


def open_table(path: Path, reading: ReadOptions | None = None, *, rows: bool = True) -> Table | None:
    """Opens a file as a table.

    Args:
        path: The file.
        reading: How it is read.
        rows: Whether rows are expected. Otherwise only what is surely a table is one, as a model of characters may
            learn from any text.

    Returns:
        The table; None for plain text.

    Raises:
        UserError: If the file is neither text nor a table.
    """
    reading = reading or ReadOptions()
    if reading.encoding == BYTES and data_suffix(path.name) not in TABLES:
        return None
    head, inner = first_bytes(path)
    suffix = data_suffix(inner)
    if reading.encoding == BYTES and _shown_encoding(head) != "utf-8":
        reading = reading.changed(encoding=None)  # what the first bytes show
    if head.startswith(PARQUET):
        if inner != path.name:
            raise refused(path, "a compressed parquet file", "unpack it first")
        return _found(path, suffix, ".parquet", reading)
    if suffix == ".parquet":
        return ParquetTable(path)
    is_json = begins_as_json(_text_of(head, reading))
    if is_json and suffix not in (".tsv", ".tab") and (suffix in TABLES or rows):
        return _found(path, suffix, ".jsonl", reading)
    if suffix == PLAIN_JSON and not rows:
        return None
    if suffix in TABLES:
        return TABLES[suffix](path, reading)
    if rows and (delimiter := delimiter_of_header(_text_of(head, reading), reading)):
        log.info("%s: read as a table, because its first line names usual columns", path)
        return DelimitedTable(path, delimiter, reading)
    return None


def _found(path: Path, suffix: str, kind: str, reading: ReadOptions) -> Table:
    """The table of a kind; it is said where the name stands for another kind."""
    if suffix != kind and not suffix.endswith("json"):
        log.info("%s: read as %s, which it is by its content", path, kind.removeprefix("."))
    return TABLES[kind](path, reading)


def _text_of(head: bytes, reading: ReadOptions) -> str:
    encoding = reading.encoding if reading.encoding not in (None, BYTES) else _shown_encoding(head)
    return head.decode(encoding, "ignore").removeprefix("\ufeff")


def _shown_encoding(head: bytes) -> str:
    """The encoding that the first bytes name or show; UTF-8 if they do not."""
    return marked_encoding(head) or unmarked_utf16(head) or "utf-8"


def begins_as_json(text: str) -> bool:
    """Whether text begins as an array of objects, or as one object per line."""
    text = text.lstrip()
    if text.startswith("["):
        return text[1:].lstrip().startswith("{") or text[1:].strip() == "]"
    if not text.startswith("{"):
        return False
    line, ended, _ = text.partition("\n")
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return not ended and line[1:].lstrip().startswith('"')  # longer than the head


def delimiter_of_header(text: str, reading: ReadOptions) -> str | None:
    """The delimiter of a first line with a column for texts and one for labels, or with the wanted ones."""
    line, ended, _ = text.replace("\r", "\n").partition("\n")
    if not ended:
        return None
    for delimiter in DELIMITERS:
        names = Dialect(delimiter, True, True, 0).fields_of(line)
        lower = [name.lower() for name in names]
        has_text = reading.text_column in names if reading.text_column else any(n in lower for n in USUAL_TEXT_COLUMNS)
        usual = USUAL_LABEL_COLUMNS
        has_label = reading.label_column in names if reading.label_column else any(n in lower for n in usual)
        if len(names) > 1 and has_text and (has_label or reading.text_column):
            return delimiter
    return None
