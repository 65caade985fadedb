"""Compares the speed of rnnnlp with that of PyTorch, or its native kernels with its NumPy reference.

    python scripts/benchmark.py [--against torch|numpy] [--threads 2] [--only SUBSTRING] [--json FILE]

Both sides have the same weights, data and number of threads, each in a process of its own; they take turns, and while
one works the other sleeps. Before a case is timed, its losses and gradient norms (or logits) on both sides must agree.
A figure is the median over the turns of a turn's median. A ratio says how many times faster rnnnlp is. "peak" is how
close to the speed of a large matrix product, measured before and after the case, its necessary products come.
"""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

# Read by BLAS and OpenMP when they are loaded, here and in the workers. Within a turn, OpenMP's threads may wait for
# the next parallel part awake, as is their default and fastest; after it they sleep before the other side's turn.
WAITING = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "5"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "imdb"
ROW = "{:<34} {:>10} {:>10}  {:<12} {:>6} {:>6}  {}"


def main(words: Sequence[str] | None = None) -> None:
    options = parsed(words)
    os.environ.update(dict.fromkeys(THREADS, str(options.threads)), OMP_DYNAMIC="FALSE", **WAITING)
    os.environ.pop("OMP_WAIT_POLICY", None)
    from rnnnlp.errors import UserError

    try:
        require_sense(options)
        benchmark(options)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", choices=("torch", "numpy"), default="torch", help="the other side")
    parser.add_argument("--threads", type=int, default=2, help="of each side (2)")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="just the cases with this in their name")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn at least (1)")
    parser.add_argument("--imdb", type=Path, default=DATA, metavar="FOLDER", help="IMDB's parquet files (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    return parser.parse_args(words)


def require_sense(options: argparse.Namespace) -> None:
    """Raises UserError for what would fail later."""
    from rnnnlp.errors import UserError

    for name in ("threads", "repeats"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    if options.against == "torch" and importlib.util.find_spec("torch") is None:
        raise UserError("--against torch needs PyTorch: pip install torch, or compare with --against numpy")
    if options.json and not options.json.parent.is_dir():
        raise UserError(f"--json is {options.json}; there is no folder {options.json.parent}")


def benchmark(options: argparse.Namespace) -> None:
    from benchmarking.cases import all_cases
    from benchmarking.documents import documents_of
    from benchmarking.worker import Worker

    from rnnnlp.errors import UserError

    known = all_cases(options.against)
    cases = [case for case in known if options.only in case.name]
    if not cases:
        raise UserError(f"--only is {options.only!r}; it must be part of one of: {'; '.join(c.name for c in known)}")
    documents = documents_of(options.imdb) if any(case.of_documents for case in cases) else None
    ours = Worker("ours", None, options.threads)
    side, backend = ("theirs", None) if options.against == "torch" else ("ours", "numpy")
    theirs = Worker(side, backend, options.threads)
    try:
        peaks = [ours.ask("peak")]
        print_header(options, ours.about, theirs.about, peaks[0], documents)
        results = []
        for case in cases:
            result = measured(case, documents if case.of_documents else None, ours, theirs, options)
            peaks.append(ours.ask("peak"))
            result["peak_fraction"] = result.pop("flops") / max(peaks[-2:])  # around the case: machines change
            results.append(result)
            print_row(result)
    finally:
        ours.close()
        theirs.close()
    finish(results, max(peaks), options)


def measured(case: Any, documents: Any, ours: Any, theirs: Any, options: argparse.Namespace) -> dict:
    """The figures of a case, our operations a second, and `how`: which of several ways the other side took."""
    from benchmarking.cases import count, flops

    ours.ask("prepare", case, documents)
    how = theirs.ask("prepare", case, documents, ours.ask("weights"))
    require_agreement(case, ours.ask("check"), theirs.ask("check"))
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.repeats):
        for side, medians in zip((ours, theirs), times, strict=True):
            medians.append(median(side.ask("turn", options.seconds)))
    our_time, their_time = map(median, times)
    number = count(case, documents)
    figures = [1e3 * t / number if case.unit == "ms" else number / t for t in (our_time, their_time)]
    return {
        "name": case.name,
        "ours": figures[0],
        "theirs": figures[1],
        "unit": case.unit,
        "ratio": their_time / our_time,
        "flops": flops(case, documents) / our_time,
        "how": how,
    }


def require_agreement(case: Any, ours: list[float], theirs: list[float]) -> None:
    """Raises UserError if the two sides do not compute the same."""
    from rnnnlp.errors import UserError

    for a, b in zip(ours, theirs, strict=True):
        if not abs(a - b) <= case.tolerance * max(0.1, abs(b)):
            raise UserError(f"{case.name}: the sides do not do the same work: ours {ours[:4]}, theirs {theirs[:4]}")


def print_header(options: argparse.Namespace, ours: str, theirs: str, peak: float, documents: Any) -> None:
    from benchmarking.cases import EMBEDDING

    print(f"ours:   {ours}\ntheirs: {theirs}")
    print(f"{options.repeats} turns of at least {options.seconds:g} s each, {options.threads} threads a side, float32")
    sizes = {"language models": EMBEDDING["lm"], "classifiers": EMBEDDING["classifier"]}
    print("embeddings of", ", ".join(f"{size} ({name})" for name, size in sizes.items()), "on both sides, no dropout")
    if options.against == "torch":
        print("theirs: dense embedding gradients (the fused AdamW takes no sparse ones)")
    if documents is not None:
        print(f"documents: {documents.source}")
    print(f"matrix-product peak: {peak / 1e9:.0f} GFLOP/s\n")
    print(ROW.format("case", "ours", "theirs", "unit", "ratio", "peak", ""), flush=True)


def print_row(result: dict) -> None:
    ours, theirs = (f"{result[side]:.1f}" for side in ("ours", "theirs"))
    ratio, share = f"{result['ratio']:.2f}", f"{result['peak_fraction']:.2f}"
    print(ROW.format(result["name"], ours, theirs, result["unit"], ratio, share, result["how"]).rstrip(), flush=True)


def finish(results: list[dict], peak: float, options: argparse.Namespace) -> None:
    """Prints the mean over the language models and writes the file."""
    ratios = [result["ratio"] for result in results if result["name"].startswith("lm ")]
    geomean = geometric_mean(ratios) if ratios else None
    if geomean:
        print(f"\ngeometric mean over the {len(ratios)} language-model cases: {geomean:.2f}")
    if options.json:
        cases = [{key: value for key, value in result.items() if key != "how"} for result in results]
        content = {"cases": cases, "geomean": geomean, "against": options.against, "threads": options.threads}
        options.json.write_text(json.dumps({**content, "peak_gflops": peak / 1e9}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
