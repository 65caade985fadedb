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
    from rnnnlp.training.launcher import launched_processes, launched_rank
    from rnnnlp.training.mpi import shown_mpi

    if launched_processes() != 1 and launched_rank():
        shown_mpi()  # the others wait for it
        return 0
    show(f"rnnnlp     {__version__}")
    show(f"python     {platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors")
    show(f"numpy      {np.__version__}")
    for pool in threadpool_info():
        show(f"{pool['user_api']:10} {pool['internal_api']} {pool['version']}, {pool['num_threads']} threads")
    with kernels.running(options.backend, options.threads) as shown:
        show(f"kernels    {shown}")
    show(f"mpi        {shown_mpi()}")
    return 0
