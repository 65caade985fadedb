"""Several computers on one: network namespaces, each with an address of its own, behind a bridge of limited speed.

Needs Linux, root, `ip` and `tc`. `distributed_trials.py` uses it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

# What mpiexec takes for ssh: it is called with options, a host, and a command.
LOGIN = """#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do shift; done
name={prefix}n${{1##*.}}
shift
exec ip netns exec "$name" unshare --uts sh -c "hostname $name; $*"
"""


class Hosts:
    """A context with hosts 1 to `number`, which can be cut off.

    Args:
        number: Of hosts.
        rate: Of each cable in each direction, as `tc` takes it.
    """

    def __init__(self, number: int, rate: str = "1gbit"):
        self.number, self.rate = number, rate
        self.prefix = f"r{os.getpid() % 100000}"
        self.numbers = range(1, number + 1)

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory(prefix="rnnnlp-hosts-")
        try:
            self._make()
        except BaseException:  # also Ctrl-C: what has been made outlives this process
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _make(self) -> None:
        self.login = Path(self.folder.name) / "login"
        self.login.write_text(LOGIN.format(prefix=self.prefix))
        self.login.chmod(0o755)
        run("ip", "link", "add", self.prefix, "type", "bridge")
        run("ip", "link", "set", self.prefix, "up")
        limit = ["root", "tbf", "rate", self.rate, "burst", "256kb", "latency", "50ms"]
        for number in self.numbers:
            host, cable = self.host(number), self.cable(number)
            run("ip", "netns", "add", host)
            run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
            run("ip", "link", "set", cable, "master", self.prefix, "up")
            run("ip", "-n", host, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                run("ip", "-n", host, "link", "set", device, "up")
            run("tc", "qdisc", "add", "dev", cable, *limit)
            run("tc", "-n", host, "qdisc", "add", "dev", "eth0", *limit)

    def _remove(self) -> None:
        """Removes all hosts that there are."""
        try:
            for number in self.numbers:
                subprocess.run(["ip", "netns", "del", self.host(number)], check=False)
            subprocess.run(["ip", "link", "del", self.prefix], check=False)
        finally:
            self.folder.cleanup()

    def host(self, number: int) -> str:
        return f"{self.prefix}n{number}"

    def cable(self, number: int) -> str:
        """The end of a host's cable that is at the bridge."""
        return f"{self.prefix}c{number}"

    @staticmethod
    def address(number: int) -> str:
        return f"10.77.0.{number}"

    def cut(self, number: int) -> None:
        """Takes a host from the network."""
        run("ip", "link", "set", self.cable(number), "down")

    def mend(self, number: int) -> None:
        run("ip", "link", "set", self.cable(number), "up")

    def launcher(self, processes: int) -> list[str]:
        """The beginning of a command that starts a process on each of the first hosts; it runs on the first one.

        More processes than hosts are shared out among all hosts.
        """
        each = str(-(-processes // self.number))
        addresses = ",".join(self.address(number) for number in list(self.numbers)[:processes])
        login = ["-launcher", "ssh", "-launcher-exec", str(self.login), "-iface", "eth0"]
        over_tcp = ["-genv", "UCX_TLS", "tcp,self"]  # the hosts could also share memory
        launched = ["-hosts", addresses, "-ppn", each, "-n", str(processes), *over_tcp]
        return ["ip", "netns", "exec", self.host(1), mpiexec(), *login, *launched]


def mpiexec() -> str:
    """The launcher of the extra `mpi`."""
    return str(Path(sys.executable).with_name("mpiexec"))


def run(*words: str) -> None:
    subprocess.run(words, check=True)
