"""Tables that a Python caller gives: of pandas, `datasets`, PyArrow or alike, or a dict of columns."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from itertools import chain
from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.text.tables import Table, class_names_in

BATCH_ROWS = 1024  # taken at a time of a data set or an Arrow table


def is_table(value: Any) -> bool:
    """Whether a caller gave a table where texts are expected.

    Raises:
        UserError: If it is a dict of data sets, or a lazy table.
    """
    refuse_lazy(value)
    if isinstance(value, dict) and value and all(hasattr(part, "column_names") for part in value.values()):
        raise UserError(
            f"the data are a {type(value).__name__} of {', '.join(map(str, value))}; give one of these, such as "
            f"data[{next(iter(value))!r}]"
        )
    if isinstance(value, Mapping) or hasattr(value, "column_names") or _is_reader(value):
        return True
    return hasattr(value, "columns") and len(getattr(value, "shape", (0, 0))) == 2


def refuse_lazy(value: Any) -> None:
    """UserError if it is a table that has no rows until it is collected, as of Spark or a `LazyFrame` of Polars."""
    if hasattr(type(value), "columns") and not hasattr(value, "__len__"):
        raise UserError(
            f"the data are a lazy {type(value).__name__}; expected a table with rows: collect it first, with collect() "
            "of Polars or toPandas() of Spark"
        )


def plain_column(column: Any) -> Any:
    """The values of a column of PyArrow as Python has them; anything else as it is."""
    return column.to_pylist() if hasattr(column, "to_pylist") else column


def _is_reader(value: Any) -> bool:
    """Whether it is a `RecordBatchReader` of PyArrow."""
    return hasattr(value, "schema") and hasattr(value, "read_next_batch")


class GivenTable(Table):
    """A table of a caller. If it is a stream, its rows can be taken once.

    Args:
        table: The table, for which `is_table` holds.
        name: The name of the argument, for messages.
    """

    chosen_columns = False

    def __init__(self, table: Any, name: str):
        self.name, self._table = f"{name}, a {type(table).__name__}", table
        self._is_stream = hasattr(table, "column_names") and not hasattr(table, "__len__")  # an `IterableDataset`
        columns = getattr(table, "column_names", getattr(table, "columns", None))
        if isinstance(table, Mapping):  # a dict, or a batch in `Dataset.map`
            columns = list(table)
        elif _is_reader(table):
            columns = table.schema.names
        elif self._is_stream:
            rows = iter(table)
            first = next(rows, None)  # it may not know its columns before
            self._rows = rows if first is None else chain([first], rows)
            columns = columns or first
        self._columns = () if columns is None else tuple(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(map(str, self._columns))

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yields the values of `columns` of each row."""
        names, table = [self._columns[self.columns.index(column)] for column in columns], self._table
        if self._is_stream:
            yield from (tuple(map(row.get, names)) for row in self._rows)
        elif hasattr(table, "select_columns"):  # a `Dataset`
            for batch in table.select_columns(names).iter(batch_size=BATCH_ROWS):
                yield from zip(*(batch[name] for name in names), strict=True)
        elif _is_reader(table) or hasattr(table, "to_batches"):  # a `pyarrow.Table`
            for batch in table if _is_reader(table) else table.to_batches(max_chunksize=BATCH_ROWS):
                yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)
        elif hasattr(table, "to_pylist"):  # a `RecordBatch`
            yield from zip(*(table.column(name).to_pylist() for name in names), strict=True)
        else:
            yield from zip(*self._whole_columns(names), strict=True)

    def _whole_columns(self, names: Sequence[Any]) -> list[Any]:
        """The columns of a table that has them as containers.

        Raises:
            UserError: If one is a single string, or their lengths differ.
        """
        columns = [plain_column(self._table[name]) for name in names]
        for name, column in zip(names, columns, strict=True):
            if isinstance(column, str | bytes):
                raise UserError(
                    f"{self.name} has the string {column[:40]!r} as column {name!r}; expected one value for each row: "
                    "put it into a list"
                )
        lengths = [len(column) for column in columns if isinstance(column, Sized)]
        if len(set(lengths)) > 1:
            raise UserError(
                f"{self.name} has columns of different lengths, {' and '.join(map(str, lengths))}; expected one value "
                "for each row"
            )
        return columns

    def class_names(self, column: str) -> tuple[str, ...] | None:
        features = getattr(self._table, "features", None)  # of a data set; pandas has a column of that name there
        if isinstance(features, Mapping):
            names = getattr(features.get(column), "names", None)
            return tuple(names) if names else None
        metadata = getattr(getattr(self._table, "schema", None), "metadata", None)  # of PyArrow
        return class_names_in(metadata, column) if isinstance(metadata, dict) else None

    def find_text_column(self, wanted: str | None) -> str:
        """As of any table; the only column of a table that has one may have any name."""
        return self.columns[0] if wanted is None and len(self.columns) == 1 else super().find_text_column(wanted)
