"""Loads lists of texts without labels, for prediction."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.text.decoding import read_standard_input, read_text
from rnnnlp.text.formats import begins_as_json, delimiter_of_header, open_table
from rnnnlp.text.labelled_rows import classes_of_schema, label_of_file
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.rows import with_line_feeds
from rnnnlp.text.sources import refuse_what_is_no_path
from rnnnlp.text.tables import USUAL_LABEL_COLUMNS, Table
from rnnnlp.text.unpacked import HEAD, check_unpacked

FIRST_BATCH, LARGEST_BATCH = 16, 10_000  # texts
BATCH_CHARACTERS = 1 << 19  # of a batch; encoded, they take some tens of megabytes
LABEL = "label"  # the column of labels to come, where a table has none


def load_plain_texts(path: str | Path, reading: ReadOptions | None = None) -> Sequence[str | None]:
    """Loads all texts that `stream_plain_texts` gives."""
    return [text for batch in stream_plain_texts(path, reading) for text in batch]


def stream_plain_texts(
    path: str | Path, reading: ReadOptions | None = None, trained: ReadOptions | None = None
) -> Iterator[list[str | None]]:
    r"""Yields the texts of a table (csv, tsv, json, parquet), or the lines of any other file or of standard input.

    They come in batches, as `in_batches` makes them; where standard input pauses, the batch so far is yielded. So the
    first texts have their answer before the last ones are read, and memory use does not grow with the file. A
    compressed file is unpacked once beforehand, so that a damaged one or a bomb is refused before it is used.

    Lines end at "\n" or "\r\n"; at "\r" in a file that has no "\n". A file without the suffix of a table is one if its
    first line is a JSON object, or names usual columns. A row of a table without a text is None, and so is a blank
    line, so that each row has its answer.

    Args:
        path: The file; "-" for standard input.
        reading: How it is read.
        trained: The columns that a model was trained on: those that the file has are taken where `reading` names none.

    Raises:
        UserError: If the file cannot be read, or has no such column.
    """
    reading = reading or ReadOptions()
    table = _table(path, reading, trained)
    if str(path) != "-":
        check_unpacked(os.path.expanduser(path))
    if table is None:
        yield from in_batches(_plain_lines(path, reading), LARGEST_BATCH)
        return
    of_texts = table.find_text_column(_column("text_column", table, reading, trained))
    rows = table.texts_and(of_texts, keep_missing=True)
    yield from in_batches(([text] for (text,) in rows), LARGEST_BATCH)


def in_batches(parts: Iterable[Sequence[str | None]], largest: int) -> Iterator[list[str | None]]:
    """Yields texts in batches, which grow: the first ones are small, so that they are soon there.

    Args:
        parts: The texts, some at a time; an empty part ends a batch, as what follows may take a while.
        largest: The largest number of texts in a batch.

    Raises:
        UserError: If there is no next part; the texts before it are yielded first.
    """
    batch: list[str | None] = []
    most, characters = min(FIRST_BATCH, largest), 0
    try:
        for part in parts:
            if not part and batch:
                yield batch
                batch, characters = [], 0
            for text in part:
                batch.append(text)
                characters += len(text or "")
                if len(batch) >= most or characters >= BATCH_CHARACTERS:
                    yield batch
                    batch, characters = [], 0
                    most = min(2 * most, largest)
    except UserError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


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


def load_texts_to_label(
    path: str | Path, reading: ReadOptions | None = None, trained: ReadOptions | None = None
) -> TextsToLabel:
    """Loads texts as `stream_plain_texts`; of a table with a label column, those of the rows without a label.

    Raises:
        UserError: If the file cannot be read, or has no such column.
    """
    reading = reading or ReadOptions()
    table = _table(path, reading, trained)
    if table is None:
        return TextsToLabel([line for lines in _plain_lines(path, reading) for line in lines])
    of_texts = table.find_text_column(_column("text_column", table, reading, trained))
    wanted = _column("label_column", table, reading, trained)
    if wanted is None and not table.columns_like(None, USUAL_LABEL_COLUMNS):
        texts = [text for (text,) in table.texts_and(of_texts, keep_missing=True)]
        return TextsToLabel(texts, columns=(of_texts, LABEL))
    column = table.find_label_column(wanted)
    names = classes_of_schema(table, column)
    pairs = table.texts_and(of_texts, column, keep_missing=True)
    rows = [(text, label_of_file(value, names, table)) for text, value in pairs]
    if {label for _, label in rows} - {None} == {-1}:  # it means that there is none, as in `load_labelled`
        rows = [(text, None) for text, _ in rows]
    return TextsToLabel(
        [text if label is None else None for text, label in rows],
        frozenset(text for text, label in rows if text is not None and label is not None),
        (of_texts, column),
    )


def _column(name: str, table: Table, reading: ReadOptions, trained: ReadOptions | None) -> str | None:
    """The column that an option names, or that of the training if the table has it; None for a usual one."""
    asked, of_training = getattr(reading, name), getattr(trained, name, None)
    return of_training if asked is None and of_training is not None and table.columns_like(of_training, ()) else asked


def _table(path: str | Path, reading: ReadOptions, trained: ReadOptions | None) -> Table | None:
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
    wanted = reading if trained is None else trained.changed(**ReadOptions.given(reading))
    return open_table(file, wanted) or open_table(file, reading)


def _plain_lines(path: str | Path, reading: ReadOptions) -> Iterator[list[str | None]]:
    """Yields the lines of a file that is not a table, or of standard input, some at a time: none where it pauses."""
    for name in ("text_column", "label_column"):
        if (column := getattr(reading, name)) is not None:
            where = "standard input" if str(path) == "-" else path
            raise UserError(f"{option(name)} is {column}, and {where} is not a table; leave it out")
    if str(path) == "-":
        return _lines(_no_table(read_standard_input(reading.encoding)))
    return _lines(read_text(Path(os.path.expanduser(path)), reading.encoding))


def _no_table(chunks: Iterable[str]) -> Iterator[str]:
    """The chunks of standard input; UserError if they are JSON or a csv table, whose lines are not texts."""
    iterator, head = iter(chunks), ""
    for chunk in iterator:
        head += chunk
        if "\n" in chunk or len(head) > HEAD:
            break
    if begins_as_json(head):
        raise UserError("standard input is JSON; expected one text per line: write it to a .jsonl file and give that")
    if delimiter_of_header(head, ReadOptions()):
        raise UserError(
            "standard input is a table with a header; expected one text per line: write it to a .csv file and give that"
        )
    yield head
    yield from iterator


def _lines(chunks: Iterable[str]) -> Iterator[list[str | None]]:
    """The lines of a text, None for a blank one; an empty list where the text pauses."""
    rest: list[str] = []
    for chunk in with_line_feeds(chunks):
        first, *others = chunk.split("\n")
        rest.append(first)
        if others:
            ended = ["".join(rest), *others[:-1]]
            rest = others[-1:]
            yield [line.removesuffix("\r") if line.strip() else None for line in ended]
        elif not chunk:
            yield []
    if last := "".join(rest):
        yield [last if last.strip() else None]
