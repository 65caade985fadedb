"""How much of a request is read, how long it may take, and what its answer leaves open."""

import asyncio
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient
from uvicorn.server import ServerState

from rnnnlp.server.app import Server, create_app
from rnnnlp.server.inspect_models import inspection
from rnnnlp.server.protocol import Protocol
from rnnnlp.server.schemas import InspectRequest
from rnnnlp.server.settings import ServerOptions
from rnnnlp.text.characters import ByteTokenizer
from tests.exchange.made import language_model
from tests.server.conftest import client_of

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    ("method", "path", "status", "most"),
    [
        ("GET", "/", 413, 1),
        ("POST", "/", 413, 1),
        ("POST", "/healthz", 413, 1),
        ("POST", "/page/main.js", 413, 1),
        ("PUT", "/nothing", 413, 1),
        ("POST", "/v1/predict", 401, 0),
        ("GET", "/v1/models", 401, 0),
    ],
)
def test_the_body_of_a_stranger_is_not_kept(method: str, path: str, status: int, most: int, runs: Path):
    server = Server(ServerOptions(runs=(str(runs / "films"),), token=TOKEN))
    app = create_app(server)
    taken, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b" " * 10_000, "more_body": taken < 5000}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [(b"host", b"localhost")]}
    asyncio.run(app(scope, receive, send))
    server.close()
    assert sent[0]["status"] == status
    assert taken <= most


def test_a_body_is_taken_where_it_belongs(client: TestClient):
    response = client.request("GET", "/v1/models", json={"a": 1})
    assert response.status_code == 413
    assert "take no body" in response.json()["error"]
    assert client.post("/v1/unroll", json={"text": "abc"}).status_code == 200


@pytest.mark.parametrize("where", ["header", "trailer"])
def test_a_header_without_end_is_not_kept(runs: Path, where: str):
    server = Server(ServerOptions(runs=(str(runs / "films"),)))
    app = create_app(server)
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = json.dumps({"texts": ["a" * 50_000] * 30}).encode()  # longer than what may come before a body

    async def main() -> tuple[bytes, int]:
        config = uvicorn.Config(app, log_config=None)
        config.load()
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        port = server.sockets[0].getsockname()[1]
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
        outgoing.write(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        line = await incoming.readline()
        outgoing.close()
        incoming, outgoing = await asyncio.open_connection("127.0.0.1", port)
        outgoing.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        outgoing.write(head + (b"X: " if where == "header" else b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: "))
        taken = 0
        with suppress(ConnectionError):
            while taken < 64 << 20:
                outgoing.write(b"a" * 65536)
                await outgoing.drain()
                taken += 65536
        outgoing.close()
        server.close()
        return line, taken

    line, taken = asyncio.run(main())
    server.close()
    assert line.startswith(b"HTTP/1.1 200")
    assert taken < 32 << 20


def test_what_takes_too_long_is_no_request_to_repeat(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """Browsers send a request again that got 408."""

    async def late(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(Server, "computed", late)
    response = client.post("/v1/unroll", json={"text": "abc"})
    assert response.status_code == 503
    assert "took too long" in response.json()["error"]
    assert "503" in client.get("/openapi.json").json()["paths"]["/v1/unroll"]["post"]["responses"]


def test_the_labels_of_a_model_are_known_before_it_is_opened(runs: Path):
    with client_of(str(runs / "book"), str(runs / "odd"), str(runs / "films")) as client:
        listed = {m["name"]: m["labels"] for m in client.get("/v1/models").json()["models"]}
    assert listed["films"] == ["bad", "good"]
    assert len(listed["odd"]) == 2
    assert listed["book"] is None


def test_the_first_character_has_no_surprise_with_several_tokens():
    model = language_model(tokenizer=ByteTokenizer())
    first, second = inspection(model, InspectRequest(text="電a"))["tokens"]
    assert first["surprise"] is None
    assert second["surprise"] > 0
