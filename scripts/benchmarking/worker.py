"""The processes of the two sides. Each sleeps at its pipe while the other one works.

python -m benchmarking.worker SIDE DESCRIPTOR      in the folder scripts/, started by `Worker`
"""

import gc
import importlib
import os
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LONG = 1.0  # seconds; a run that takes this long needs no other run before it to warm up
REST = 0.05  # seconds between two turns, in which threads that spin after their work go to sleep
SCRIPTS = Path(__file__).resolve().parents[1]


class Worker:
    """A process for one side.

    Args:
        side: A module of this folder, "rnnnlp_side" or "torch_side".
        python: The interpreter, if it is that of another environment.
        backend: Of rnnnlp.
        threads: The number of threads.
    """

    def __init__(self, side: str, *, python: Path | None = None, backend: str | None = None, threads: int):
        own, other = socket.socketpair()
        with own, other:
            # PYTHONPATH is for this environment: it could hide what is installed in the other one.
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" or python is None}
            command = [str(python or sys.executable), "-m", "benchmarking.worker", side, str(other.fileno())]
            self.process = subprocess.Popen(command, cwd=SCRIPTS, env=environment, pass_fds=[other.fileno()])
            self.pipe = Connection(own.detach())
        self.about: str = self.ask("start", backend, threads)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method of `Server` in that process and returns its result.

        Raises:
            UserError: If it failed there.
        """
        from rnnnlp.errors import UserError

        try:
            self.pipe.send((method, arguments))
            answer, error = self.pipe.recv()
        except (EOFError, OSError):
            code = self.process.wait(timeout=5)
            raise UserError(f"a worker process ended by itself (exit code {code}); try again") from None
        if error:
            raise UserError(error)
        time.sleep(REST)
        return answer

    def close(self) -> None:
        self.pipe.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Server:
    """Does what a `Worker` asks for."""

    def __init__(self, side: str):
        self.side = importlib.import_module(f"benchmarking.{side}")
        self.job: Any = None

    def start(self, backend: str | None, threads: int) -> str:
        return self.side.start(backend, threads)

    def prepare(self, *arguments: Any) -> str:
        """Makes the job of the next case; returns which of several ways it takes."""
        self.job = None
        gc.collect()
        self.job = self.side.job(*arguments)
        return self.job.how

    def weights(self) -> Any:
        return self.job.weights

    def check(self) -> list[float]:
        return self.job.check()

    def peak(self) -> float:
        return self.side.peak()

    def turn(self, seconds: float) -> list[float]:
        """The time of each run, for at least this number of seconds. A short first run does not count."""
        times = [self._run()]
        if times[0] < LONG:
            times = [self._run()]
        while sum(times) < seconds:
            times.append(self._run())
        return times

    def _run(self) -> float:
        started = time.perf_counter()
        self.job.run()
        return time.perf_counter() - started


def serve(side: str, pipe: Connection) -> None:
    """Answers what `Worker.ask` asks until the pipe is closed."""
    server: Server | None = None
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            server = server or Server(side)
            pipe.send((getattr(server, method)(*arguments), None))
        except KeyboardInterrupt:
            return
        except Exception as error:
            where = f"{method} failed in {side} with {sys.executable}"
            pipe.send((None, f"{where}: {type(error).__name__}: {error}"))


if __name__ == "__main__":
    serve(sys.argv[1], Connection(int(sys.argv[2])))
