"""rnnnlp pretrain."""

import argparse

from rnnnlp.cli.train import add_run_options, run, tasks_by_command

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser, tasks_by_command()["pretrain"])
