"""What makes a fork and the end of this process safe at any moment, also while other threads predict or train.

A child has only the thread that forked. Locks that other threads held stay locked in it, and threads that it expects to
work do not exist. The native kernels see to their own locks and threads: `kernels/native/src/runtime/thread_pool.cpp`.
"""

import atexit
import os
import sys
from threading import RLock

from rnnnlp.threads import LOCK

TOKENIZERS_PARALLELISM = "TOKENIZERS_PARALLELISM"  # environment variable


class _Fork:
    """What is done before a fork, and then in each of the two processes."""

    def __init__(self) -> None:
        self.uses_tokenizers = False
        self.parallelism: str | None = None

    def before(self) -> None:
        LOCK.acquire()
        # In a child the `tokenizers` library works without threads. It prints a warning about that, unless the variable
        # says so already.
        self.uses_tokenizers = "tokenizers" in sys.modules
        if self.uses_tokenizers:
            self.parallelism = os.environ.get(TOKENIZERS_PARALLELISM)
            os.environ[TOKENIZERS_PARALLELISM] = "false"

    def in_parent(self) -> None:
        if self.uses_tokenizers and self.parallelism is None:
            os.environ.pop(TOKENIZERS_PARALLELISM, None)
        elif self.uses_tokenizers:
            os.environ[TOKENIZERS_PARALLELISM] = str(self.parallelism)
        LOCK.release()

    def in_child(self) -> None:
        if tqdm := sys.modules.get("tqdm"):
            tqdm.tqdm.set_lock(RLock())
        LOCK.release()


def make_forks_safe() -> None:
    """Sees to forks from now on. To be called once."""
    if hasattr(os, "register_at_fork"):
        fork = _Fork()
        os.register_at_fork(before=fork.before, after_in_parent=fork.in_parent, after_in_child=fork.in_child)


def make_exit_safe() -> None:
    """Sees to the end of the interpreter. To be called once, when the package is imported.

    Callbacks that are registered later run earlier, so they may still wait for a thread that uses the kernels.
    """
    atexit.register(_begin_exit)


def _begin_exit() -> None:
    if native := sys.modules.get("rnnnlp.kernels.native._native"):
        native.begin_exit()
