"""rnnnlp pretrain."""

import argparse

from rnnnlp.cli.train import add_run_options, begin_or_resume, task_of_command


def add_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser, task_of_command("pretrain"))


def run(options: argparse.Namespace) -> int:
    return begin_or_resume(options, task_of_command("pretrain"))
