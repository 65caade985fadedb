"""What a busy or stopping server says, and that the page is sent once."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from rnnnlp import kernels
from rnnnlp.server import app as app_module
from rnnnlp.server import inspect_models
from rnnnlp.server.app import Server, create_app
from rnnnlp.server.classify import Classification
from rnnnlp.server.settings import ServerOptions
from tests.conftest import PATIENCE


def test_texts_that_would_wait_too_long_are_refused(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a request that comes when none waits all texts are taken, so that none is refused for ever."""
    free, work_of = threading.Event(), Classification.__call__

    def work(classification: Classification, jobs: Any) -> Any:
        free.wait()
        return work_of(classification, jobs)

    async def main(server: Server) -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(server))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            def ask(texts: int) -> "asyncio.Task[httpx.Response]":
                return asyncio.create_task(client.post("/v1/predict", json={"texts": ["good"] * texts}))

            async def waiting(texts: int, task: "asyncio.Task[httpx.Response]") -> None:
                while sum(batcher.waiting for batcher in server.catalogue.batchers) < texts:
                    assert not task.done()
                    await asyncio.sleep(0.001)

            first = ask(3)  # more than may wait
            await waiting(3, first)
            refused = await ask(1)
            free.set()
            answers = [await first, refused]
            free.clear()
            others = [ask(1)]
            await waiting(1, others[0])
            others.append(ask(1))  # as many as may wait
            await waiting(2, others[1])
            answers.append(await ask(1))
            free.set()
            return [*answers, *[await other for other in others]]

    monkeypatch.setattr(Classification, "__call__", work)
    server = Server(ServerOptions(runs=(str(runs / "films"),), max_waiting=2))
    try:
        answers = asyncio.run(main(server))
    finally:
        free.set()
        server.close()
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200, 200]
    assert [answers[k].json()["error"] for k in (1, 2)] == [f"{n} texts wait already; try again" for n in (3, 2)]
    assert {answers[k].headers["retry-after"] for k in (1, 2)} == {"1"}
    assert server.counters.texts["films"] == 5  # nothing was computed for those that were refused


@pytest.mark.parametrize(("path", "given"), [("/v1/unroll", {"text": "abc"}), ("/v1/generate", {"length": 5})])
def test_what_computes_already_is_said_with_the_time_to_wait(path: str, given: dict[str, Any], runs: Path):
    server = Server(ServerOptions(runs=(str(runs),), max_streams=1))
    with TestClient(create_app(server), base_url="http://127.0.0.1:8000") as client:
        server.streams = 1
        response = client.post(path, json=given)
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        assert response.json()["error"].endswith("at the same time; try again")
        server.streams = 0
        assert client.post(path, json=given).status_code == 200
    assert server.streams == 0


def test_a_client_that_does_not_read_keeps_no_place(
    runs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(app_module, "LATE", 0.0)
    server = Server(ServerOptions(runs=(str(runs),), timeout=1))
    app = create_app(server)
    messages = [{"type": "http.request", "body": b'{"length": 5000, "stream": true}', "more_body": False}]
    streams = []

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        streams.append(server.streams)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/generate", "query_string": b"", "headers": headers}
    asyncio.run(asyncio.wait_for(app(scope, receive, send), PATIENCE))
    server.close()
    assert (streams, server.streams, app.now) == ([1, 1], 0, 0)
    assert "the client did not read it to its end in time" in caplog.text


def test_what_takes_too_long_ends(runs: Path, monkeypatch: pytest.MonkeyPatch):
    kernels.use("numpy")  # the slower ones
    options = ServerOptions(runs=(str(runs),))
    object.__setattr__(options, "timeout", 0.05)  # less than can be asked for
    free = threading.Event()
    monkeypatch.setattr(Classification, "__call__", lambda classification, jobs: [free.wait(5) for _ in jobs])
    monkeypatch.setattr(inspect_models, "unrolled", lambda given: free.wait(5))
    predict = {"texts": ["good"], "model": "films"}
    with TestClient(create_app(Server(options)), base_url="http://127.0.0.1:8000") as client:
        try:
            for path, given in (("/v1/predict", predict), ("/v1/unroll", {"text": "abc"})):
                assert client.post(path, json=given).status_code == 503, path
        finally:
            free.set()
        assert client.post("/v1/generate", json={"length": 10_000}).json()["reason"] == "time"
    with TestClient(create_app(Server(options, lambda: True)), base_url="http://127.0.0.1:8000") as client:
        assert client.post("/v1/generate", json={"length": 10}).json()["reason"] == "shutdown"


def test_health_is_that_of_a_server_that_runs_or_stops(runs: Path):
    stops = threading.Event()
    server = Server(ServerOptions(runs=(str(runs / "films"),), token="a-token-of-some-length"), stops.is_set)
    with TestClient(create_app(server), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/healthz").json() == {"status": "ok"}  # without the token
        stops.set()
        assert client.get("/healthz").json() == {"status": "stopping"}


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/style.css"])
def test_a_file_of_the_page_is_sent_once(path: str, client: TestClient):
    first = client.get(path)
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-security-policy" in again.headers
    other = client.get(path, headers={"if-none-match": '"of an earlier version"'})
    assert (other.status_code, other.content) == (200, first.content)
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == first.headers[name]
