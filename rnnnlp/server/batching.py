"""Texts of requests that arrive together are classified together."""

import asyncio
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MOST_TEXTS = 512  # of a batch

log = logging.getLogger(__name__)


@dataclass
class Job:
    """The texts of one request, and what becomes of them."""

    texts: list[str]
    options: Any
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class Batcher:
    """One thread that works on all that waits: while it computes a batch, the next one gathers.

    A model is used by this thread alone, so its gradients belong to one explanation at a time.

    Args:
        work: Gets jobs, and returns the result of each, or an exception in its place.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Any]]):
        self.waiting = 0  # texts; changed in the event loop only
        self._work = work
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        context = contextvars.copy_context()  # it has the kernels that run
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="classify", daemon=True)
        self._thread.start()

    async def result(self, texts: list[str], options: Any, timeout: float) -> Any:
        """What `work` makes of the texts.

        Raises:
            TimeoutError: If it takes longer than `timeout` seconds; what has not begun by then is left out.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.waiting += len(texts)
        end = loop.call_later(timeout, _give_up, future)  # costs less than `asyncio.timeout`
        try:
            self._jobs.put(Job(texts, options, loop, future))
            return await future
        finally:
            end.cancel()
            self.waiting -= len(texts)

    def close(self) -> None:
        """Ends the thread when all that waits is done."""
        self._jobs.put(None)

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            batch, number, following = [job], len(job.texts), None
            while number < MOST_TEXTS:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._jobs.put(None)
                    break
                batch.append(following)
                number += len(following.texts)
            self._do([job for job in batch if not job.future.done()])
            del job, following, batch  # what was asked for is not kept while nothing happens
            job = self._jobs.get()

    def _do(self, batch: list[Job]) -> None:
        if not batch:
            return
        results: Sequence[Any]
        try:
            results = self._work(batch)
        except Exception as error:  # said to each request; this thread goes on
            results = [error] * len(batch)
        try:
            batch[0].loop.call_soon_threadsafe(_deliver, batch, results)
        except RuntimeError:  # the loop has ended
            log.debug("nobody waits for %d results", len(batch))


def _give_up(future: "asyncio.Future[Any]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _deliver(batch: Sequence[Job], results: Sequence[Any]) -> None:
    for job, result in zip(batch, results, strict=True):
        if not job.future.done():
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
