"""rnnnlp quickstart."""

import argparse
import json
import os
import sys
from pathlib import Path

from rnnnlp.cli.options import duration
from rnnnlp.cli.output import show
from rnnnlp.errors import UserError, option

CHAR_LM_BUDGET, SENTIMENT_EPOCHS = 100.0, 15  # seconds, epochs
RECORD = ".rnnnlp-quickstart.json"  # the checksums of what `quickstart` has trained, which it may replace
TEXTS = (
    "What a wonderful film, I loved every minute.",
    "It broke after two days. A waste of money.",
    "质量很好，非常喜欢。",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", default="runs/quickstart", metavar="FOLDER", help="folder for the two runs (default: runs/quickstart)"
    )
    parser.add_argument(
        "--budget",
        type=duration,
        metavar="TIME",
        help=f"training time of each model (default: {CHAR_LM_BUDGET:g}s for the language model, "
        f"{SENTIMENT_EPOCHS} epochs for the classifier)",
    )
    parser.add_argument("--backend", default="auto", help="auto, numpy or native (default: auto)")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.cli.main import main

    out, backend = Path(os.path.expanduser(options.out)), ["--backend", options.backend]
    classifier, model = str(out / "sample-reviews"), str(out / "python-docs")
    epochs = str(SENTIMENT_EPOCHS)
    if options.budget is None:
        model_limit, classifier_limit = ["--budget", f"{CHAR_LM_BUDGET:g}s"], ["--epochs", epochs]
    else:
        model_limit = ["--budget", f"{options.budget:g}s"]
        classifier_limit = [*model_limit, "--max-epochs", epochs]
    small = ["--hidden-size", "256", *model_limit, "--evaluations", "3"]
    tiny = [*classifier_limit, "--batch-size", "16", "--hidden-size", "64", "--embedding-size", "64"]
    for folder in (Path(model), Path(classifier)):
        require_own(folder)
    for words in (
        ["train", "charlm", "--data", "python-docs", "--out", model, "--overwrite", *small, *backend],
        ["generate", model, "--prompt", "The for statement", "--length", "400", "--seed", "1"],
        ["train", "sentiment", "--data", "sample-reviews", "--out", classifier, "--overwrite", *tiny, *backend],
        ["evaluate", classifier, "--split", "test"],
        ["predict", classifier, *TEXTS],
    ):
        show()
        show("$ rnnnlp " + " ".join(f'"{word}"' if " " in word else word for word in words))
        sys.stdout.flush()
        try:
            code = main(words)
        finally:
            if words[0] == "train":
                record(Path(words[words.index("--out") + 1]))
        if code:
            return code
    return 0


def require_own(folder: Path) -> None:
    """UserError unless a folder is empty, or has the run that an earlier quickstart has trained there."""
    if folder.is_dir() and any(folder.iterdir()) and recorded(folder.parent).get(folder.name, "") != checksum(folder):
        raise UserError(
            f"{folder} has something that this command did not make, so it is not replaced; "
            f"give another {option('out')}, or remove it"
        )


def record(folder: Path) -> None:
    """Keeps the checksum of a run that `quickstart` has trained."""
    from rnnnlp.files import write_atomically

    if (found := checksum(folder)) is not None:
        content = recorded(folder.parent) | {folder.name: found}
        write_atomically(folder.parent / RECORD, json.dumps(content).encode())


def recorded(out: Path) -> dict[str, str]:
    """The checksums of the runs that `quickstart` has trained in a folder, by name."""
    from rnnnlp.files import read_json

    try:
        content = read_json(out / RECORD)
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}


def checksum(folder: Path) -> str | None:
    """The SHA-256 of how a run was trained; None if there is no run."""
    import hashlib

    from rnnnlp.training.model_folder import read_config

    try:
        return hashlib.sha256(json.dumps(read_config(folder), sort_keys=True).encode()).hexdigest()
    except UserError:
        return None
