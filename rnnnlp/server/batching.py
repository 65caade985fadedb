"""Texts of requests that arrive together are classified together."""

import asyncio
import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

BATCH = 64  # texts that a thread takes at a time, or some more

log = logging.getLogger(__name__)


@dataclass
class Job:
    """Texts of one request, and what becomes of them."""

    texts: list[str]
    options: Any
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class Batcher:
    """Threads that work on all that waits: while they compute batches, the next one gathers.

    Args:
        work: Gets jobs, and returns for each the list of its results, or an exception in its place. It is called by
            all threads.
        threads: The number of threads.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Any]], threads: int = 1):
        self.waiting = 0  # texts; changed in the event loop only
        self._work = work
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        for _ in range(threads):
            context = contextvars.copy_context()  # it has the kernels that run
            threading.Thread(target=context.run, args=(self._run,), name="classify", daemon=True).start()

    async def result(self, texts: list[str], options: Any, timeout: float) -> list[Any]:
        """What `work` makes of the texts. The threads share many texts.

        Raises:
            TimeoutError: If it takes longer than `timeout` seconds; what has not begun by then is left out.
        """
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Any]] = []
        self.waiting += len(texts)
        end = loop.call_later(timeout, _give_up, futures)  # costs less than `asyncio.timeout`
        try:
            for first in range(0, len(texts), BATCH):
                futures.append(loop.create_future())
                self._jobs.put(Job(texts[first : first + BATCH], options, loop, futures[-1]))
            found: list[Any] = []
            for future in futures:
                found += await future
            return found
        finally:
            end.cancel()
            self.waiting -= len(texts)
            for future in futures:
                if not future.cancel() and not future.cancelled():  # what has not begun is left out
                    future.exception()  # that of another part was raised

    def close(self) -> None:
        """Ends the threads when all that waits is done."""
        self._jobs.put(None)

    def _run(self) -> None:
        job = self._jobs.get()
        while job is not None:
            batch, number, following = [job], len(job.texts), None
            while number < BATCH:
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
        self._jobs.put(None)  # the other threads end, too

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


def _give_up(futures: "Sequence[asyncio.Future[Any]]") -> None:
    for future in futures:
        if not future.done():  # the one that is awaited
            return future.set_exception(TimeoutError())


def _deliver(batch: Sequence[Job], results: Sequence[Any]) -> None:
    for job, result in zip(batch, results, strict=True):
        if not job.future.done():
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
