"""Measures whether the memory of training grows with the text: prints the peaks for 10 MB and for 1 GB.

    python scripts/measure_memory.py [--gigabytes 1] [--steps 50]

The texts repeat Python's own language reference. They are in a temporary folder.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from pydoc_data.topics import topics


def make_text(path: Path, size: int) -> None:
    """Writes a text of `size` bytes."""
    reference = "\n".join(topics[name] for name in sorted(topics)).encode("ascii", "replace")
    with open(path, "wb") as file:
        for start in range(0, size, len(reference)):
            file.write(reference[: size - start])


def peak_of_training(text: Path, folder: Path, steps: int) -> float:
    """The peak resident memory, in MB, of a process that trains on `text` for `steps` steps."""
    words = ["train", "charlm", "--data", str(text), "--out", str(folder / text.stem), "--steps", str(steps)]
    words += ["--hidden-size", "128", "--evaluations", "1"]
    environment = {**os.environ, "RNNNLP_CACHE": str(folder / "cache")}
    process = os.posix_spawn(sys.executable, [sys.executable, "-m", "rnnnlp.cli.main", *words], environment)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"training on {text} failed with exit code {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0, metavar="X", help="size of the large text (default: 1)")
    parser.add_argument("--steps", type=int, default=50, metavar="N", help="number of optimizer steps (default: 50)")
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
