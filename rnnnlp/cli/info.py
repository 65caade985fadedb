"""rnnnlp info."""

import argparse
import os
import platform

from rnnnlp.cli.options import add_backend_options
from rnnnlp.cli.output import show


def add_options(parser: argparse.ArgumentParser) -> None:
    add_backend_options(parser)


def run(options: argparse.Namespace) -> int:
    import numpy as np
    from threadpoolctl import threadpool_info

    from rnnnlp import __version__, kernels

    show(f"rnnnlp     {__version__}")
    show(f"python     {platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors")
    show(f"numpy      {np.__version__}")
    for pool in threadpool_info():
        show(f"{pool['user_api']:10} {pool['internal_api']} {pool['version']}, {pool['num_threads']} threads")
    with kernels.running(options.backend, options.threads) as shown:
        show(f"kernels    {shown}")
    return 0
