"""rnnnlp ensemble RUN RUN ..."""

import argparse
import logging

from rnnnlp.cli.options import add_backend_options, add_reading_options, with_backend
from rnnnlp.display import command_line, path_as_word

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="folders of trained classifiers or names of bundled ones, at least two",
    )
    parser.add_argument("--out", metavar="RUN", required=True, help="the new folder of the ensemble")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in --out")
    parser.add_argument(
        "--data",
        help="the data whose validation texts fit the stacking weights, or all texts of a file that trained none of "
        "the runs (default: the data of the first run)",
    )
    add_reading_options(parser)
    add_backend_options(parser)


@with_backend
def run(options: argparse.Namespace) -> int:
    from rnnnlp.tasks.sentiment.config import EnsembleOptions
    from rnnnlp.tasks.sentiment.stacking import make_ensemble
    from rnnnlp.text import ReadOptions

    given = {"runs": tuple(options.runs), "data": options.data, **ReadOptions.given(options)}
    ensemble_options = EnsembleOptions.from_mapping(given)
    make_ensemble(ensemble_options, options.out, overwrite=options.overwrite)
    log.info('%s: done; use it with: rnnnlp predict %s "..."', options.out, command_line(path_as_word(options.out)))
    return 0
