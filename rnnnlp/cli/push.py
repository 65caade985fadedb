"""rnnnlp push RUN owner/name."""

import argparse
import os
from pathlib import Path

from rnnnlp.cli.output import show


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The configuration, the tokenizer, the weights, metrics and the model card are uploaded; checkpoints are not. "
        "The figures of RUN/evaluation.json go into the card, if they are of this model: 'rnnnlp evaluate RUN --json "
        "RUN/evaluation.json' writes them. HF_TOKEN, or 'hf auth login', says who you are. Others then use the model "
        "by its name, as in 'rnnnlp evaluate owner/name' and 'rnnnlp predict --model owner/name'."
    )
    parser.add_argument("run_folder", metavar="RUN", help="the folder of a trained model, or of an ensemble")
    parser.add_argument("repo", metavar="NAME", help="the name of the model on the Hub, owner/name")
    parser.add_argument("--private", action="store_true", help="only you and your organization may see it")
    parser.add_argument("--message", metavar="TEXT", help="commit message on the Hub (default: the version of rnnnlp)")
    parser.add_argument("--language", metavar="CODE", help="the language of the texts for the model card, such as en")
    parser.add_argument("--license", metavar="NAME", help="the licence for the model card, such as mit or cc-by-4.0")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.tasks import task_of
    from rnnnlp.training.model_folder import read_config
    from rnnnlp.training.push import push_folder

    folder = Path(os.path.expanduser(options.run_folder))
    task = task_of(read_config(folder)["model_type"], folder)
    address = push_folder(
        folder,
        options.repo,
        task.load,
        private=options.private,
        message=options.message,
        language=options.language,
        license=options.license,
    )
    show(address)
    return 0
