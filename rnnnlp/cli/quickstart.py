"""rnnnlp quickstart."""

import argparse
import os
import sys
from pathlib import Path

from rnnnlp.cli.options import duration
from rnnnlp.cli.output import show
from rnnnlp.config import written_duration
from rnnnlp.display import command_line
from rnnnlp.errors import UserError, option

CHAR_LM_BUDGET, SENTIMENT_EPOCHS = 100.0, 15  # seconds, epochs
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
    parser.add_argument("--overwrite", action="store_true", help="replace the two runs of an earlier quickstart")
    parser.add_argument(
        "--backend",
        default="auto",
        help="kernels: native (C++), numpy, or auto, native if it was built (default: auto)",
    )


def run(options: argparse.Namespace) -> int:
    from rnnnlp.cli.main import main
    from rnnnlp.training.options import budget_seconds

    out, backend = Path(os.path.expanduser(options.out)), ["--backend", options.backend]
    classifier, model = str(out / "sample-reviews"), str(out / "python-docs")
    epochs = str(SENTIMENT_EPOCHS)
    if options.budget is None:
        model_limit, classifier_limit = ["--budget", f"{CHAR_LM_BUDGET:g}s"], ["--epochs", epochs]
    else:
        if isinstance(options.budget, str):
            budget_seconds(options.budget)  # refuses one such as +10m
        model_limit = ["--budget", written_duration(options.budget)]
        classifier_limit = [*model_limit, "--max-epochs", epochs]
    small = ["--hidden-size", "256", *model_limit, "--evaluations", "3"]
    tiny = [*classifier_limit, "--batch-size", "16", "--hidden-size", "64", "--embedding-size", "64"]
    overwrite = ["--overwrite"] if options.overwrite else []
    quiet = ["--quiet"] if getattr(options, "quiet", False) else []
    for folder in (model, classifier):
        if os.path.exists(folder) and not options.overwrite:
            raise UserError(
                f"{folder} is already there; give {option('overwrite')} to replace it, or another {option('out')}"
            )
    for words in (
        ["train", "charlm", "--data", "python-docs", "--out", model, *overwrite, *small, *backend],
        ["generate", model, "--prompt", "The for statement", "--length", "400", "--seed", "1", *backend],
        ["train", "sentiment", "--data", "sample-reviews", "--out", classifier, *overwrite, *tiny, *backend],
        ["evaluate", classifier, "--split", "test", *backend],
        ["predict", classifier, *TEXTS, *backend],
    ):
        show()
        show(f"$ {command_line('rnnnlp', *words)}")
        sys.stdout.flush()
        if code := main([*words, *quiet]):
            return code
    return 0
