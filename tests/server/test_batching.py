"""Texts of requests that arrive together are classified together, by several threads."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rnnnlp.server.batching import Batcher, Job
from rnnnlp.server.classify import Classification, Wanted
from rnnnlp.server.counters import Counters
from rnnnlp.tasks.sentiment.ensemble import load_predictor
from rnnnlp.tasks.sentiment.predictor import Predictor
from tests.conftest import PATIENCE


def test_what_arrives_together_is_one_batch():
    sizes: list[int] = []
    begun, free = threading.Event(), threading.Event()

    def work(jobs: Any) -> list[Any]:
        begun.set()
        free.wait(PATIENCE)
        sizes.append(len(jobs))
        return [ValueError("bad") if job.texts == ["bad"] else job.texts for job in jobs]

    async def main() -> list[Any]:
        batcher = Batcher(work)
        first = asyncio.create_task(batcher.result(["0"], None, PATIENCE))
        await asyncio.to_thread(begun.wait)
        others = [asyncio.create_task(batcher.result([name], None, PATIENCE)) for name in ("1", "bad", "3", "gone")]
        while batcher.waiting < 5:
            assert not any(task.done() for task in (first, *others))
            await asyncio.sleep(0)
        others[3].cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 4
        free.set()
        found = await asyncio.gather(first, *others[:3], return_exceptions=True)
        assert batcher.waiting == 0
        free.clear()
        with pytest.raises(TimeoutError):
            await batcher.result(["slow"], None, 0.01)
        free.set()
        batcher.close()
        return found

    found = asyncio.run(main())
    assert [found[0], found[1], found[3]] == [["0"], ["1"], ["3"]]
    assert isinstance(found[2], ValueError)
    assert sizes[:2] == [1, 3]  # one of the four was given up


def test_threads_share_the_texts_of_a_request():
    both = threading.Barrier(2, timeout=PATIENCE)
    sizes: list[int] = []

    def work(jobs: Any) -> list[Any]:
        sizes.append(sum(len(job.texts) for job in jobs))
        both.wait()  # two threads work at the same time
        return [ValueError("bad") if "bad" in job.texts else job.texts for job in jobs]

    async def main() -> list[Any]:
        batcher = Batcher(work, threads=2)
        texts = [str(n) for n in range(120)]
        found = await asyncio.gather(batcher.result(texts, None, PATIENCE))
        found += await asyncio.gather(batcher.result(["bad"] * 100, None, PATIENCE), return_exceptions=True)
        assert batcher.waiting == 0
        batcher.close()
        return found

    found = asyncio.run(main())
    assert found[0] == [str(n) for n in range(120)]
    assert isinstance(found[1], ValueError)
    assert sorted(sizes) == [36, 56, 64, 64]


def classification(model: Predictor, counters: Counters) -> Classification:
    entry: Any = SimpleNamespace(model=model, name="films")
    return Classification(entry, counters)


def job(texts: list[str], *, explain: bool = False) -> Job:
    """A request that nobody waits for."""
    nobody: Any = None
    return Job(texts, Wanted(explain, None), nobody, nobody)


def test_each_request_gets_the_answers_to_its_own_texts(runs: Path):
    model, texts = load_predictor(runs / "films"), [["a good film"], ["a bad film", "truly good"]]
    classify = classification(model, Counters(lambda: 0))
    for own, answers in zip(texts, classify([job(own) for own in texts]), strict=True):
        found = [[answer["probabilities"][name] for name in model.labels] for answer in answers]
        np.testing.assert_allclose(found, model.predict_proba(own), atol=2e-6)


def test_threads_explain_one_after_the_other(runs: Path):
    model, counters = load_predictor(runs / "films"), Counters(lambda: 0)
    classify = classification(model, counters)
    jobs = [job([f"a lovely film {k}", "it broke"], explain=True) for k in range(8)]
    expected = classify(jobs)
    with ThreadPoolExecutor(4) as threads:
        assert all(answers == expected for answers in threads.map(classify, [jobs] * 40))
    assert (counters.texts["films"], counters.batches["films"]) == (41 * 16, 41)
    assert not any(parameter.grad.any() for parameter in model.parameters().values())
