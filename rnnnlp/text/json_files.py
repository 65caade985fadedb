"""Tables of JSON objects: one per line, or all in one array."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.text.decoding import read_text
from rnnnlp.text.read_options import BYTES, ReadOptions
from rnnnlp.text.rows import lines_of_rows
from rnnnlp.text.tables import Table
from rnnnlp.text.unpacked import LONGEST_LINE

_FIRST_OBJECTS = 100
_LONG = 1 << 20  # characters of an object whose parts are counted
_MOST_PARTS = 1 << 18  # objects and arrays in one object
_BLANK = re.compile(r"[ \t\r\n]*")


class JsonTable(Table):
    """A file of JSON objects. The first ones show its columns; a missing key is a missing value."""

    def __init__(self, path: Path, reading: ReadOptions) -> None:
        self.name, self._path, self._encoding = str(path), path, reading.encoding

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The keys of the first objects."""
        keys = dict.fromkeys(key for record in islice(self._objects(), _FIRST_OBJECTS) for key in record)
        if not keys:
            raise UserError(f"{self.name} is empty; expected one JSON object per line")
        return tuple(keys)

    def columns_like(self, wanted: str | None, usual: Sequence[str]) -> list[str]:
        """As of any table; a column that the first objects lack may be a key of a later one."""
        found = super().columns_like(wanted, usual)
        if not found and self.columns:
            self.columns = tuple(dict.fromkeys(key for record in self._objects() for key in record))
            found = super().columns_like(wanted, usual)
        return found

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        if len(columns) == 2:  # quicker than a loop over them
            first, second = columns
            return ((get(first), get(second)) for get in (record.get for record in self._objects()))
        return (tuple(record.get(column) for column in columns) for record in self._objects())

    def _objects(self) -> Iterator[dict[str, Any]]:
        chunks = read_text(self._path, self._encoding)
        start = next((chunk.lstrip()[:1] for chunk in chunks if not chunk.isspace()), "")
        return self._of_array() if start == "[" else self._of_lines()

    def _of_lines(self) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(lines_of_rows(self._path, self._encoding), start=1):
            if line.isspace():
                continue
            if len(line) > _LONG:
                self._check_parts(line, f"line {number}")
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                if number == 1 and line.startswith("{"):
                    self._refuse_one_object()
                raise self._no_json(f"line {number}", error) from error
            yield self._checked(record, line, "line", number)

    def _of_array(self) -> Iterator[dict[str, Any]]:
        """The objects of one array, decoded one at a time."""
        decode = json.JSONDecoder().raw_decode
        text, number, wanted = "", 0, 0
        opened = closed = False
        for chunk in chain(read_text(self._path, self._encoding), [None]):
            text += chunk or ""
            if chunk is not None and len(text) < wanted:
                continue
            at = 0
            while not closed and (at := _BLANK.match(text, at).end()) < len(text):  # type: ignore[union-attr]
                if not opened or text[at] == "]" or (text[at] == "," and number):
                    opened, closed, at = True, text[at] == "]", at + 1
                    continue
                try:
                    record, end = decode(text, at)
                except (ValueError, RecursionError) as error:
                    where = f"item {number + 1}"
                    self._check_parts(text[at:], where)
                    if chunk is not None and isinstance(error, ValueError) and len(text) - at < LONGEST_LINE:
                        wanted = 2 * (len(text) - at)  # so that a long object is not decoded once for each chunk
                        break
                    raise self._no_json(where, getattr(error, "msg", error)) from error
                number += 1
                yield self._checked(record, text[at:end], "item", number)
                at = end
            text = text[at:]
        if not closed or text.strip():
            expected = "nothing after it" if closed else "a ] at its end"
            raise UserError(f"{self.name}: its array of {number} objects is damaged; expected {expected}")

    def _check_parts(self, text: str, where: str) -> None:
        """UserError for a long object of small parts, before decoding takes a gigabyte."""
        if len(text) > _LONG and text.count("{") + text.count("[") > _MOST_PARTS:
            raise UserError(
                f"{self.name}, {where}: an object of more than {_MOST_PARTS:,} parts; expected one with a text and a "
                "label: leave the others out"
            )

    def _checked(self, record: Any, text: str, kind: str, number: int) -> dict[str, Any]:
        if "\\u" in text:  # only an escape can make a lone surrogate
            # Bytes that are not UTF-8 are surrogates as well: they are replaced, so that those of escapes are left.
            escaped = json.loads(text.encode(errors="replace")) if self._encoding == BYTES else record
            try:
                json.dumps(escaped, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise UserError(
                    f"{self.name}, {kind} {number}: an escape stands for half a character "
                    f"({error.object[error.start]!r}); write the whole surrogate pair"
                ) from error
            except RecursionError as error:  # lists may be decoded a little deeper than they can be encoded
                raise self._no_json(f"{kind} {number}", error) from error
        if not isinstance(record, dict):
            raise UserError(
                f"{self.name}, {kind} {number}: {type(record).__name__}, expected an object; "
                "write one per line, with the columns as keys"
            )
        return record

    def _no_json(self, where: str, error: object) -> UserError:
        return UserError(f"{self.name}, {where}: not JSON ({error}); expected one object per line, or an array of them")

    def _refuse_one_object(self) -> None:
        """Names a file that is one object over several lines."""
        text = ""
        for chunk in read_text(self._path, self._encoding):
            text += chunk
            if len(text) > LONGEST_LINE:
                return
        try:
            keys = list(json.loads(text))
        except (ValueError, RecursionError):
            return
        raise UserError(
            f"{self.name} is one JSON object with the keys {', '.join(map(repr, keys[:5]))}; "
            "expected an array of objects, or one object per line"
        )
