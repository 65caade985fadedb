"""The two sides' processes. Each waits at its pipe, asleep, while the other one works."""

import gc
import importlib
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from rnnnlp.errors import UserError

LONG = 1.0  # seconds; a run of that length needs none before it to warm up
REST = 0.05  # seconds between two turns, in which threads that spin after their work come to sleep


class Worker:
    """A process for one side, "ours" or "theirs"."""

    def __init__(self, side: str, backend: str | None, threads: int):
        context = multiprocessing.get_context("spawn")  # a fresh process, which shares no threads
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=serve, args=(end, side), daemon=True)
        self.process.start()
        end.close()
        self.about: str = self.ask("start", backend, threads)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Has `Server.method` called there; raises UserError if it failed."""
        try:
            self.pipe.send((method, arguments))
            answer, error = self.pipe.recv()
        except (EOFError, BrokenPipeError):
            raise UserError(f"a worker process ended by itself (exit code {self.exit_code()}); try again") from None
        if error:
            raise UserError(error)
        time.sleep(REST)
        return answer

    def exit_code(self) -> int | None:
        self.process.join(timeout=5)
        return self.process.exitcode

    def close(self) -> None:
        self.pipe.close()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.terminate()


def serve(pipe: Connection, side: str) -> None:
    """Answers what `Worker.ask` asks until the pipe is closed."""
    server = Server(side)
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send((getattr(server, method)(*arguments), None))
        except KeyboardInterrupt:
            return
        except Exception as error:
            pipe.send((None, f"{method} failed in the process of {side}: {type(error).__name__}: {error}"))


class Server:
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
        """Seconds of each run, for about so long; a short first one does not count."""
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
