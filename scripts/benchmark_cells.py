"""Compares the speed of a recurrent cell with that of the LSTM of the same size: training steps and generation.

    python scripts/benchmark_cells.py [--cell lstm_rms_norm] [--sizes 128 512] [--threads 2] [--repeats 7] [--seconds X]

A step is a whole training step of a character model: forward, backward, clipping and AdamW. The two cells take turns in
one process. "time" is the time of the cell divided by that of the LSTM: the median over pairs of turns.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

from rnnnlp.cli.main import reported
from rnnnlp.errors import UserError, option

BATCH_SIZE, STEPS = 32, 64  # of a window; `rnnnlp train charlm` has 16 streams by default
ROW = "{:<16} {:<14} {:>6} {:>12} {:>12} {:>8}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--cell", default="lstm_rms_norm", metavar="CELL", help="the cell (default: lstm_rms_norm)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 512], metavar="H", help="numbers of hidden units")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="number of threads (default: 2)")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="turns of each cell (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.5, metavar="X", help="minimum time of a turn (default: 0.5)")
    options = parser.parse_args(words)
    return reported(lambda: compare(options))


def compare(options: argparse.Namespace) -> None:
    """Prints a row for each size and job. UserError for a wrong cell or number."""
    from benchmarking.cases import Case
    from benchmarking.rnnnlp_side import job, start

    if options.repeats < 1:
        raise UserError(f"{option('repeats')} is {options.repeats}; it must be at least 1")
    print(start(None, options.threads))
    print(ROW.format("what", "cell", "H", "ms", "ms of lstm", "time"))
    for size in options.sizes:
        for task, what in (("lm", "training step"), ("generation", "character")):
            pair = [
                job(Case(task, cell, size, batch_size=BATCH_SIZE, steps=STEPS), None) for cell in (options.cell, "lstm")
            ]
            runs = [job.run for job in pair]
            own, of_lstm, ratio = turns(runs, options.repeats, options.seconds)
            number = 1 if task == "lm" else _characters()
            row = (f"{1000 * own / number:.4g}", f"{1000 * of_lstm / number:.4g}", f"{ratio:.3f}")
            print(ROW.format(what, options.cell, size, *row), flush=True)


def turns(runs: Sequence[Callable[[], object]], repeats: int, seconds: float) -> tuple[float, float, float]:
    """The median times of two functions, and the median of the ratios of neighbouring turns."""
    times: list[list[float]] = [[], []]
    for run in runs:
        run()  # caches and memory
    for turn in range(repeats):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            of_turn, end = [], time.perf_counter() + seconds
            while time.perf_counter() < end or len(of_turn) < 3:
                before = time.perf_counter()
                runs[which]()
                of_turn.append(time.perf_counter() - before)
            times[which].append(median(of_turn))
    return median(times[0]), median(times[1]), median(a / b for a, b in zip(*times, strict=True))


def _characters() -> int:
    from benchmarking.cases import LENGTH

    return LENGTH


if __name__ == "__main__":
    sys.exit(main())
