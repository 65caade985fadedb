"""Kills training runs at random moments and resumes them. Each must end in the bits of an uninterrupted run.

    python scripts/kill_campaign.py --kills 50 --seed 0

The signal is SIGKILL, at any moment of the process: while it loads, trains, evaluates, or writes a checkpoint. A run is
killed one to four times before it may end. The script then compares the best weights, the last checkpoint, and the
figures in metrics.jsonl. A run that is killed before its first checkpoint starts again from the beginning.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

COMMON = "--hidden-size 24 --embedding-size 8 --evaluations 5 --checkpoint-every 3 --dropout 0.2 --patience 0"
TASKS = {
    "charlm": f"--data {{text}} --steps 480 --batch-size 4 --bptt 16 {COMMON}",
    "sentiment": f"--data sample-reviews --epochs 12 --batch-size 16 {COMMON}",
}
TEXT = "".join(f"line {i} of a text that is long enough to be read again.\n" for i in range(400))


def start(words: list[str]) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rnnnlp.cli.main", "train", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def finish(words: list[str]) -> float:
    """Runs the command to its end; returns the seconds that it took."""
    started = time.monotonic()
    process = start(words)
    error = process.communicate()[1]
    if process.returncode:
        raise SystemExit(f"FAILED: {' '.join(words)} ended with {process.returncode}: {error}")
    return time.monotonic() - started


def result(folder: Path) -> dict[str, Any]:
    """Everything in a run folder that must be the same: all but times."""
    last = max((folder / "checkpoints").glob("step-*"))
    state = json.loads((last / "training_state.json").read_bytes())
    figures = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "best weights": (folder / "model.safetensors").read_bytes(),
        "last weights": (last / "model.safetensors").read_bytes(),
        "training tensors": {k: v.tobytes() for k, v in load_file(last / "training_state.safetensors").items()},
        "training state": {key: state[key] for key in state if key not in ("seconds", "reserve")},
        "metrics": [{key: line[key] for key in line if key != "seconds"} for line in figures],
    }


def killed_run(
    kind: str, options: list[str], folder: Path, kills: int, seconds: float, rng: np.random.Generator
) -> int:
    """Starts a run, kills it `kills` times, and lets it end; returns the number of kills that hit a living process."""
    hits = 0
    for attempt in range(kills + 1):
        has_checkpoint = any(folder.glob("checkpoints/step-*"))
        begin = [*options, "--out", str(folder), "--overwrite"]
        words = [kind, "--resume", str(folder)] if has_checkpoint else [kind, *begin]
        if attempt == kills:
            finish(words)
            break
        process = start(words)
        try:
            error = process.communicate(timeout=rng.uniform(0.0, seconds))[1]
            if process.returncode:
                raise SystemExit(f"FAILED: {' '.join(words)} ended with {process.returncode}: {error}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            hits += 1
    return hits


def campaign(kills: int, seed: int) -> bool:
    """Runs the campaign; returns whether every run ended in the same bits."""
    rng = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-kills-") as name:
        home = Path(name)
        (home / "text.txt").write_text(TEXT)
        options = {kind: words.format(text=home / "text.txt").split() for kind, words in TASKS.items()}
        seconds = {kind: finish([kind, *options[kind], "--out", str(home / kind)]) for kind in TASKS}
        whole = {kind: result(home / kind) for kind in TASKS}
        print(", ".join(f"{kind} takes {seconds[kind]:.1f} s" for kind in TASKS), flush=True)
        while counts["kills"] < kills:
            kind = list(TASKS)[counts["runs"] % len(TASKS)]
            folder = home / f"{kind}-{counts['runs']}"
            planned = min(int(rng.integers(1, 5)), kills - counts["kills"])
            counts["kills"] += killed_run(kind, options[kind], folder, planned, seconds[kind], rng)
            counts["runs"] += 1
            ended = result(folder)
            different = [what for what in ended if ended[what] != whole[kind][what]]
            different += [str(path) for path in folder.rglob(".*.tmp")]
            counts["different"] += bool(different)
            if different:
                print(f"FAILED: run {counts['runs']} ({kind}): different {', '.join(different)}", flush=True)
    print(f"{counts['kills']} kills in {counts['runs']} runs; {counts['different']} ended in other bits")
    return not counts["different"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="number of kills (default: 50)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    given = parser.parse_args()
    return int(not campaign(given.kills, given.seed))


if __name__ == "__main__":
    sys.exit(main())
