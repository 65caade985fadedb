"""The campaign of scripts/damage_campaign.py: small runs, damaged copies of them, and how each command ends."""

import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import datasets  # noqa: F401 (before the forks, for speed)
import numpy as np
import tokenizers  # noqa: F401

import rnnnlp.training.run  # noqa: F401
from fuzzing.cases import MEMORY, SECONDS, limit_memory, start_clocks
from fuzzing.damages import Damage, draw_case
from rnnnlp.cli.main import main
from rnnnlp.training.model_folder import WEIGHTS

TEXT = "All happy families are alike; each unhappy family is unhappy in its own way.\n" * 12
REVIEWS = "text,label\n" + "".join(
    f"it is {w} number {i},{n}\n" for i in range(20) for w, n in (("bad", 0), ("good", 1))
)
OPTIONS = "--hidden-size 6 --embedding-size 5 --steps 6 --batch-size 4 --evaluations 2 --checkpoint-every 3"


class Result(NamedTuple):
    """How a command ended.

    Attributes:
        code: Its exit code; -n if signal n ended it.
        out: Standard output.
        error: Standard error.
        weights: The weights in the run folder afterwards.
        seconds: Processor time.
        memory: Peak resident memory in bytes.
    """

    code: int
    out: str
    error: str
    weights: bytes
    seconds: float
    memory: int


def run(words: list[str], folder: Path, scratch: Path) -> Result:
    """Runs a command in a process of its own.

    Args:
        words: The words after `rnnnlp`.
        folder: The run folder.
        scratch: A folder for the output.
    """
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for descriptor, name in ((1, "out"), (2, "error")):
            os.dup2(os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        limit_memory()
        start_clocks()
        code = 1
        try:
            code = main(words)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    out, error = (str((scratch / name).read_bytes(), "utf-8", "replace") for name in ("out", "error"))
    path = folder / WEIGHTS
    weights = path.read_bytes() if path.is_file() and path.stat().st_size < MEMORY else b""
    code = os.waitstatus_to_exitcode(status)
    return Result(code, out, error, weights, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def commands(kind: str, folder: Path, home: Path) -> dict[str, list[str]]:
    """The commands that are tried on a run folder, by name."""
    data = ["--data", str(home / ("text.txt" if kind == "charlm" else "reviews.csv"))]
    use = (
        ["generate", str(folder), "--seed", "1", "--length", "30"]
        if kind == "charlm"
        else ["predict", str(folder), "good"]
    )
    return {
        "use": use,
        "evaluate": ["evaluate", str(folder)],
        "evaluate last": ["evaluate", str(folder), "--weights", "last", *data],
        "resume": ["train", kind, "--resume", str(folder)],
        "status": ["status", str(folder)],
    }


def prepare(home: Path) -> None:
    """Trains two runs of each task with different seeds, and removes their last checkpoint."""
    (home / "text.txt").write_text(TEXT)
    (home / "reviews.csv").write_text(REVIEWS)
    for kind, data, more in (("charlm", "text.txt", "--bptt 8"), ("sentiment", "reviews.csv", "--min-frequency 1")):
        for seed in "01":
            folder = home / f"{kind}-{seed}"
            words = ["train", kind, "--data", str(home / data), "--seed", seed, *OPTIONS.split(), *more.split()]
            result = run([*words, "--out", str(folder), "--keep-checkpoints", "3"], folder, home)
            assert result.code == 0, result.error
            shutil.rmtree(folder / "checkpoints/step-00000006")
            (folder / "metrics.jsonl").write_text((folder / "metrics.jsonl").read_text() * 2)


def verdict(result: Result, whole: Result, *, forged: bool, compare_output: bool) -> str:
    """How a command ended.

    Args:
        result: Of the command on the damaged run.
        whole: Of the same command on the undamaged run.
        forged: Whether the damage has the right checksums.
        compare_output: Whether equal runs must print the same.

    Returns:
        "refused", "as whole", "forged", or "FAILED: ..."
    """
    if result.code == -signal.SIGALRM:
        return "FAILED: hung"
    if result.code == -signal.SIGPROF or result.seconds > SECONDS:
        return "FAILED: too slow"
    if result.memory > MEMORY or "not enough memory" in result.error:
        return "FAILED: too much memory"
    if "Traceback" in result.error or result.code not in (0, 2):
        return f"FAILED: ended with {result.code}"
    if result.code == 2:
        lines = [line for line in result.error.splitlines() if line.startswith("rnnnlp: error: ")]
        return "refused" if len(lines) == 1 and lines[0] == result.error.splitlines()[-1] else "FAILED: not one line"
    same = result.weights == whole.weights and (result.out == whole.out or not compare_output)
    return "as whole" if same else "forged" if forged else "FAILED: another result"


def campaign(cases: range, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """Runs the cases; returns the number of cases for each way in which a command ended."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-damage-") as name:
        home = Path(name)
        os.environ["RNNNLP_CACHE"] = str(home / "cache")
        prepare(home)
        folder, whole = home / "run", {}
        slowest = largest = 0.0
        for case in cases:
            rng = np.random.default_rng([seed, case])
            kind = ("charlm", "sentiment")[int(rng.integers(2))]
            file, damage, command = draw_case(rng)
            words = commands(kind, folder, home)[command]
            for damaged in (False, True) if (kind, command) not in whole else (True,):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(home / f"{kind}-0", folder)
                if damaged:
                    getattr(Damage(folder, home / f"{kind}-1", rng), damage)(folder / file)
                result = run(words, folder, home)
                if not damaged:
                    assert result.code == 0, result.error
                    whole[kind, command] = result
            # The command status shows metrics.jsonl and training states as they are, unchecked.
            ended = verdict(
                result, whole[kind, command], forged=damage.startswith("forge"), compare_output=command != "status"
            )
            slowest, largest = max(slowest, result.seconds), max(largest, result.memory)
            counts[ended] += 1
            if ended.startswith("FAILED"):
                say(f"case {case}: {kind}, {damage} {file}, {command}: {ended}\n{result.error[-1500:]}")
        say(f"slowest {slowest:.2f} s of processor time, most memory {largest / 2**20:.0f} MiB")
    return counts
