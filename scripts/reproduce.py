"""Makes the figures of README.md again, from the records in docs/results/*.json: see scripts/reproduce.sh.

    python -m scripts.reproduce --list
    python -m scripts.reproduce --sets ~/data --row 8

--sets is a folder with the data sets: imdb/, sst2/ and online_shopping_10_cats/ as for `rnnnlp train sentiment --data`,
and shakespeare.txt and warpeace.txt (or tinyshakespeare/input.txt and warpeace/input.txt) as for `rnnnlp train charlm`.
Each command of a record runs as it is written there. A finished figure is kept in --out, and made again only if its
command, or that of a run that it needs, has changed; an interrupted run continues. The exit code is 1 if a figure is
further from the published one than the `spread` of its row.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rnnnlp import __version__
from rnnnlp.config import seconds
from rnnnlp.files import write_atomically
from scripts import render_results

Record = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]

SETS = {  # what a command names, and where it may be in --sets
    "imdb": ["imdb"],
    "sst2": ["sst2"],
    "sst2_phrases": ["sst2_phrases"],
    "online_shopping_10_cats": ["online_shopping_10_cats"],
    "shakespeare.txt": ["shakespeare.txt", "tinyshakespeare/input.txt"],
    "warpeace.txt": ["warpeace.txt", "warpeace/input.txt"],
}
NAMES = {"calibration_error": "expected_calibration_error", "accuracy_95": "accuracy_interval"}  # in `evaluate --json`


class Missing(Exception):
    """Something that a row needs is not there; the message says what to do."""


class Reproduction:
    """The records, and where their runs and figures are kept."""

    def __init__(self, records: dict[str, Record], sets: Path | None, out: Path):
        self.records, self.sets, self.out = records, sets, out

    def needed(self, id: str) -> Iterator[str]:
        """The records whose runs come before this one, then this one."""
        for other in self.records[id].get("runs", {}).values():
            yield from self.needed(other)
        yield id

    def commands_of(self, id: str) -> str:
        """The commands of a record and of the runs that come before it: what its run and its figures depend on."""
        return "\n".join(self.records[other]["command"] for other in self.needed(id))

    def figures(self, id: str) -> list[dict[str, Any]]:
        """Makes the run of a record, and gives its figures, in the form of the record's."""
        found: list[dict[str, Any]] = self.measurement(id)["figures"]
        return found

    def measurement(self, id: str) -> dict[str, Any]:
        """The figures of a record, and with what they were made; from a kept file if that has the same commands."""
        kept, commands = self.out / f"{id}.json", self.commands_of(id)
        if kept.exists() and (content := json.loads(kept.read_bytes())).get("command") == commands:
            return content
        began = time.monotonic()
        figures = self.measure(self.records[id])
        content = {"figures": figures, "seconds": round(time.monotonic() - began), "command": commands}
        content |= {"machine": machine(), "date": datetime.now(UTC).date().isoformat()}
        content |= {"version": __version__, "commit": commit()}
        write_atomically(kept, json.dumps(content, indent=1).encode())
        return content

    def measure(self, record: Record) -> list[dict[str, Any]]:
        self.out.mkdir(parents=True, exist_ok=True)
        command, run = record["command"], self.out / record["id"]
        if command.startswith("rnnnlp "):
            self.train(record, run)
            return [self.evaluation(record, run, split) for split in splits(record)]
        if "benchmark.py" in command:
            path = self.out / f"{record['id']}-cases.json"
            self.run([*self.words(record), "--json", str(path)])
            return [{"split": None, "times_faster": round(json.loads(path.read_bytes())["geomean"], 2)}]
        if "reproduce_warpeace.py" in command:
            self.forget_another(record, run)
            self.run([*self.words(record), "--out", str(run)])
            (row,) = (json.loads(path.read_bytes()) for path in run.glob("*.json"))
            test = {"nats_per_char": round(row["test"], 4), "published_nats_per_char": row["published"]}
            return [
                {"split": "validation", "nats_per_char": round(row["validation"], 4)},
                {"split": "test", **test},
                {"split": None, "minutes": round(row["seconds"] / 60)},
            ]
        raise Missing(f"{record['id']}: it is not known how to read the figures of {command}")

    def forget_another(self, record: Record, run: Path) -> None:
        """Removes what is there of a run that began with other commands, which this one must not continue."""
        self.out.mkdir(parents=True, exist_ok=True)
        begun, commands = self.out / f"{record['id']}.command", self.commands_of(record["id"])
        if begun.exists() and begun.read_text(encoding="utf-8") != commands:
            shutil.rmtree(run, ignore_errors=True)
        write_atomically(begun, commands.encode())

    def train(self, record: Record, run: Path) -> None:
        self.forget_another(record, run)
        words = self.words(record)
        if words[1] == "ensemble":
            words[words.index("--out") + 1] = str(run)
            if not (run / "config.json").exists():
                self.run(words)
        elif (run / "checkpoints").exists():  # it was interrupted, or has ended
            self.run([*words[: 2 if words[1] == "pretrain" else 3], "--resume", str(run)])
        else:
            self.run([*words, "--out", str(run), "--overwrite"])

    def evaluation(self, record: Record, run: Path, split: str) -> dict[str, Any]:
        """The figures of a split that the record has, and that `evaluate` measures."""
        data = self.words(record)
        where = data[data.index("--data") + 1 :][:1] if "--data" in data else [self.place("imdb")]
        output = self.run(
            ["rnnnlp", "evaluate", str(run), "--data", *where, "--split", split, "--json", "-"], keep=True
        )
        content = json.loads(output)
        (old,) = (figures for figures in record["figures"] if figures["split"] == split)
        new = {
            name: content[NAMES.get(name, name)] for name in old if name != "split" and NAMES.get(name, name) in content
        }
        return {"split": split, **{name: rounded(value, old[name]) for name, value in new.items()}}

    def words(self, record: Record) -> list[str]:
        """The words of a command, with places for the names of data sets and runs."""
        runs = record.get("runs", {})
        words = shlex.split(record["command"])
        return [self.place(w) if w in SETS else str(self.out / runs[w]) if w in runs else w for w in words]

    def place(self, name: str) -> str:
        if self.sets is None:
            raise Missing(f"the data set {name} is needed; give the folder that has it with --sets")
        for place in SETS[name]:
            if (self.sets / place).exists():
                return str(self.sets / place)
        raise Missing(f"{self.sets} has no {' or '.join(SETS[name])}; put the data set {name} there")

    def run(self, words: Sequence[str], *, keep: bool = False) -> str:
        """Runs a command with the Python of this process; shows it, and gives its output if that is to be kept."""
        print("$", shlex.join(words), flush=True)
        # without -P the folder of the sources would hide an installed package, and its kernels
        before = {"python": [sys.executable], "rnnnlp": [sys.executable, "-P", "-m", "rnnnlp.cli.main"]}[words[0]]
        done = subprocess.run(
            [*before, *words[1:]], cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE if keep else None
        )
        if done.returncode:
            raise Missing(
                f"{shlex.join(words)} ended with exit code {done.returncode}; give the same command to continue"
            )
        return done.stdout or ""


def splits(record: Record) -> list[str]:
    return [figures["split"] for figures in record["figures"] if figures["split"] is not None]


def rounded(value: Any, like: Any) -> Any:
    """A figure with as many decimals as one that was published."""
    if isinstance(value, list):
        return [round(part, 4) for part in value]
    return round(value, max(len(str(like).partition(".")[2]), 3))


def duration(record: Record) -> float | None:
    """The seconds that a record took, or may take by its budget; None if that is not known."""
    for figures in record["figures"]:
        if figures["split"] is None and ("seconds" in figures or "minutes" in figures):
            return float(figures.get("seconds", 60 * figures.get("minutes", 0)))
    budget = re.search(r"--budget (\S+)", record["command"])
    return seconds(budget[1]) if budget else None


def shown_duration(records: Sequence[Record]) -> str:
    known = [duration(record) for record in records]
    total = sum(value or 0 for value in known)
    text = f"{total / 60:.0f} minutes" if total < 5400 else f"{total / 3600:.1f} hours"
    return f"{text}, without {known.count(None)} that are short or not known" if None in known else text


def rows(records: dict[str, Record]) -> dict[int, list[Record]]:
    """The records of each row of the README, in its order."""
    found: dict[int, list[Record]] = {}
    for record in records.values():
        if "readme" in record:
            found.setdefault(record["readme"]["row"], []).append(record)
    return dict(sorted(found.items()))


def reproduce(number: int, row: Sequence[Record], work: Reproduction) -> bool:
    """Makes a row, and prints its figure beside the published one; returns whether it is within the spread."""
    needed = list(dict.fromkeys(id for record in row for id in work.needed(record["id"])))
    about = row[0]["readme"]
    print(f"== row {number}: {about['what']}; about {shown_duration([work.records[id] for id in needed])}", flush=True)
    made = {}
    for id in needed:
        if any(record["id"] == id for record in row):
            made[id] = work.figures(id)
        else:
            trained, commands = work.out / f"{id}.trained", work.commands_of(id)
            if not trained.exists() or trained.read_text(encoding="utf-8") != commands:
                work.train(work.records[id], work.out / id)
                write_atomically(trained, commands.encode())
    path, _, form = about["figure"].partition(":")
    means = []
    for figures in ([record["figures"] for record in row], list(made.values())):
        values = [render_results.figures({"figures": of_run}, path)[0] for of_run in figures]
        means.append(sum(values) / len(values))
    published, now = means
    within = abs(now - published) <= about["spread"]
    verdict = "within" if within else "NOT within"
    text = f"published {published:{form}}, now {now:{form}}, {verdict} the spread of {about['spread']}"
    print(f"row {number}: {about['what']}: {text}", flush=True)
    if not within and any("--budget" in record["command"] for record in row):
        print(f"a time budget has fewer steps on a slower or busier machine; the published one: {row[0]['machine']}")
    return within


def write(work: Reproduction, ids: Sequence[str], folder: Path) -> None:
    """Writes the new figures into docs/results/*.json, with what they were made with."""
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        changed = [record for record in content["records"] if record["id"] in ids]
        for record in changed:
            made = work.measurement(record["id"])
            if left := sorted(names(record["figures"]) - names(made["figures"])):
                print(f"{record['id']}: not measured again, so as before: {', '.join(left)}")
            about = {name: made[name] for name in ("machine", "date", "version", "commit")}
            record |= {**about, "figures": updated(record["figures"], made["figures"])}
            record["unknown"].pop("commit", None)
            record.pop("load", None)
        if changed:
            path.write_text(lines(content) + "\n", encoding="utf-8")
            print(f"{path.relative_to(ROOT)} written; git diff shows what has changed")


def updated(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The old figures, with the new ones of the same split in their place. What was not measured again stays."""
    by_split = {figures["split"]: figures for figures in new}
    found = [figures | by_split.pop(figures["split"], {}) for figures in old]
    return found + list(by_split.values())


def names(figures: Sequence[dict[str, Any]]) -> set[str]:
    return {name for of_split in figures for name in of_split}


def lines(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON in which what is short and has few levels stands on one line."""
    text = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or (levels(value) <= 2 and indent + before + len(text) <= 120):
        return text
    pad, inner = " " * indent, " " * (indent + 2)
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + lines(part, indent + 2) for part in value) + f"\n{pad}]"
    parts = [f"{inner}{json.dumps(k)}: {lines(v, indent + 2, len(k) + 4)}" for k, v in value.items()]
    return "{\n" + ",\n".join(parts) + f"\n{pad}}}"


def levels(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(levels, value.values() if isinstance(value, dict) else value), default=0)


def machine() -> str:
    """The processor, and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"^model name\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE)):
        name = found[1]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def commit() -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return found.stdout.strip() or None


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="list the rows and how long each takes, and do nothing")
    parser.add_argument(
        "--row", type=int, action="append", metavar="N", help="only this row; may be given several times"
    )
    parser.add_argument("--sets", type=Path, metavar="FOLDER", help="the folder with the data sets")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs/reproduce", metavar="FOLDER", help="keeps runs and figures"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the new figures into docs/results/*.json and the tables"
    )
    options = parser.parse_args(words)
    results = render_results.Results(ROOT / "docs" / "results")
    out, sets = options.out.resolve(), options.sets.expanduser().resolve() if options.sets else None
    work, all_rows = Reproduction(results.records, sets, out), rows(results.records)
    chosen = options.row or list(all_rows)
    if unknown := [number for number in chosen if number not in all_rows]:
        parser.error(f"--row {unknown[0]}: there are rows 1 to {len(all_rows)}; --list shows them")
    if options.list:
        for number in chosen:
            needed = dict.fromkeys(id for record in all_rows[number] for id in work.needed(record["id"]))
            time_needed = shown_duration([results.records[id] for id in needed])
            print(f"{number:2}  {all_rows[number][0]['readme']['what']}: {time_needed}")
        return 0
    try:
        within = [reproduce(number, all_rows[number], work) for number in chosen]
        if options.write:
            ids = [record["id"] for number in chosen for record in all_rows[number]]
            write(work, ids, ROOT / "docs" / "results")
            render_results.main([])
    except Missing as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reproduce: stopped; give the same command to continue", file=sys.stderr)
        return 130
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
