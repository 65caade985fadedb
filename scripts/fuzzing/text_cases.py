"""The campaign of scripts/fuzz_text.py: cases, and the processes in which they run."""

import os
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet  # noqa: F401 (before the forks, for speed)
import tokenizers  # noqa: F401

from fuzzing import inputs, targets
from fuzzing.cases import SECONDS, limit_memory, start_clocks, stop_clocks
from rnnnlp import kernels
from rnnnlp.errors import UserError

LARGE = 1000  # every LARGE-th case has a line of 100 MB
KINDS = ("char", "byte", "word", "bpe")
FILES = ("text.txt", "texts.csv", "texts.tsv", "texts.jsonl", "texts.parquet")


def run_case(seed: int, case: int, folder: Path) -> str:
    """Makes and runs a case.

    Returns:
        Its name and how it ended.

    Raises:
        Exception: Whatever the target raises, except UserError.
    """
    rng = np.random.default_rng([seed, case])
    if case % LARGE == LARGE - 1:
        name = FILES[int(rng.integers(4))]
        return ended("a line of 100 MB", targets.read_file, name, inputs.enormous_line(rng, name), folder)
    kernels.use(("numpy", "auto")[int(rng.integers(2))])
    kind = KINDS[int(rng.integers(4))]
    longest = 20_000 if rng.random() < 0.02 else 200
    match int(rng.integers(8)):
        case 0 | 1:
            return ended(f"tokenizer {kind}", targets.tokenize, kind, inputs.text(rng, longest=longest), folder)
        case 2 | 3:
            name = FILES[int(rng.integers(5))]
            content = file_content(name, rng)
            return ended(name, targets.read_file, name, content, folder)
        case 4:
            return read_back(rng, folder)
        case 5:
            content = inputs.toml_file(rng)
            content = inputs.mutated(content, rng) if rng.random() < 0.5 else content
            return ended("configuration", targets.read_options, content, folder)
        case 6:
            return ended(f"prompt {kind}", targets.prompt, kind, inputs.text(rng, longest=longest), folder)
        case _:
            targets.known_tokenizer(kind).save(folder)
            content = inputs.mutated((folder / "tokenizer.json").read_bytes(), rng)
            return ended("tokenizer.json", targets.open_tokenizer, content, folder)


def file_content(name: str, rng: np.random.Generator) -> bytes:
    makers: dict[str, Any] = {
        "text.txt": lambda rng: inputs.text(rng).encode("utf-8", "surrogatepass"),
        "texts.csv": lambda rng: inputs.csv_of(inputs.rows(rng), rng),
        "texts.tsv": lambda rng: inputs.csv_of(inputs.rows(rng), rng, delimiter="\t"),
        "texts.jsonl": inputs.jsonl_file,
        "texts.parquet": inputs.parquet_file,
    }
    content = makers[name](rng)
    return inputs.mutated(content, rng) if rng.random() < 0.5 else content


def read_back(rng: np.random.Generator, folder: Path) -> str:
    """Rows that Python's csv and json write must be read as they were."""
    rows = [(text or "a", value) for text, value in inputs.rows(rng)]
    name = ("texts.csv", "texts.jsonl")[int(rng.integers(2))]
    content = inputs.csv_of(rows, rng) if name == "texts.csv" else inputs.jsonl_of(rows, rng)
    return ended(f"{name} read back", targets.read_back, name, content, rows, folder)


def ended(name: str, target: Any, *arguments: Any) -> str:
    try:
        target(*arguments)
    except UserError:
        return f"{name}: refused"
    return f"{name}: read"


def work(cases: range, seed: int, folder: Path, report: int) -> None:
    """Runs cases in this process, and writes a line before and after each to the descriptor `report`."""
    limit_memory()
    for case in cases:
        os.write(report, f"{case}\tbegun\n".encode())
        start_clocks()
        try:
            outcome = run_case(seed, case, folder)
        except MemoryError:
            outcome = "FAILED: too much memory"
        except Exception:
            outcome = "FAILED: " + repr(traceback.format_exc()[-500:])
        stop_clocks()
        os.write(report, f"{case}\t{outcome}\n".encode())


def campaign(cases: range, seed: int) -> Counter[str]:
    """Runs the cases; returns the number of cases for each way in which they ended."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-fuzz-") as name:
        folder = Path(name)
        os.environ["RNNNLP_CACHE"] = str(folder / "cache")
        following = cases.start
        while following < cases.stop:
            following = one_worker(range(following, cases.stop), seed, folder / "work", counts)
    return counts


def one_worker(cases: range, seed: int, folder: Path, counts: Counter[str]) -> int:
    """Runs cases in a new process until they are done or one ends it; returns the first case that was not begun."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            work(cases, seed, folder, writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    case, outcome = cases.start - 1, ""
    with open(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            number, _, outcome = line.rstrip("\n").partition("\t")
            case = int(number)
            if outcome != "begun":
                count(case, outcome, counts)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if outcome == "begun" or status:
        slow = {-signal.SIGPROF: f"took over {SECONDS} s of processor time", -signal.SIGALRM: "hung"}
        what = slow.get(status, f"ended its process with {status}")
        count(max(case, cases.start), f"FAILED: {what}", counts)
    return max(case, cases.start) + 1


def count(case: int, outcome: str, counts: Counter[str]) -> None:
    if outcome.startswith("FAILED"):
        print(f"case {case}: {outcome}", flush=True)
        outcome = "FAILED"
    counts[outcome] += 1
