"""How much of a request is read, how long it may take, and what its answer leaves open."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnnnlp.server.app import Server, create_app
from rnnnlp.server.inspect_models import inspection
from rnnnlp.server.schemas import InspectGiven
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
    first, second = inspection(model, InspectGiven(text="電a"))["tokens"]
    assert first["surprise"] is None
    assert second["surprise"] > 0
