"""How many processors this process may use."""

import os
import re
from collections.abc import Iterator
from pathlib import Path


def available_processors(root: str | os.PathLike[str] = "/") -> int:
    """The number of processors of this process: its affinity, and on Linux also the CPU quota of its control groups.

    A container usually sees all processors of its host, and its quota says how many of them it may use. A quota of 2.5
    processors counts as 2.

    Args:
        root: The folder that holds `proc` and `sys`.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([affinity, *_quotas(Path(root))])))


def asked_by_environment() -> int | None:
    """The number of threads in OMP_NUM_THREADS; of several, as for nested loops, the first. None if there is none."""
    found = re.match(r"\s*(\d+)\s*(,|$)", os.environ.get("OMP_NUM_THREADS", ""), re.ASCII)
    return int(found[1]) or None if found else None


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in processors, of the control groups of this process and of all groups around them."""
    for fields, version in _mounts(root):
        mounted, mount = fields[3], root / fields[4].lstrip("/")
        group = Path(mount, *_group_below(mounted, version, root))
        for folder in (group, *group.parents):
            try:
                if version == 2:  # "200000 100000", or "max 100000"
                    quota, period = _read(folder / "cpu.max").split()
                else:
                    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
                if quota.isdigit() and int(quota) > 0 < int(period):  # -1 means no quota
                    yield int(quota) / int(period)
            except (OSError, ValueError):
                pass  # the outermost group has no such files
            if folder == mount:
                break


def _mounts(root: Path) -> Iterator[tuple[list[str], int]]:
    """The mounted hierarchies of control groups that may have CPU quotas: fields of `mountinfo`, and the version."""
    for line in _lines(root / "proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        kinds = kind.split()
        if kinds[:1] == ["cgroup2"]:
            yield place.split(), 2
        elif kinds[:1] == ["cgroup"] and "cpu" in kinds[-1].split(","):
            yield place.split(), 1


def _group_below(mounted: str, version: int, root: Path) -> tuple[str, ...]:
    """The path of this process's group below the mounted group, as names of folders."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" if version == 2 else "cpu" in controllers.split(","):
            names, outer = Path(path).parts, Path(mounted).parts
            if names[: len(outer)] == outer and ".." not in names:
                return names[len(outer) :]
    return ()  # the group is outside of what is mounted here


def _lines(path: Path) -> list[str]:
    try:
        return _read(path).splitlines()
    except OSError:  # not Linux
        return []


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
