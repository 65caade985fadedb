"""Renders the tables of figures in README.md and docs/, and pictures of them, from the records in docs/results/*.json.

    python scripts/render_results.py            # writes the tables
    python scripts/render_results.py --check    # exit code 1 if a document is not up to date

A document holds a table between two markers, `<!-- results:NAME -->` and `<!-- /results -->`. What stands between them
is replaced. A file of results holds records, one a run, and tables. A row of a table is a list of record ids: several
runs of one row differ in the seed, or are set side by side. A column is `[header, what]` or `[header, what, best]`:

    label, command, seed, note, ...       a field of the records
    test.accuracy:.4f                     a figure: split, metric and format; `run.` for figures without a split
    mean | first | last | second FIGURE   of the runs of the row; `first` and `second` name the run, `last` the figure
    difference FIGURE                     from the table's `baseline` of the same seed, averaged
    beside FIGURE                         of the record that the table's `beside` names for the data set

A format is Python's, or `<100`: one decimal below 100, none above.
`best` is min or max: that row is bold. The table `readme` holds the records that have a field `readme`. Pictures are
described in result_pictures.py, and written as docs/results/NAME.svg.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts import result_pictures  # noqa: E402

MARKED = re.compile(r"(<!-- results:([\w-]+) -->\n).*?(<!-- /results -->)", re.DOTALL)
WHICH = ("mean", "first", "second", "last", "difference", "beside")

Record = dict[str, Any]
Table = dict[str, Any]


class Results:
    """All records and tables of the folder, by id."""

    def __init__(self, folder: Path):
        self.records: dict[str, Record] = {}
        self.tables: dict[str, Table] = {}
        self.pictures: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            for record in content["records"]:
                add_once(self.records, record["id"], record, path)
            for name, table in content["tables"].items():
                add_once(self.tables, name, table, path)
            for name, picture in content.get("pictures", {}).items():
                add_once(self.pictures, name, picture, path)
        add_once(self.tables, "readme", self.readme(), folder)

    def readme(self) -> Table:
        """The table of the records that are chosen for README.md, in the order of their field `readme`."""
        chosen = [record for record in self.records.values() if "readme" in record]
        chosen.sort(key=lambda record: record["readme"]["row"])
        rows: dict[int, list[str]] = {}
        for record in chosen:
            rows.setdefault(record["readme"]["row"], []).append(record["id"])
        return {
            "columns": [["what", "what"], ["figure", "figure"], ["compared with", "compared"], ["command", "commands"]],
            "rows": list(rows.values()),
        }


def add_once(known: dict[str, Any], name: str, value: Any, path: Path) -> None:
    if name in known:
        raise ValueError(f"{path}: {name} is there twice; give each record and each table a name of its own")
    known[name] = value


def markdown(results: Results, name: str) -> str:
    """The table `name`, with a line below it that says where, when and how its runs were made."""
    table = results.tables[name]
    rows = [[results.records[id] for id in row] for row in table["rows"]]
    if key := table.get("each_figure"):
        rows = [with_figure(rows[0], key, value) for value in values_of(rows[0][0], key)]
    cells = [[cell(results, table, column[1], row) for column in table["columns"]] for row in rows]
    for index, column in enumerate(table["columns"]):
        if len(column) == 3:
            make_bold(cells, index, min if column[2] == "min" else max)
    lines = [[column[0] for column in table["columns"]], ["---"] * len(table["columns"]), *cells]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{provenance([record for row in rows for record in row])}\n"


def cell(results: Results, table: Table, what: str, row: Sequence[Record]) -> str:
    """The text of one cell."""
    if what in README_CELLS:
        return README_CELLS[what](results, row)
    which, _, path = what.partition(" ") if what.partition(" ")[0] in WHICH else ("", "", what)
    path, _, form = path.partition(":")
    if "." not in path:
        return field(path, row)
    if which == "difference":
        baseline = {results.records[id]["seed"]: results.records[id] for id in table["baseline"]}
        return format(mean(figures(r, path)[0] - figures(baseline[r["seed"]], path)[0] for r in row), form)
    if which == "beside":
        row = [results.records[table["beside"][row[0]["data"]]]]
    elif which in ("first", "second"):
        row = row[("first", "second").index(which) :][:1]
    values = [value for record in row for value in figures(record, path)]
    if which == "last":
        values = values[-1:]
    elif which == "mean" and values:
        values = [mean(values)]
    texts = [shown(value, form) for value in values]
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts)


def field(name: str, row: Sequence[Record]) -> str:
    """The values of a field of the records, or of the field `at` of their figures."""
    if name == "at":
        values = [figure["at"] for record in row for figure in record["figures"] if "at" in figure]
    else:
        values = [record.get(name) for record in row]
    code = "`" if name in ("command", "measured_with", "options") else ""
    if name == "command":
        values = [without_seed(value) if len(row) > 1 else value for value in values]
    unique = dict.fromkeys(str(value) for value in values if value is not None)
    return ", ".join(f"{code}{value}{code}" for value in unique)


def figures(record: Record, path: str) -> list[Any]:
    """The figures of a record by `split.metric`, in their order; the split `run` is that of figures without one."""
    split, _, metric = path.partition(".")
    wanted = None if split == "run" else split
    return [figure[metric] for figure in record["figures"] if figure["split"] == wanted and metric in figure]


def shown(value: Any, form: str) -> str:
    if isinstance(value, list):
        return " to ".join(format(part, form) for part in value)
    if form.startswith("<"):
        return f"{value:.1f}" if value < float(form[1:]) else f"{value:,.0f}"
    return format(value, form)


def without_seed(command: str) -> str:
    return re.sub(r" --seed \d+", "", command)


def make_bold(cells: list[list[str]], index: int, best: Any) -> None:
    """Marks the best figure of a column; cells that do not hold one figure do not take part."""
    numbers = {row: float(cells[row][index]) for row in range(len(cells)) if re.fullmatch(r"[\d.]+", cells[row][index])}
    for row, number in numbers.items():
        if number == best(numbers.values()):
            cells[row][index] = f"**{cells[row][index]}**"


def values_of(record: Record, key: str) -> list[Any]:
    return [figure[key] for figure in record["figures"] if key in figure]


def with_figure(row: Sequence[Record], key: str, value: Any) -> list[Record]:
    """The records of a row with only those figures in which `key` has this value."""
    return [record | {"figures": [f for f in record["figures"] if f.get(key) == value]} for record in row]


def provenance(records: Sequence[Record]) -> str:
    """One line: machines, dates, seeds, version."""
    parts = {name: dict.fromkeys(str(r[name]) for r in records if r[name] is not None) for name in ("machine", "date")}
    seeds = sorted({record["seed"] for record in records if record["seed"] is not None})
    versions = dict.fromkeys(record["version"] for record in records)
    sentences = [" and ".join(parts["machine"]), ", ".join(sorted(parts["date"]))]
    if seeds:
        sentences.append(f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}")
    sentences.append(f"rnnnlp {', '.join(versions)}")
    return f"*{'; '.join(sentences)}.*"


def readme_what(results: Results, row: Sequence[Record]) -> str:
    return str(row[0]["readme"]["what"])


def readme_figure(results: Results, row: Sequence[Record]) -> str:
    path, _, form = row[0]["readme"]["figure"].partition(":")
    seeds = f" (mean of {len(row)} seeds)" if len(row) > 1 else ""
    return f"{format(mean(figures(record, path)[0] for record in row), form)} {row[0]['readme']['unit']}{seeds}"


def readme_compared(results: Results, row: Sequence[Record]) -> str:
    other = row[0]["readme"].get("compared")
    if other is None:
        return ""
    path, _, form = other["figure"].partition(":")
    return f"{other['what']}: {format(figures(results.records[other['id']], path)[0], form)}"


def readme_commands(results: Results, row: Sequence[Record]) -> str:
    before = [results.records[id]["command"] for id in row[0]["readme"].get("after", [])]
    own = without_seed(row[0]["command"]) if len(row) > 1 else row[0]["command"]
    return ", then ".join(f"`{command}`" for command in [*before, own])


README_CELLS = {
    "what": readme_what,
    "figure": readme_figure,
    "compared": readme_compared,
    "commands": readme_commands,
}


def documents(root: Path) -> list[Path]:
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def rendered(text: str, results: Results, name: str) -> str:
    """The text of a document with its tables as they are now."""

    def replacement(match: re.Match[str]) -> str:
        if match[2] not in results.tables:
            known = ", ".join(results.tables)
            raise ValueError(f"{name}: there is no table {match[2]}; docs/results/*.json has {known}")
        return f"{match[1]}{markdown(results, match[2])}{match[3]}"

    return MARKED.sub(replacement, text)


def stale(root: Path = ROOT) -> Mapping[Path, str]:
    """The documents that are not up to date, with what they should hold."""
    results = Results(root / "docs" / "results")
    texts = {path: path.read_text(encoding="utf-8") for path in documents(root)}
    new = {path: rendered(text, results, path.name) for path, text in texts.items()}
    for name, picture in results.pictures.items():
        new[root / "docs" / "results" / f"{name}.svg"] = result_pictures.svg(picture, results.records)
    return {path: text for path, text in new.items() if not path.exists() or text != path.read_text(encoding="utf-8")}


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only check; exit code 1 if a document is not up to date")
    options = parser.parse_args(words)
    changed = stale()
    for path, text in changed.items():
        print(f"{path.relative_to(ROOT)} is not up to date" if options.check else f"{path.relative_to(ROOT)} written")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
