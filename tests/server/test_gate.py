"""What never reaches the application: odd headers, too many requests, a slow body; and what a failure says."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from rnnnlp.server import gate
from rnnnlp.server.app import Server
from rnnnlp.server.counters import Counters
from rnnnlp.server.gate import Gate
from rnnnlp.server.settings import ServerOptions

HOST = (b"host", b"localhost")


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that takes the body and has nothing to say."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-size", b"%d" % len(message["body"]))]})
    await send({"type": "http.response.body", "body": b""})


async def a_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"{}", "more_body": False}


def asked(
    *headers: tuple[bytes, bytes],
    app: Any = nothing,
    path: str = "/v1/predict",
    receive: Receive = a_body,
    seconds: float | None = None,
) -> tuple[int, dict[str, str], bytes, Gate]:
    """Status, headers and body of the answer of a gate before `app`; and the gate."""
    options = ServerOptions()
    if seconds is not None:
        object.__setattr__(options, "timeout", seconds)  # less than a user may give
    found = Gate(app, options, Counters(lambda: 0), ["/v1/predict", "/healthz"], ["/v1/predict"])
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers or [HOST])}
    asyncio.run(found(scope, receive, send))
    of_answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], of_answer, sent[1]["body"], found


def error_of(body: bytes) -> str:
    """The one line of a refusal."""
    ((key, message),) = json.loads(body).items()
    assert (key, message.count("\n")) == ("error", 0)
    return str(message)


@pytest.mark.parametrize(
    "twice",
    [
        [HOST, HOST],
        [HOST, (b"host", b"evil.example")],
        [HOST, (b"origin", b"http://localhost"), (b"origin", b"http://evil.example")],
        [HOST, (b"authorization", b"Bearer one"), (b"authorization", b"Bearer two")],
    ],
)
def test_a_header_that_decides_comes_once(twice: Sequence[tuple[bytes, bytes]]):
    status, headers, body, _ = asked(*twice)
    assert (status, headers["connection"]) == (400, "close")
    assert error_of(body) == f"the header {twice[-1][0].decode()} is there twice; send it once"


def test_other_headers_may_come_twice():
    status, headers, _, _ = asked(HOST, (b"accept", b"a/b"), (b"accept", b"c/d"))
    assert (status, headers["x-size"]) == (200, "2")


def test_more_requests_than_may_run_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gate, "MOST_REQUESTS", 1)
    assert asked()[0] == 200  # as many as may run
    monkeypatch.setattr(gate, "MOST_REQUESTS", 0)
    status, headers, body, found = asked()
    assert (status, headers["retry-after"]) == (429, "1")
    assert "too many requests at the same time; try again" in error_of(body)
    assert (found.now, found.counters.requests) == (0, {("/v1/predict", 429): 1})
    assert asked(path="/healthz", receive=no_body)[0] == 200  # else what watches the server would restart it


async def no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("first", [0, 3])
def test_a_body_that_does_not_end_is_given_up(first: int):
    parts = iter(range(first))

    async def receive() -> dict[str, Any]:
        if next(parts, None) is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"x", "more_body": True}

    status, headers, body, found = asked(receive=receive, seconds=0.01)
    assert (status, headers["connection"]) == (408, "close")
    assert error_of(body) == "the request did not arrive within 0.01 seconds; send it faster"
    assert found.now == 0


def test_a_body_of_unknown_length_is_not_waited_for_where_none_is_taken():
    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing of the body is taken")

    chunked = (b"transfer-encoding", b"chunked")
    status, headers, body, found = asked(HOST, chunked, path="/healthz", receive=receive)
    assert (status, headers["connection"]) == (413, "close")
    assert error_of(body) == "this path and method take no body; send the request without one"
    assert found.now == 0
    assert asked(HOST, chunked)[0] == 200


def test_an_internal_error_is_logged_and_said_without_its_details(caplog: pytest.LogCaptureFixture):
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("a secret")

    status, headers, body, found = asked(app=broken)
    assert status == 500
    assert error_of(body) == "internal error: KeyError; see the log"
    assert "content-security-policy" in headers
    assert found.counters.requests == {("/v1/predict", 500): 1}
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "an internal error, at /v1/predict")
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "KeyError('a secret')"


def test_an_answer_that_has_begun_is_broken_off(caplog: pytest.LogCaptureFixture):
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("a secret")

    with pytest.raises(KeyError):  # so that the connection ends, and half an answer is not taken for a whole one
        asked(app=broken)
    assert "an internal error, at /v1/predict" in caplog.text


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/unroll"), ("GET", "/v1/runs")])
def test_an_internal_error_of_a_route(method: str, path: str, client: TestClient, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(Server, "computed", broken)
    response = client.request(method, path, json={"text": "abc"} if method == "POST" else None)
    assert response.status_code == 500
    assert error_of(response.content) == "internal error: KeyError; see the log"
