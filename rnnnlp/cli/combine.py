"""rnnnlp combine RUN RUN ..."""

import argparse
import sys


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folders of trained classifiers, two or more")
    parser.add_argument("--out", metavar="RUN", required=True, help="the new folder of the committee")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in --out")
    parser.add_argument(
        "--data", help="on whose validation texts the weights are fitted (default: the data of the first run)"
    )
    parser.add_argument("--text-column", help="the column with the texts, if its name is not a usual one")
    parser.add_argument("--label-column", help="the column with the labels, if its name is not a usual one")
    parser.add_argument("--backend", default=None, help="auto or numpy")
    parser.add_argument("--threads", type=int, help="processor threads to use")


def run(options: argparse.Namespace) -> int:
    from rnnnlp.training.combining import combine
    from rnnnlp.training.config import Combining
    from rnnnlp.training.fit import use_backend

    config = Combining(
        runs=tuple(options.runs),
        data=options.data,
        text_column=options.text_column,
        label_column=options.label_column,
    )
    use_backend(options.backend, options.threads)
    combine(config, options.out, overwrite=options.overwrite)
    print(f'{options.out}: done; use it with: rnnnlp predict {options.out} "..."', file=sys.stderr)
    return 0
