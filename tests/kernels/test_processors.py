"""No more threads than the processors that this process may use: affinity, and CPU quota of control groups."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnnlp import kernels
from rnnnlp.errors import UserError
from rnnnlp.kernels import processors
from rnnnlp.kernels.processors import asked_by_environment, available_processors
from rnnnlp.threads import BLAS

MOUNT_2 = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate"
MOUNT_1 = "32 23 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
OTHER = "30 23 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset"


def system(folder: Path, *, mounts: str, groups: str, **files: str) -> Path:
    """A made-up system; the names of `files` are paths below /sys/fs/cgroup."""
    contents = {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups}
    contents |= {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return folder


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(kernels, "_said", set())


def two(folder: Path, quota: str, *, group: str = "/", **files: str) -> Path:
    path = f"{group.strip('/')}/cpu.max".lstrip("/")
    return system(folder, mounts=f"{OTHER}\n{MOUNT_2.format(root='/')}", groups=f"0::{group}", **{path: quota}, **files)


@pytest.mark.parametrize(
    ("quota", "number"),
    {
        "max 100000": 8,
        "200000 100000": 2,
        "250000 100000": 2,
        "50000 100000": 1,
        "1600000 100000": 8,
        "": 8,
        "x y": 8,
        "100000 0": 8,
    }.items(),
)
def test_version_2(tmp_path, quota, number):
    assert available_processors(two(tmp_path, quota)) == number


def test_the_smallest_quota_of_nested_groups_counts(tmp_path):
    outer = {"pod/cpu.max": "300000 100000", "cpu.max": "max 100000"}
    assert available_processors(two(tmp_path, "max 100000", group="/pod/container", **outer)) == 3
    assert available_processors(two(tmp_path, "200000 100000", group="/pod/container", **outer)) == 2
    assert available_processors(two(tmp_path, "500000 100000", group="/pod/container", **outer)) == 3


def test_a_group_that_is_mounted_as_the_root(tmp_path):
    """A container without a namespace of its own for control groups."""
    system(
        tmp_path,
        mounts=MOUNT_1.format(root="/docker/1f2e"),
        groups="4:cpu,cpuacct:/docker/1f2e\n3:memory:/docker/1f2e\n0::/",
        **{"cpu,cpuacct/cpu.cfs_quota_us": "150000", "cpu,cpuacct/cpu.cfs_period_us": "50000"},
    )
    assert available_processors(tmp_path) == 3


def test_version_1(tmp_path):
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/slice/job/cpu.cfs_quota_us": "400000",
        "cpu,cpuacct/slice/job/cpu.cfs_period_us": "100000",
    }
    mounts = f"{OTHER}\n{MOUNT_1.format(root='/')}"
    system(tmp_path, mounts=mounts, groups="5:cpuset:/\n4:cpu,cpuacct:/slice/job", **files)
    assert available_processors(tmp_path) == 4
    system(tmp_path, mounts=mounts, groups="4:cpu,cpuacct:/")
    assert available_processors(tmp_path) == 8


def test_a_group_outside_of_what_is_mounted(tmp_path):
    assert available_processors(two(tmp_path, "200000 100000")) == 2
    system(tmp_path, mounts=MOUNT_2.format(root="/"), groups="0::/../other")
    assert available_processors(tmp_path) == 2


def test_without_control_groups(tmp_path):
    assert available_processors(tmp_path) == 8
    system(tmp_path, mounts="nonsense\n- cgroup2", groups="")
    assert available_processors(tmp_path) == 8


def test_without_affinity(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_processors(tmp_path) == 1


@pytest.mark.parametrize(
    ("value", "number"),
    {
        "": None,
        "4,2": 4,
        " 3 ": 3,
        "0": None,
        "-1": None,
        "many": None,
        "600": 600,
        "2.5": None,
        "9" * 30: int("9" * 30),
    }.items(),
)
def test_odd_values_of_the_environment(monkeypatch, value, number):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert asked_by_environment() == number
    kernels.use("auto")


def test_no_more_threads_than_processors(monkeypatch, caplog):
    native = pytest.importorskip("rnnnlp.kernels.native")
    monkeypatch.setattr(kernels, "available_processors", lambda: 2)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("RAYON_NUM_THREADS", "64")
    with caplog.at_level(logging.WARNING):
        kernels.use("native")
        assert native.threads() == 2
        assert os.environ["RAYON_NUM_THREADS"] == "2"
        assert caplog.messages == []
        for _ in range(2):
            kernels.use("native", threads=64)
            assert native.threads() == 2
            assert os.environ["RAYON_NUM_THREADS"] == "2"
        kernels.use("native", threads=1)
        assert native.threads() == 1
        monkeypatch.setenv("OMP_NUM_THREADS", "600")
        for _ in range(2):
            kernels.use("native")
            assert native.threads() == 2
    assert caplog.messages == [
        "the number of threads is 64, but this process may use only 2: using 2",
        "OMP_NUM_THREADS is 600, but this process may use only 2: using 2",
    ]
    with pytest.raises(UserError, match="threads is 0; it must be at least 1"):
        kernels.use("native", threads=0)


def test_numpy_has_no_more_threads_than_the_quota(monkeypatch):
    from threadpoolctl import threadpool_limits

    if not BLAS.numbers():
        pytest.skip("threadpoolctl knows no BLAS here: on macOS, not Accelerate")
    with threadpool_limits():  # as before, afterwards
        monkeypatch.setattr(kernels, "available_processors", lambda: 1)
        kernels.use("numpy")
        assert set(BLAS.numbers()) == {1}


def test_this_machine():
    assert 1 <= processors.available_processors() <= 8


def test_without_a_choice_the_fastest_kernels_run():
    """A model that Python opens and uses, in a new process."""
    pytest.importorskip("rnnnlp.kernels.native", reason="the native kernels are not built", exc_type=ImportError)
    program = "import numpy; from rnnnlp import kernels; print(kernels.of(numpy.zeros(1, numpy.float32)).__name__)"
    environment = {name: value for name, value in os.environ.items() if name != "RNNNLP_BACKEND"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "rnnnlp.kernels.native"
