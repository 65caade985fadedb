"""Does the memory of training grow with the corpus? Trains on 10 MB and on 1 GB and prints the peak of each.

    python scripts/measure_memory.py [--gigabytes 1] [--steps 50]

The texts are made by repeating the language reference that every Python carries, in a temporary folder.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from pydoc_data.topics import topics


def make_text(path: Path, size: int) -> None:
    """Writes `size` bytes."""
    piece = "\n".join(topics[name] for name in sorted(topics)).encode("ascii", "replace")
    with open(path, "wb") as file:
        for start in range(0, size, len(piece)):
            file.write(piece[: size - start])


def peak_of_training(text: Path, folder: Path, steps: int) -> float:
    """The largest resident memory, in MB, of a process that trains on `text` for `steps` steps."""
    words = ["train", "charlm", "--data", str(text), "--out", str(folder / text.stem), "--steps", str(steps)]
    words += ["--hidden-size", "128", "--evaluations", "1"]
    environment = {**os.environ, "RNNNLP_CACHE": str(folder / "cache")}
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "rnnnlp.cli.main", *words], environment)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"training on {text} failed with exit code {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the large text")
    parser.add_argument("--steps", type=int, default=50, help="training steps")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-memory-") as name:
        folder = Path(name)
        peaks = []
        for label, size in (("small", 10_000_000), ("large", int(options.gigabytes * 1e9))):
            make_text(folder / f"{label}.txt", size)
            peaks.append(peak_of_training(folder / f"{label}.txt", folder, options.steps))
            print(f"{size / 1e6:8.0f} MB of text: peak resident memory {peaks[-1]:.0f} MB", flush=True)
        print(f"difference: {peaks[1] - peaks[0]:.0f} MB")


if __name__ == "__main__":
    main()
