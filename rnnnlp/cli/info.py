"""rnnnlp info."""

import argparse
import os
import platform

from rnnnlp.cli.options import add_backend_options


def add_options(parser: argparse.ArgumentParser) -> None:
    add_backend_options(parser)


def run(options: argparse.Namespace) -> int:
    import numpy as np
    from threadpoolctl import threadpool_info

    from rnnnlp import __version__, kernels

    print(f"rnnnlp     {__version__}")
    print(f"python     {platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors")
    print(f"numpy      {np.__version__}")
    for pool in threadpool_info():
        print(f"{pool['user_api']:10} {pool['internal_api']} {pool['version']}, {pool['num_threads']} threads")
    print(f"kernels    {kernels.use(options.backend, options.threads)}")
    return 0
