"""The cases of scripts/fuzz_text.py."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets  # noqa: F401 (before the forks, for speed)
import numpy as np
import pyarrow.parquet  # noqa: F401
import tokenizers  # noqa: F401

from fuzzing import inputs, targets
from fuzzing.cases import Options, Outcome, in_child, in_parallel, verdict
from rnnnlp import kernels
from rnnnlp.errors import UserError

WARMING = 20  # cases before the first fork
LARGE = 1000  # every LARGE-th case has a line of 100 MB
KINDS = ("char", "byte", "word", "bpe")
ACTIONS = ("tokenizers", "files", "files read back", "configurations", "prompts", "tokenizer.json")
FILES = ("text.txt", "texts.csv", "texts.tsv", "texts.jsonl", "texts.parquet")


def run_case(seed: int, case: int, folder: Path, only: str | None) -> str:
    """Makes and runs a case, if there is `only` one kind, of that.

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
    action = ACTIONS[int(rng.choice(6, p=(0.25, 0.25, 0.125, 0.125, 0.125, 0.125)))]
    match only or action:
        case "tokenizers":
            return ended(f"tokenizer {kind}", targets.tokenize, kind, inputs.text(rng, longest=longest), folder)
        case "files":
            name = FILES[int(rng.integers(5))]
            return ended(name, targets.read_file, name, file_content(name, rng), folder)
        case "files read back":
            return read_back(rng, folder)
        case "configurations":
            content = inputs.toml_file(rng)
            content = inputs.mutated(content, rng) if rng.random() < 0.5 else content
            return ended("configuration", targets.read_options, content, folder)
        case "prompts":
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


def campaign(options: Options) -> Iterator[Outcome]:
    """Runs the cases."""
    logging.getLogger("rnnnlp").addHandler(logging.NullHandler())
    logging.getLogger("rnnnlp").propagate = False
    for kind in KINDS:  # made once, before the forks
        targets.known_tokenizer(kind)
        targets.language_model(kind)
        targets.classifier(kind)
    with tempfile.TemporaryDirectory(prefix="rnnnlp-fuzz-") as name:
        os.environ["RNNNLP_CACHE"] = str(Path(name) / "cache")
        for case in range(WARMING):  # what is done once in a process is not done once in each case
            with suppress(Exception):
                run_case(options.seed + 1, case, Path(name), options.only)

        def work(cases: Iterable[int], job: int) -> Iterator[Outcome]:
            folder, scratch = Path(name) / f"work-{job}", Path(name) / f"scratch-{job}"
            for case in cases:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                yield one_case(options, case, folder, scratch)

        yield from in_parallel(options, work)


def one_case(options: Options, case: int, folder: Path, scratch: Path) -> Outcome:
    def action() -> int:
        print(run_case(options.seed, case, folder, options.only))
        return 0

    process = in_child(action, scratch)
    how = verdict(process)
    kind, _, what = process.out.strip().partition(": ") if how == "done" else ("failed", "", how)
    outcome = Outcome(case, kind, "", what, process.seconds, process.memory, process.error)
    if outcome.failed and options.keep:
        shutil.copytree(folder, options.keep / f"case-{case}", dirs_exist_ok=True)
    return outcome
