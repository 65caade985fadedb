"""rnnnlp pretrain."""

import argparse

from rnnnlp.cli.train import add_run_options, begin_or_resume
from rnnnlp.tasks import load_task

TASK = "word_lm"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser, load_task(TASK))


def run(options: argparse.Namespace) -> int:
    return begin_or_resume(options, load_task(TASK))
