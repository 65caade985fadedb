"""Reads hostile text in thousands of ways: each must end in a result that is right, or in one clear error.

    python scripts/fuzz_text.py --cases 20000 --seed 0

A case is an input from a generator (any Unicode, files of every format, TOML, prompts), often with bytes changed at
random, that is given to a tokenizer, a reader, the configuration, or a model. It fails if there is an exception other
than UserError, if it takes over 5 seconds of processor time (60 of the clock) or over 1 GB of memory, or if what was
written does not come back. The same seed and number make the same case. Cases run in processes of their own, which a
failure may end.
"""

import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import numpy as np
import pyarrow.parquet  # noqa: F401 (before the forks, for speed)
import tokenizers  # noqa: F401
from fuzzing import inputs, targets
from fuzzing.cases import SECONDS, command_line, limit_memory, start_clocks, stop_clocks

from rnnnlp import kernels
from rnnnlp.errors import UserError

LARGE = 1000  # one case in so many has a line of 100 MB
KINDS = ("char", "byte", "word", "bpe")
FILES = ("text.txt", "texts.csv", "texts.tsv", "texts.jsonl", "texts.parquet")


def run_case(seed: int, case: int, folder: Path) -> str:
    """Makes and runs a case; returns its name and how it ended. Raises what the target raises, but UserError."""
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
    """Rows that csv, json and pyarrow write are read as they were."""
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
    """Runs cases in this process until they are done; writes a line before and after each to the descriptor."""
    limit_memory()
    for case in cases:
        os.write(report, f"{case}\tbegun\n".encode())
        start_clocks()
        try:
            said = run_case(seed, case, folder)
        except MemoryError:
            said = "FAILED: too much memory"
        except Exception:
            said = "FAILED: " + repr(traceback.format_exc()[-500:])
        stop_clocks()
        os.write(report, f"{case}\t{said}\n".encode())


def campaign(cases: range, seed: int) -> Counter[str]:
    """How many cases ended in which way."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-fuzz-") as name:
        folder = Path(name)
        os.environ["RNNNLP_CACHE"] = str(folder / "cache")
        following = cases.start
        while following < cases.stop:
            following = one_worker(range(following, cases.stop), seed, folder / "work", counts)
    return counts


def one_worker(cases: range, seed: int, folder: Path, counts: Counter[str]) -> int:
    """A process for these cases, as far as it lives; returns the first case that it has not begun."""
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
    case, said = cases.start - 1, ""
    with open(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            number, _, said = line.rstrip("\n").partition("\t")
            case = int(number)
            if said != "begun":
                count(case, said, counts)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if said == "begun" or status:
        slow = {-signal.SIGPROF: f"took over {SECONDS} s of processor time", -signal.SIGALRM: "hung"}
        what = slow.get(status, f"ended its process with {status}")
        count(max(case, cases.start), f"FAILED: {what}", counts)
    return max(case, cases.start) + 1


def count(case: int, said: str, counts: Counter[str]) -> None:
    if said.startswith("FAILED"):
        print(f"case {case}: {said}", flush=True)
        said = "FAILED"
    counts[said] += 1


if __name__ == "__main__":
    cases, seed = command_line(__doc__, 20_000)
    logging.getLogger("rnnnlp").addHandler(logging.NullHandler())
    started = time.monotonic()
    found = campaign(cases, seed)
    for key, ends in itertools.groupby(sorted(found), key=lambda name: name.partition(":")[0]):
        print(f"{key}: " + ", ".join(f"{found[end]} {end.partition(': ')[2]}" for end in ends))
    print(f"{found.total()} cases in {time.monotonic() - started:.0f} s, {found['FAILED']} failed")
    sys.exit(found["FAILED"] > 0)
