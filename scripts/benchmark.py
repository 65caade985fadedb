"""Compares the speed of rnnnlp with PyTorch, with its own NumPy backend, or with another installation of rnnnlp.

    python scripts/benchmark.py [--against torch|numpy|PYTHON] [--threads 2] [--only SUBSTRING] [--json FILE]

PYTHON is the interpreter of an environment with another version of rnnnlp, such as ../old/.venv/bin/python.

Both sides have the same weights, data and number of threads, each in a process of its own. They take turns, and while
one works the other sleeps. Before a case is timed, the losses and gradient norms (or logits) of both sides must agree.
A figure is the median over the turns of each turn's median. "ratio" is how many times faster this rnnnlp is: the median
over pairs of turns, one of each side, so that a machine whose speed drifts changes it little. "peak" is the fraction
of the throughput of a large matrix product, measured before and after the case, that the necessary products of the case
reach.
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

# Read by BLAS and OpenMP when they are loaded, here and in the workers. Within a turn, OpenMP's threads may spin until
# the next parallel part, as is their default and fastest. After it they sleep before the other side's turn.
WAITING = {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "5"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "imdb"
ROW = "{:<34} {:>10} {:>10}  {:<12} {:>6} {:>6}  {}"


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    os.environ.update(dict.fromkeys(THREADS, str(options.threads)), OMP_DYNAMIC="FALSE", **WAITING)
    os.environ.pop("OMP_WAIT_POLICY", None)
    from rnnnlp.cli.main import reported

    return reported(lambda: benchmark(options))


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--against",
        default="torch",
        metavar="OTHER",
        help="torch, numpy, or the Python of an environment with another rnnnlp (default: torch)",
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="number of threads a side (default: 2)")
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="only the cases with this in their name")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="number of turns a side (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="X", help="minimum time of a turn (default: 1)")
    parser.add_argument(
        "--imdb", type=Path, default=DATA, metavar="FOLDER", help="IMDB's parquet files (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as a JSON object")
    return parser.parse_args(words)


def check(options: argparse.Namespace) -> None:
    """Raises UserError for options that would fail later."""
    from rnnnlp.errors import UserError, option

    for name in ("threads", "repeats"):
        if getattr(options, name) < 1:
            raise UserError(f"{option(name)} is {getattr(options, name)}; it must be at least 1")
    if options.against == "torch":
        if importlib.util.find_spec("torch") is None:
            raise UserError(f"{option('against')} torch needs PyTorch: pip install torch, or compare with numpy")
    elif options.against != "numpy" and not Path(options.against).is_file():
        raise UserError(
            f"{option('against')} is {options.against}; it must be torch, numpy, or the Python of an environment"
        )
    if options.json and not options.json.parent.is_dir():
        raise UserError(f"{option('json')} is {options.json}; there is no folder {options.json.parent}")


def benchmark(options: argparse.Namespace) -> None:
    """Measures all cases that were asked for and prints them."""
    from benchmarking.cases import all_cases
    from benchmarking.documents import documents_of
    from benchmarking.worker import Worker

    from rnnnlp.errors import UserError, option

    check(options)
    known = all_cases(of_torch=options.against == "torch")
    cases = [case for case in known if options.only in case.name]
    if not cases:
        names = "; ".join(case.name for case in known)
        raise UserError(f"{option('only')} is {options.only!r}; it must be part of one of: {names}")
    documents = documents_of(options.imdb) if any(case.of_documents for case in cases) else None
    workers = [Worker("rnnnlp_side", threads=options.threads)]
    try:
        workers.append(other_worker(options))
        this, other = workers
        peaks = [this.ask("peak")]
        print_header(options, this.about, other.about, peaks[0], documents)
        results = []
        for case in cases:
            result = measure(case, documents if case.of_documents else None, this, other, options)
            peaks.append(this.ask("peak"))
            result["peak_fraction"] = result.pop("flops") / max(peaks[-2:])  # around the case: machines change
            results.append(result)
            print_row(result)
    finally:
        for worker in workers:
            worker.close()
    finish(results, max(peaks), options)


def other_worker(options: argparse.Namespace) -> Any:
    """The process of the side to compare with."""
    from benchmarking.worker import Worker

    if options.against == "torch":
        return Worker("torch_side", threads=options.threads)
    if options.against == "numpy":
        return Worker("rnnnlp_side", backend="numpy", threads=options.threads)
    # A link is not followed: the Python of an environment often is one.
    return Worker("rnnnlp_side", python=Path(options.against).absolute(), threads=options.threads)


def measure(case: Any, documents: Any, this: Any, other: Any, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of a case.

    Returns:
        The figures of both sides, and of this one the floating-point operations per second. `how` is which of several
        ways the other side took.
    """
    from benchmarking.cases import count, flops

    this.ask("prepare", case, documents)
    how = other.ask("prepare", case, documents, this.ask("weights"))
    require_agreement(case, this.ask("check"), other.ask("check"))
    times: dict[Any, list[float]] = {this: [], other: []}
    for turn in range(options.repeats):
        for side in (this, other) if turn % 2 == 0 else (other, this):
            times[side].append(median(side.ask("turn", options.seconds)))
    this_time, other_time = median(times[this]), median(times[other])
    number = count(case, documents)
    figures = [1e3 * t / number if case.unit == "ms" else number / t for t in (this_time, other_time)]
    return {
        "name": case.name,
        "this": figures[0],
        "other": figures[1],
        "unit": case.unit,
        "ratio": median(b / a for a, b in zip(times[this], times[other], strict=True)),
        "flops": flops(case, documents) / this_time,
        "how": how,
    }


def require_agreement(case: Any, this: list[float], other: list[float]) -> None:
    """Raises UserError if the two sides do not compute the same."""
    from rnnnlp.errors import UserError

    for a, b in zip(this, other, strict=True):
        if not abs(a - b) <= case.tolerance * max(0.1, abs(b)):
            raise UserError(f"{case.name}: the sides do not compute the same: this {this[:4]}, other {other[:4]}")


def print_header(options: argparse.Namespace, this: str, other: str, peak: float, documents: Any) -> None:
    from benchmarking.cases import EMBEDDING

    print(f"this:  {this}\nother: {other}")
    print(f"{options.repeats} turns of at least {options.seconds:g} s each, {options.threads} threads a side, float32")
    sizes = {"language models": EMBEDDING["lm"], "classifiers": EMBEDDING["classifier"]}
    print("embedding sizes:", ", ".join(f"{size} ({name})" for name, size in sizes.items()) + "; no dropout")
    if options.against == "torch":
        print("other: dense embedding gradients (the fused AdamW takes no sparse ones)")
    if documents is not None:
        print(f"documents: {documents.source}")
    print(f"matrix-product peak: {peak / 1e9:.0f} GFLOP/s\n")
    print(ROW.format("case", "this", "other", "unit", "ratio", "peak", ""), flush=True)


def print_row(result: dict[str, Any]) -> None:
    this, other = (f"{result[side]:.1f}" for side in ("this", "other"))
    ratio, fraction = f"{result['ratio']:.3f}", f"{result['peak_fraction']:.2f}"
    print(ROW.format(result["name"], this, other, result["unit"], ratio, fraction, result["how"]).rstrip(), flush=True)


def finish(results: list[dict[str, Any]], peak: float, options: argparse.Namespace) -> None:
    """Prints the geometric means and writes the file."""
    all_ratios = [result["ratio"] for result in results]
    lm_ratios = [result["ratio"] for result in results if result["name"].startswith("lm ")]
    means = {"geomean": geometric_mean(lm_ratios) if lm_ratios else None, "geomean_of_all": geometric_mean(all_ratios)}
    if lm_ratios:
        print(f"\ngeometric mean over the {len(lm_ratios)} language-model cases: {means['geomean']:.3f}")
    print(f"geometric mean over all {len(all_ratios)} cases: {means['geomean_of_all']:.3f}")
    if options.json:
        cases = [{key: value for key, value in result.items() if key != "how"} for result in results]
        content = {"cases": cases, **means, "against": options.against, "threads": options.threads}
        options.json.write_text(json.dumps({**content, "peak_gflops": peak / 1e9}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
