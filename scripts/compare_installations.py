"""Compares two installations of rnnnlp: do they compute the same, bit for bit?

    python scripts/compare_installations.py OLD/bin/python NEW/bin/python
    python scripts/compare_installations.py OLD/bin/python NEW/bin/python --only "charlm .* numpy"

Both installations train the same small models on the same generated text: each task, each cell that both have, and
each backend, with one seed, one thread and fixed sizes. The script then compares every tensor of the two run folders
(best weights, last checkpoint, optimizer, carried state) bit for bit, and the losses and figures in metrics.jsonl. It
prints one row a comparison. The exit code is 0 if all are equal, 1 if one differs or does not train, and 2 for a wrong
command.

NumPy and its BLAS should be the same in both environments: other versions may add in another order. The script prints
what each installation runs with. It needs numpy and safetensors, but not rnnnlp.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

CELLS_FILE = Path(__file__).resolve().parents[1] / "rnnnlp" / "kernels" / "cells.py"
CELLS = tuple(re.findall(r'^CELLS\["(\w+)"\]', CELLS_FILE.read_text(encoding="utf-8"), re.MULTILINE))
BACKENDS = ("numpy", "native")
COMMON = (
    "--seed 3 --threads 1 --batch-size 8 --hidden-size 37 --embedding-size 20 --dropout 0.2 --lr 0.01 "
    "--weight-decay 0.01 --evaluations 2 --patience 0"
)
CHARLM = "train charlm --data text.txt --bptt 16 --preset tiny"
PRETRAIN = "pretrain --data text.txt --bptt 16 --vocab-size 200 --samples 50"
CLASSIFIER = (
    "train sentiment --data reviews.csv --tokenizer word --vocab-size 200 --label-smoothing 0.05 "
    "--crop 30 --max-length 50"
)
PLAIN = f"{CLASSIFIER} --ngram-buckets 0 --pretraining 0 --adversarial 0"
EXTRAS = ("lstm", "gru")  # the cells with which further options are tried
TASKS = {  # name: command, cells. The last value of an option that is given twice counts.
    "charlm": (CHARLM, CELLS),
    "pretrain": (PRETRAIN, CELLS),
    "sentiment": (PLAIN, CELLS),
    "sentiment-ngrams": (f"{PLAIN} --ngram-buckets 256", CELLS),
    "sentiment-pretraining": (f"{PLAIN} --pretraining 1", CELLS),
    "charlm-deep": (
        f"{CHARLM} --num-layers 2 --embedding-size 37 --tied-weights --variational --weight-drop 0.2 "
        "--shuffle-blocks 50 --optimizer rmsprop",
        EXTRAS,
    ),
    "charlm-words": (f"{CHARLM} --tokenizer word --optimizer sgd --lr 0.5 --schedule step --averaging 0", EXTRAS),
    "charlm-bytes": (f"{CHARLM} --tokenizer byte --optimizer adam --schedule constant --label-smoothing 0.1", EXTRAS),
    "pretrain-deep": (f"{PRETRAIN} --num-layers 2 --tokenizer bpe --vocab-size 300", EXTRAS),
    "sentiment-deep": (f"{PLAIN} --num-layers 2 --bptt 10 --class-weights balanced --no-variational", EXTRAS),
    "sentiment-attention": (f"{PLAIN} --pooling attention --no-bidirectional", EXTRAS),
    "sentiment-last": (f"{PLAIN} --pooling last --lr-decay 0.5", EXTRAS),
    "sentiment-adversarial": (f"{PLAIN} --adversarial 0.05", EXTRAS),
    "sentiment-vat": (f"{PLAIN} --ngram-buckets 256 --virtual-adversarial 0.05", EXTRAS),
}
OLD_OPTIONS = {"--ngram-buckets": "--votes"}  # new spelling: the one of versions whose --help does not have it
RENAMED = ((r"\bvotes\.", "ngrams."), (r"\bngrams\.ratio\b", "ngrams.log_count_ratio"))  # in names of tensors
TIME = "seconds"  # the key of metrics.jsonl that differs from run to run


class Case(NamedTuple):
    task: str
    cell: str
    backend: str


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("old", metavar="OLD_PYTHON", help="the Python of the environment with one installation")
    parser.add_argument("new", metavar="NEW_PYTHON", help="the Python of the environment with the other")
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="number of optimizer steps (default: 50)")
    parser.add_argument(
        "--only", default="", metavar="REGEX", help='compare only rows "TASK CELL BACKEND" in which this is found'
    )
    parser.add_argument("--list", action="store_true", help="print the rows, train nothing")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the run folders in this new folder")
    given = parser.parse_args(words)
    cases = [Case(task, cell, b) for task, (_, cells) in TASKS.items() for cell in cells for b in BACKENDS]
    try:
        cases = [case for case in cases if re.search(given.only, " ".join(case))]
    except re.error as error:
        parser.error(f"--only is {given.only}, which is not a regular expression ({error})")
    if not cases:
        parser.error(f"--only is {given.only}, which is in no row; --list prints the rows")
    if given.list:
        print("\n".join(map(" ".join, cases)))
        return 0
    # A link is not followed: the Python of a venv is often one, and what it points to does not know the venv.
    pythons = {"old": Path(given.old).absolute(), "new": Path(given.new).absolute()}
    for python in pythons.values():
        if not python.is_file():
            parser.error(f"{python} is not a file; give the Python of an environment with rnnnlp")
    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        folder = Path(given.keep or temporary).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        write_data(folder)
        for name, python in pythons.items():
            info = rnnnlp(python, folder, "info")
            if info.returncode:
                parser.error(f"{python} cannot run rnnnlp; give the Python of an environment that has it")
            print(f"{name}: {python}\n{info.stdout}")
            known = re.findall(r"\w+", rnnnlp(python, folder, "train", "charlm", "--help").stdout)
            for cell in {case.cell for case in cases} - set(known):
                print(f"{name} does not have the cell {cell}, which is left out")
            cases = [case for case in cases if case.cell in known]
        differing = sum(not is_equal for is_equal in compare_all(cases, pythons, folder, given.steps))
    print(f"\n{len(cases) - differing} of {len(cases)} are equal")
    return 1 if differing or not cases else 0


def compare_all(cases: Sequence[Case], pythons: dict[str, Path], folder: Path, steps: int) -> Iterator[bool]:
    """Trains each case with both installations and prints its row. Yields whether the two are equal."""
    row = "{:<22} {:<16} {:<8} {:>7}  {}"
    print(row.format("task", "cell", "backend", "tensors", "result"))
    for case in cases:
        runs = [folder / "-".join((name, *case)) for name in pythons]
        failures = [train(python, run, case, steps) for python, run in zip(pythons.values(), runs, strict=True)]
        failed = [f"{name} failed: {why}" for name, why in zip(pythons, failures, strict=True) if why]
        found, tensors = failed, 0
        if not failed:
            old, new = map(read_tensors, runs)
            found, tensors = differences(old, new) + differences(*map(read_metrics, runs)), len(old)
        result = f"{'; '.join(found[:3])} ({len(found)} differences)" if found else "equal"
        print(row.format(*case, tensors, result), flush=True)
        yield not found


def write_data(folder: Path) -> None:
    """Writes text.txt, 600 lines of made-up words, and reviews.csv, 200 texts of two classes, always the same."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abdeiklmnoprstuéß"), rng.integers(2, 8))) for _ in range(300)]
    share = 1 / np.arange(1, len(words) + 1)  # as frequent as words are (Zipf)
    texts = [" ".join(rng.choice(words, rng.integers(3, 60), p=share / share.sum())) for _ in range(800)]
    (folder / "text.txt").write_text("".join(f"{text}.\n" for text in texts[:600]), encoding="utf-8")
    rows = [f"{text} {('bad', 'good')[i % 2]},{('no', 'yes')[i % 2]}\n" for i, text in enumerate(texts[600:])]
    (folder / "reviews.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")


def rnnnlp(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the command of an installation in `folder`, with one thread, whatever the environment says."""
    unset = ("RNNNLP_BACKEND", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [str(python), "-m", "rnnnlp.cli.main", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


def train(python: Path, run: Path, case: Case, steps: int) -> str:
    """Trains one case into the run folder `run`. Returns "", or the last line of what went wrong."""
    kind, options = re.fullmatch(r"([\w ]+) (--.*)", TASKS[case.task][0]).groups()
    limits = ("--cell", case.cell, "--backend", case.backend, "--steps", str(steps), "--out", str(run))
    words = [*kind.split(), *COMMON.split(), *options.split(), *limits]
    known = rnnnlp(python, run.parent, *kind.split(), "--help").stdout
    words = [OLD_OPTIONS[word] if word in OLD_OPTIONS and word not in known else word for word in words]
    done = rnnnlp(python, run.parent, *words)
    return (done.stderr.strip().splitlines() or ["no message"])[-1] if done.returncode else ""


def read_tensors(run: Path) -> dict[str, np.ndarray]:
    """All tensors of a run folder, by file and name, the names in the new spelling."""
    tensors = {}
    for path in sorted(run.rglob("*.safetensors")):
        for name, tensor in load_file(path).items():
            for pattern, new in RENAMED:
                name = re.sub(pattern, new, name)
            tensors[f"{path.relative_to(run)} {name}"] = tensor
    return tensors


def read_metrics(run: Path) -> dict[str, np.ndarray]:
    """The losses and other figures of each line of metrics.jsonl, in float64, by file, line and name."""
    figures = {}
    for path in sorted(run.rglob("metrics.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            record = json.loads(line)
            record |= {f"validation {name}": value for name, value in record.pop("validation", {}).items()}
            for name, value in record.items():
                if isinstance(value, int | float) and name != TIME:
                    figures[f"{path.relative_to(run)} line {number} {name}"] = np.float64(value)
    return figures


def differences(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> list[str]:
    """What differs between two sets of arrays: a line each for names in one only, and for values of other bits."""
    found = [f"only in {'old' if name in old else 'new'}: {name}" for name in sorted(old.keys() ^ new.keys())]
    for name in sorted(old.keys() & new.keys()):
        a, b = old[name], new[name]
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            found.append(f"{name}: {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        elif a.tobytes() != b.tobytes():
            found.append(f"{name}: differs by {np.abs(a.astype(np.float64) - b).max():.3g}")
    return found or ([] if old else ["nothing to compare"])


if __name__ == "__main__":
    sys.exit(main())
