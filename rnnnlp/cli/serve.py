"""rnnnlp serve RUN ..."""

import argparse
import logging

from rnnnlp.cli.options import add_backend_options, add_config_options, with_backend

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    from rnnnlp.server.settings import ServerOptions

    parser.epilog = (
        "The page shows what the models do: Write, Classify, Understand, Watch. Programs use /v1/predict and "
        "/v1/generate, which /openapi.json describes. Ctrl-C stops the server when the requests that run have "
        "ended, after at most 10 seconds."
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="run folders, folders of run folders, or names of bundled models (default: the bundled models)",
    )
    add_config_options(parser, ServerOptions, leave_out=("runs", "allowed_hosts"))
    parser.add_argument(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which browsers reach this server, such as that of a proxy; may be given several times",
    )
    add_backend_options(parser)


@with_backend
def run(options: argparse.Namespace) -> int:
    from dataclasses import fields

    from rnnnlp.server.run import serve
    from rnnnlp.server.settings import ServerOptions

    values = {f.name: getattr(options, f.name) for f in fields(ServerOptions) if hasattr(options, f.name)}
    lists = {name: tuple(values[name]) for name in ("runs", "allowed_hosts")}
    serve(ServerOptions.from_mapping(values | lists), lambda address: log.info("serving at %s", address))
    return 0
