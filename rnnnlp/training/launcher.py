"""What a launcher of parallel programs, such as mpiexec or srun, tells this process in its environment."""

import os

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")  # of MPICH and Intel MPI (also in Slurm: --mpi=pmi2), and of Open MPI
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
LOCAL_RANKS = ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
LOCAL_SIZES = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")
SLURM_STEP = "SLURM_STEP_NUM_TASKS"  # the number of processes that `srun` started


def launched_processes() -> int:
    """The number of processes that a launcher of MPI programs started together; 1 without one."""
    known = (int(os.environ[name]) for name in SIZES if os.environ.get(name, "").isdecimal())
    return next(known, slurm_processes() if "PMIX_RANK" in os.environ else 1)


def launched_rank() -> int:
    """The number of this process among those, from 0."""
    return next((int(os.environ[name]) for name in RANKS if os.environ.get(name, "").isdecimal()), 0)


def rank_on_this_host() -> int:
    """The number of this process among those on this host, from 0; 0 if the launcher does not say it."""
    return next((int(os.environ[name]) for name in LOCAL_RANKS if os.environ.get(name, "").isdecimal()), 0)


def processes_on_this_host() -> int:
    """The number of those processes that are on this host, if the launcher says it; else 1."""
    return next((int(os.environ[name]) for name in LOCAL_SIZES if os.environ.get(name, "").isdecimal()), 1) or 1


def share_of_processors() -> int | None:
    """The number of processors for each of the processes on this host; None for one, and where the user says it."""
    from rnnnlp.kernels.processors import asked_by_environment, available_processors

    if asked_by_environment() is not None or (here := processes_on_this_host()) == 1:
        return None
    return max(1, available_processors() // here)


def slurm_processes() -> int:
    """The number of processes that Slurm started together; 1 without it."""
    found = os.environ.get(SLURM_STEP, "")
    return int(found) if found.isdecimal() else 1


def slurm_rank() -> int:
    """The number of this process among those, from 0."""
    found = os.environ.get("SLURM_PROCID", "")
    return int(found) if found.isdecimal() and slurm_processes() > 1 else 0
