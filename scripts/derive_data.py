"""Makes a labelled data set from another one: with a rare class, or with classes of two columns.

    python scripts/derive_data.py --data imdb --rare 0=0.1 --out imdb-rare
    python scripts/derive_data.py --data online_shopping_10_cats --by cat=平板,衣服,酒店 --out six-classes

The first one leaves texts with the label 0 out until they are a tenth. In the second one, the texts of three categories
have a class for each category and label, such as "酒店 1". The parts (train, validation, test) stay apart.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnnlp.cli.main import reported
from rnnnlp.errors import UserError
from rnnnlp.text.sources import SPLITS

Row = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", required=True, type=Path, help="a folder with train*.parquet and others of its parts")
    parser.add_argument("--rare", metavar="LABEL=SHARE", help="the share that this class is to have")
    parser.add_argument("--by", metavar="COLUMN=A,B", help="keep rows with these values, which become classes")
    parser.add_argument("--seed", type=int, default=0, help="chooses the texts that are left out (default: 0)")
    parser.add_argument("--out", required=True, type=Path, help="the new folder")
    given = parser.parse_args(words)
    return reported(lambda: derive(given))


def derive(given: argparse.Namespace) -> None:
    found = {split: sorted(given.data.glob(f"{split}*.parquet")) for split in SPLITS}
    if not any(found.values()):
        raise UserError(f"--data {given.data} has no train*.parquet; give the folder of a data set in parquet files")
    if given.out.exists():
        raise UserError(f"--out {given.out} is there already; give the name of a new folder")
    parts = {split: rows_of(paths) for split, paths in found.items() if paths}
    if given.by:
        parts = {split: by_column(rows, given.by) for split, rows in parts.items()}
    if given.rare:
        parts = {split: with_rare(rows, given.rare, random.Random(given.seed)) for split, rows in parts.items()}
    given.out.mkdir(parents=True)
    for split, rows in parts.items():
        lines = (json.dumps({"text": row["text"], "label": row["label"]}, ensure_ascii=False) + "\n" for row in rows)
        (given.out / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{given.out / f'{split}.jsonl'}: {len(rows)} texts")


def rows_of(paths: Sequence[Path]) -> list[Row]:
    """The rows of parquet files; the column with the longest texts becomes "text"."""
    from pyarrow import parquet

    rows: list[Row] = [row for path in paths for row in parquet.read_table(path).to_pylist()]
    if not rows or "label" not in rows[0]:
        raise UserError(f"{paths[0]} has no rows with a label; give the folder of a labelled data set")
    name = max(rows[0], key=lambda column: sum(len(str(row[column])) for row in rows[:100]))
    return [row | {"text": row[name]} for row in rows]


def by_column(rows: Sequence[Row], words: str) -> list[Row]:
    """The rows with some values of a column, each with its value and its label as the class."""
    column, _, values = words.partition("=")
    kept = [row for row in rows if str(row.get(column)) in values.split(",")]
    if not kept:
        raise UserError(f"--by is {words}, and no row has such a value; give COLUMN=A,B with values of the data")
    return [row | {"label": f"{row[column]} {row['label']}"} for row in kept]


def with_rare(rows: Sequence[Row], words: str, rng: random.Random) -> list[Row]:
    """The rows, without some of a class, so that it has its share."""
    label, _, number = words.partition("=")
    try:
        share = float(number)
    except ValueError:
        share = 0.0
    few = [k for k, row in enumerate(rows) if str(row["label"]) == label]
    most = round((len(rows) - len(few)) * share / (1 - share)) if 0 < share < 1 else 0
    if not 0 < most <= len(few):
        raise UserError(f"--rare is {words}; give LABEL=SHARE with a label of the data and less than its share")
    left_out = set(few) - set(rng.sample(few, most))
    return [row for k, row in enumerate(rows) if k not in left_out]


if __name__ == "__main__":
    sys.exit(main())
