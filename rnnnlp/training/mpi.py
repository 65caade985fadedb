"""Processes that a launcher such as mpiexec started together, and that MPI connects."""

import logging
import os
import pickle  # nosec B403
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np

from rnnnlp.batches.shards import Node, Shard
from rnnnlp.errors import UserError
from rnnnlp.kernels.backend import Array
from rnnnlp.kernels.processors import asked_by_environment, available_processors
from rnnnlp.training.distributed import ALONE, working_with
from rnnnlp.training.launcher import (
    launched_processes,
    launched_rank,
    processes_on_this_host,
    rank_on_this_host,
    slurm_processes,
)
from rnnnlp.training.signals import signals_noted
from rnnnlp.training.watch import watch
from rnnnlp.training.wire import Wire

CHUNK = 1 << 18  # numbers that two processes exchange at once; longer messages are slower over TCP
READ_SECONDS = 0.5  # in which the launcher reads the last line of a process that ends all
END_SECONDS = 3.0  # that a process which ends waits for the others to end, too
LAST_TO_SAY = 3  # process: those after it wait as long as it does
UNREACHABLE = 69  # exit code, EX_UNAVAILABLE of sysexits.h
SHARED_CORES = {"MPIR_CVAR_ENABLE_HEAVY_YIELD": "1"}  # for MPICH: waiting processes leave the processor to others

log = logging.getLogger(__name__)

T = TypeVar("T")


class OverMPI:
    """All processes of the launcher; see `distributed.Processes`."""

    _started: "OverMPI | None" = None
    threads: int | None
    resume_with: str

    def __init__(self) -> None:
        with _environment(SHARED_CORES if _share_cores() else {}):
            try:
                from mpi4py import MPI
            except (ImportError, RuntimeError) as error:  # the second: there is no MPI library
                if launched_rank() and rank_on_this_host():
                    raise SystemExit(2) from None  # the first process of this computer says it
                reason = "" if isinstance(error, ModuleNotFoundError) else f" ({error})"
                raise UserError(
                    f"{launched_processes()} processes were started together, which needs the packages "
                    f"mpi4py and mpich{reason}; install them on {socket.gethostname()}: pip install 'rnnnlp[mpi]'"
                ) from None
        self._mpi, self._world, self._end = MPI, MPI.COMM_WORLD.Dup(), MPI.COMM_WORLD.Dup()
        self.rank, self.size = self._world.rank, self._world.size
        self._host = self._world.Split_type(MPI.COMM_TYPE_SHARED)
        self.threads = asked_by_environment() or self._share_of_processors()
        self._noted: list[int] = []  # signals to this process
        self._agreed: list[int] = []  # those that all know of
        self._now = self.waited = 0.0
        self.resume_with = ""
        self._names = self.exchange(MPI.Get_processor_name())
        self.hosts = len(set(self._names))
        if self.hosts > 1:
            watch(self.rank, self.size - 1, lambda invitation: self._world.bcast(invitation), self._end_without)

    @classmethod
    def started(cls) -> "OverMPI":
        """The processes of this program. MPI starts once."""
        if cls._started is None:
            cls._started = cls()
        return cls._started

    def _share_of_processors(self) -> int:
        """The number of processors of this host for each of its processes."""
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
        of_all: set[int] = set().union(*self._host.allgather(allowed))
        processes: int = self._host.size
        return max(1, min(len(allowed), len(of_all) // processes, available_processors()))

    def now(self) -> float:
        return self._now

    def exchange(self, own: T) -> list[T]:
        with self._in_messages():
            found = self._world.allgather((own, time.monotonic(), self._noted))
        self._now = found[0][1]
        for _, _, noted in found:
            self._agreed += [number for number in noted if number not in self._agreed]
        return [of_process for of_process, _, _ in found]

    def first(self, function: Callable[[], T]) -> T:
        result: Any = None
        error: Exception | None = None
        if self.rank == 0:
            try:
                with working_with(ALONE):
                    result = function()
            except Exception as raised:
                error = raised
        sent_error = None if error is None else _sendable(error)
        with self._in_messages():
            result, sent_error, self._now = self._world.bcast((result, sent_error, time.monotonic()))
        if error is not None or sent_error is not None:
            raise error or sent_error
        found: T = result
        return found

    def once_a_host(self, function: Callable[[], T]) -> T:
        if self._host.rank:
            self._host.Barrier()
            return function()
        try:
            return function()
        finally:
            self._host.Barrier()

    def sum(
        self, own: Sequence[Array], nodes: Sequence[Sequence[Node]], length: int, dtype: np.dtype[Any], wire: Wire
    ) -> Array:
        total = np.empty(length, dtype)
        at_once = CHUNK * self.size
        for begin in range(0, length, at_once):
            chunk = slice(begin, min(begin + at_once, length))
            total[chunk] = self._sum_of_chunk(
                [array[chunk] for array in own], nodes, chunk.stop - chunk.start, total.dtype, wire
            )
        return total

    def _sum_of_chunk(
        self, own: Sequence[Array], nodes: Sequence[Sequence[Node]], length: int, dtype: np.dtype[Any], wire: Wire
    ) -> Array:
        parts = [Shard(rank, self.size).part(length) for rank in range(self.size)]
        lengths = np.array([part.stop - part.start for part in parts])  # of the part that each process adds up
        counts = np.array([len(of_process) for of_process in nodes])  # of nodes
        packed = [*map(wire.packed, own), wire.packed(np.empty(0, dtype))]
        # to each process its part of all nodes
        sent = packed[0] if len(own) == 1 else np.concatenate([array[part] for part in parts for array in packed])
        mine = int(lengths[self.rank])
        received = np.empty(mine * int(counts.sum()), sent.dtype)
        with self._in_messages():
            self._world.Alltoallv([sent, len(own) * lengths], [received, mine * counts])
        in_order = [node for of_process in nodes for node in of_process]
        found = wire.unpacked(received, dtype).reshape(len(in_order), mine)
        values = dict(zip(in_order, found, strict=True))
        root = Node(0, max(node.end for node in values))
        summed = root.sum(values.get, lambda a, b: wire.rounded(a + b))  # (mine,)
        total = np.empty(length, sent.dtype)
        with self._in_messages():
            self._world.Allgatherv(np.ascontiguousarray(wire.packed(summed)), [total, lengths])
        return wire.unpacked(total, dtype)

    @contextmanager
    def signals(self) -> Iterator[list[int]]:
        self._agreed = []
        with signals_noted() as self._noted:
            yield self._agreed

    @contextmanager
    def _in_messages(self) -> Iterator[None]:
        """Adds the time that is spent inside to `waited`."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.waited += time.perf_counter() - begin

    def all_end(self) -> bool:
        """Whether all processes end now, too; waits for that for a while."""
        request, deadline = self._end.Ibarrier(), time.monotonic() + END_SECONDS * (1 + 0.1 * self.rank)
        while not request.Test():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _end_without(self, lost: int) -> None:
        """Says that a process cannot be reached, and ends all that can, whatever this one waits for."""
        time.sleep(min(self.rank, LAST_TO_SAY) * READ_SECONDS)  # where several lost the first one, one says so
        how = f"; resume with: {self.resume_with}" if self.resume_with else ""
        log.error("process %d on %s cannot be reached any more%s", lost, self._names[lost], how)
        threading.Timer(3 * READ_SECONDS, os._exit, [UNREACHABLE]).start()  # MPI may wait for what this one waits for
        end_quietly(self, UNREACHABLE)

    def abort(self, code: int) -> None:
        """Ends all processes at once."""
        self._mpi.COMM_WORLD.Abort(code)

    @property
    def shown(self) -> str:
        """What runs, for a person."""
        library = self._mpi.Get_library_version().split("\n")[0].strip("\0")
        return f"{self.size} processes on {self.hosts} host{'s'[: self.hosts > 1]}, {' '.join(library.split())}"


@contextmanager
def together(words: Sequence[str] = ()) -> Iterator[None]:
    """A context in which the processes of a launcher work together; nothing without a launcher.

    Args:
        words: What they were asked to do, which must be the same.

    Raises:
        UserError: If they cannot.
    """
    if launched_processes() == 1:
        if (slurm := slurm_processes()) > 1:
            log.warning(
                "Slurm started %d processes, which do not know of each other, so each works alone; to train one model "
                "together, give srun its option mpi=pmi2",
                slurm,
            )
        yield
        return
    job = OverMPI.started()
    if launched_processes() != job.size:
        raise UserError(
            f"{launched_processes()} processes were started together, and MPI knows of {job.size}; start them with the "
            "mpiexec of the MPI that mpi4py uses"
        )
    if any(asked != list(words) for asked in job.exchange(list(words))):
        raise UserError(
            "the processes of one launcher were asked for different things; give all the same options, or start them "
            "one by one"
        )
    logger = logging.getLogger("rnnnlp")
    level = logger.level
    if job.rank:
        logger.setLevel(logging.ERROR)  # what there is to say, the first process says
    try:
        with working_with(job):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def ending(code: int) -> Iterator[int | None]:
    """A context for the last line of a process that ends with an exit code other than 0: its rank, if it is to say it.

    If all end alike, only the first one says it. Otherwise this one does, and then it ends the others.
    """
    job = OverMPI._started
    if job is None:
        yield 0
        return
    all_end = job.all_end()
    yield None if all_end and job.rank else job.rank
    if not all_end:
        end_quietly(job, code)


def end_quietly(job: OverMPI, code: int) -> None:
    """Ends all processes at once, after what was said is read, without lines of MPI's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(READ_SECONDS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    job.abort(code)


def shown_mpi() -> str:
    """What of MPI is here, for a person; it is not started without a launcher."""
    if launched_processes() != 1:
        return OverMPI.started().shown
    try:
        return f"mpi4py {version('mpi4py')}; mpiexec -n 4 rnnnlp train ... starts four processes"
    except PackageNotFoundError:
        return "not installed; pip install 'rnnnlp[mpi]'"


def _share_cores() -> bool:
    """Whether the launcher started more processes on this host than it has processors."""
    return processes_on_this_host() > (os.cpu_count() or 1)


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Sets environment variables that are not set, for what is inside."""
    new = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


def _sendable(error: Exception) -> Exception:
    """An error that another process can read."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):  # nosec B301
            return error
    except Exception as reason:
        log.debug("%r cannot be sent (%s)", error, reason)
    message = error.marked if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    kind = UserError if isinstance(error, UserError) else RuntimeError
    return kind(message)
