"""rnnnlp pretrain."""

import argparse

from rnnnlp.cli.train import Kind, add_run_options, begin_or_resume
from rnnnlp.models.config import BidirectionalLMConfig
from rnnnlp.training.config import Pretraining, pretraining_options

KIND = Kind(
    "pretrain",
    "bidirectional_lm",
    "language models of words in both directions, from which a classifier can start",
    Pretraining,
    BidirectionalLMConfig,
    pretraining_options,
    "rnnnlp train sentiment --from {run} --data DATA",
    leave_out=("label_smoothing",),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser, KIND)


def run(options: argparse.Namespace) -> int:
    return begin_or_resume(options, KIND)
