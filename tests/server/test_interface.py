"""The HTTP interface gives the numbers of the library, and refuses in one line what it does not take."""

import asyncio
import json
import shutil
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from rnnnlp.errors import UserError
from rnnnlp.server.app import SAMPLING, Server, create_app
from rnnnlp.server.catalogue import Catalogue, UnknownModelError
from rnnnlp.server.run import serve
from rnnnlp.server.schemas import GenerateRequest, InspectRequest, PredictRequest
from rnnnlp.server.settings import ServerOptions
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import load_predictor
from tests.conftest import PATIENCE
from tests.server.conftest import MARKUP, client_of

TEXTS = ["a good film", "a bad film", "", "電影 <b>x</b> 😀"]


def error_of(response: Any, status: int) -> str:
    """The one line of a refusal."""
    assert response.status_code == status, response.text
    ((key, message),) = response.json().items()
    assert (key, message.count("\n")) == ("error", 0)
    assert "Traceback" not in message
    return message


# ------------------------------------------------------------------------------------------------------ what it gives


def test_predictions_are_those_of_the_library(client: TestClient, runs: Path):
    given = {"texts": TEXTS, "explain": True, "model": "films"}
    found = client.post("/v1/predict", json=given).json()["predictions"]
    model = load_predictor(runs / "films")
    np.testing.assert_allclose(
        [[p["probabilities"][name] for name in model.labels] for p in found], model.predict_proba(TEXTS), atol=2e-6
    )
    assert [p["label"] for p in found] == model.predict(TEXTS).tolist()
    for text, prediction, words in zip(TEXTS, found, model.explain(TEXTS), strict=True):
        assert [(w["start"], w["end"], w["weight"]) for w in prediction["words"]] == [
            (start, stop, pytest.approx(weight, abs=1e-4)) for start, stop, weight in words
        ]
        assert all(w["text"] == text[w["start"] : w["end"]] for w in prediction["words"])


def test_a_threshold_decides(client: TestClient):
    weights = []
    for label in ("good", "bad"):
        given = {"texts": TEXTS, "model": "films", "threshold": {"label": label, "probability": 0.0}, "explain": True}
        found = client.post("/v1/predict", json=given).json()["predictions"]
        assert {p["label"] for p in found} == {label}
        weights.append([word["weight"] for p in found for word in p["words"]])
    assert weights[0] == pytest.approx([-weight for weight in weights[1]], abs=2e-6)  # those for the label
    assert max(map(abs, weights[0])) > 1e-3
    given["threshold"] = {"label": "awful", "probability": 0.5}
    assert "the threshold has the label 'awful'; it must be" in error_of(client.post("/v1/predict", json=given), 422)


def test_generated_text_is_that_of_the_library(client: TestClient, runs: Path):
    model = CharLMNetwork.from_pretrained(runs / "book")
    sampling = Sampling(length=150, temperature=0.9, top_k=5)
    expected = "".join(generate(model, "He", sampling, rng=np.random.default_rng(3)))
    given = {"prompt": "He", "length": 150, "temperature": 0.9, "top_k": 5, "seed": 3}
    whole = client.post("/v1/generate", json=given).json()
    assert whole == {"text": expected, "reason": "length", "model": "book", "seed": 3, "unknown": []}
    with client.stream("POST", "/v1/generate", json={**given, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    assert "".join(event["text"] for event in events[:-1]) == expected
    assert len(events) > 2
    assert events[-1] == {"done": True, "reason": "length", "model": "book", "seed": 3, "unknown": []}
    assert {*SAMPLING, "stop"} == {field.name for field in fields(Sampling)}  # none is left out


def test_a_text_ends_at_a_stop_string_and_says_so(client: TestClient):
    given = {"prompt": "He", "length": 400, "stop": ["o", "e", "t", "a", " "], "seed": 1}
    found = client.post("/v1/generate", json=given).json()
    assert found["reason"] == "stop"
    assert len(found["text"]) < 400
    assert client.post("/v1/generate", json={"prompt": "ẞ", "length": 3}).json()["unknown"] == ["ẞ"]


def test_models_runs_and_counts(client: TestClient):
    assert {m["name"]: m["kind"] for m in client.get("/v1/models").json()["models"]} == {
        "book": "language model",
        "films": "classifier",
        "odd": "classifier",
    }
    assert {run["name"] for run in client.get("/v1/runs").json()["runs"]} == {"book", "films", "odd"}
    run = client.get("/v1/run", params={"name": "book"}).json()
    assert run["settings"]["hidden_size"] == "6"
    assert run["validation_loss"]
    assert run["sample"]
    client.post("/v1/predict", json={"texts": ["a", "b"], "model": "odd"})
    counts = client.get("/metrics").text
    assert 'rnnnlp_texts_total{model="odd"} 2' in counts
    assert 'rnnnlp_requests_total{path="/v1/predict",status="200"}' in counts
    assert client.get("/healthz").json() == {"status": "ok"}
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/predict", "/v1/generate", "/v1/models", "/healthz", "/metrics"} <= set(paths)


def test_inspection_shows_surprise_and_units(client: TestClient):
    given = {"text": 'He said: "no (1)"', "rank": True, "marked": [[0, 2]]}
    found = client.post("/v1/inspect", json=given).json()
    assert {"quotes", "brackets", "digits", "marked"} <= set(found["ranked"])
    assert found["values"][0] == "h"
    assert (found["layers"], found["units"]) == (1, 6)
    for value in found["values"]:
        unit = {"layer": 0, "index": 5, "value": value}
        tokens = client.post("/v1/inspect", json={**given, "unit": unit}).json()["tokens"]
        assert len(tokens) == len(given["text"])
        assert all(-5 < token["value"] < 5 for token in tokens)
    assert found["tokens"][0]["surprise"] is None
    assert found["tokens"][1]["surprise"] > 0
    unit = {"layer": 3, "index": 0}
    assert "is not there; the model has" in error_of(client.post("/v1/inspect", json={**given, "unit": unit}), 422)
    unit = {"layer": 0, "index": 0, "value": "nothing"}
    assert "a unit has no value" in error_of(client.post("/v1/inspect", json={**given, "unit": unit}), 422)
    assert "4000 are looked at: give fewer" in error_of(client.post("/v1/inspect", json={"text": "a" * 5000}), 422)


THREE = ["elman_tanh", "gru", "lstm"]


def test_a_cell_that_is_none_is_named(client: TestClient):
    answer = client.post("/v1/unroll", json={"text": "abc", "cells": ["transformer"]})
    assert answer.status_code == 422
    assert "'transformer'; there are lstm" in answer.text


def test_an_unrolled_example_has_three_cells(client: TestClient):
    given = {"text": "abcabcab", "bptt": 3, "spectral_radius": 1.5, "cells": THREE}
    found = client.post("/v1/unroll", json=given).json()
    assert found["text"] == "abcabcab"
    assert list(found["cells"]) == THREE
    for cell in found["cells"].values():
        assert [norm > 0 for norm in cell["norms"]] == [False] * 6 + [True]
        assert cell["first"] == 6


# --------------------------------------------------------------------------------------------------- what it refuses

PREDICT = {"texts": ["a"]}
REFUSED = {
    "no json": ("/v1/predict", b"{", 400),
    "no utf-8": ("/v1/predict", b'{"texts": ["\xff\xfe"]}', 400),
    "half a character": ("/v1/predict", b'{"texts": ["\\ud800"]}', 400),
    "deep": ("/v1/predict", b"[" * 100_000, 400),
    "a huge number": ("/v1/generate", b'{"length": 1' + b"0" * 6000 + b"}", 400),
    "nan": ("/v1/generate", b'{"temperature": NaN}', 422),
    "infinity": ("/v1/generate", b'{"temperature": 1e999}', 422),
    "one text": ("/v1/predict", b'{"texts": "a"}', 422),
    "no text": ("/v1/predict", b'{"texts": []}', 422),
    "a number": ("/v1/predict", b'{"texts": [3]}', 422),
    "unknown field": ("/v1/predict", b'{"texts": ["a"], "\\u001b": 1}', 422),
    "too many texts": ("/v1/predict", json.dumps({"texts": ["a"] * 51}).encode(), 422),
    "a long text": ("/v1/predict", json.dumps({"texts": ["a" * 5001]}).encode(), 422),
    "a long prompt": ("/v1/generate", json.dumps({"prompt": "a" * 5001}).encode(), 422),
    "too long": ("/v1/generate", b'{"length": 501}', 422),
    "a large body": ("/v1/predict", b"[" + b" " * 200_000, 413),
    "no model": ("/v1/predict", b'{"texts": ["a"], "model": "nothing"}', 404),
    "a path": ("/v1/predict", b'{"texts": ["a"], "model": "../../../etc/passwd"}', 404),
    "another kind": ("/v1/predict", b'{"texts": ["a"], "model": "book"}', 404),
    "no classifier": ("/v1/generate", b'{"model": "films"}', 404),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_refused_in_one_line(mistake: str, client: TestClient):
    path, body, status = REFUSED[mistake]
    message = error_of(client.post(path, content=body, headers={"content-type": "application/json"}), status)
    assert ("; served are: " in message) == (status == 404)


@pytest.mark.parametrize("kind", [None, "text/plain", "multipart/form-data", "application/jsonish"])
def test_a_body_must_be_json(kind: str | None, client: TestClient):
    headers = {} if kind is None else {"content-type": kind}
    error_of(client.post("/v1/predict", content=b'{"texts": ["a"]}', headers=headers), 415)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/Problem+JSON"])
def test_a_body_that_says_that_it_is_json(kind: str, client: TestClient):
    response = client.post("/v1/predict", content=b'{"texts": ["a"]}', headers={"content-type": kind})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (PredictRequest, {"texts": [1] * 1000}),
        (PredictRequest, {f"k{k}": k for k in range(1000)}),
        (GenerateRequest, {"stop": [1] * 1000}),
        (InspectRequest, {"text": "a", "marked": [[0]] * 1000}),
        (InspectRequest, {"text": "a", "marked": [[-1] * 1000]}),
    ],
)
def test_the_first_of_many_mistakes_is_said(kind: type, given: dict[str, Any]):
    """A request has room for a million, whose descriptions would take a minute and a gigabyte."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(given)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    "path", ["/page/..%2fapp.py", "/page/../app.py", "/page/%2e%2e/app.py", "/etc/passwd", "/v1/predict/x", "/page/"]
)
def test_no_other_file_is_given(path: str, client: TestClient):
    assert client.get(path).status_code in (404, 405)


def test_hosts_and_origins_of_others_are_refused(client: TestClient):
    assert "Host" in error_of(client.get("/v1/models", headers={"host": "evil.example"}), 421)
    assert "Host" in error_of(client.get("/", headers={"host": "10.0.0.7:8000"}), 421)
    assert client.get("/", headers={"host": "localhost:9"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:9"}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "file://127.0.0.1:8000", "http://["):
        assert "origins" in error_of(client.post("/v1/predict", json=PREDICT, headers={"origin": origin}), 403)
    headers = {"origin": "http://127.0.0.1:8000"}
    response = client.post("/v1/predict", json=PREDICT, headers=headers)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert "script-src 'self'" in response.headers["content-security-policy"]


def test_a_token_is_needed(runs: Path):
    token = "a-token-of-some-length"
    with client_of(str(runs / "films"), host="0.0.0.0", token=token, allowed_hosts=("films.example",)) as client:
        client.headers["host"] = "films.example"
        for given in ("", "Bearer ", f"Bearer {token}x", f"Basic {token}"):
            assert "token" in error_of(client.post("/v1/predict", json=PREDICT, headers={"authorization": given}), 401)
        assert client.get("/healthz").status_code == 200
        given = {"headers": {"authorization": f"Bearer {token}"}, "json": {}}
        assert "no language model is served; start" in error_of(client.post("/v1/generate", **given), 404)
        assert client.get("/").status_code == 200
        assert client.get("/metrics").status_code == 401
        bearer = {"authorization": f"Bearer {token}"}
        assert client.post("/v1/predict", json=PREDICT, headers=bearer).status_code == 200
        assert client.get("/healthz", headers={"host": "192.0.2.1"}).status_code == 200
        assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 421


def test_options_that_would_open_the_server(monkeypatch: pytest.MonkeyPatch, runs: Path):
    monkeypatch.delenv("RNNNLP_TOKEN", raising=False)
    with pytest.raises(UserError, match="which other machines reach"):
        ServerOptions(host="0.0.0.0")
    with pytest.raises(UserError, match="it must have at least 12"):
        ServerOptions(token="secret")
    monkeypatch.setenv("RNNNLP_TOKEN", "a-token-of-some-length")
    assert ServerOptions(host="0.0.0.0").token == "a-token-of-some-length"
    for host in ("192.0.2.1", "0.0.0..0", "a" * 64 + ".org"):  # of others, and names that no host can have
        with pytest.raises(UserError, match="cannot be listened on"):
            serve(ServerOptions(runs=(str(runs),), host=host))
    with pytest.raises(UserError, match="holds no model"):
        Catalogue([str(Path(__file__).parent)])


def test_markup_in_labels_is_data(client: TestClient):
    response = client.post("/v1/predict", json={"texts": [MARKUP], "model": "odd", "explain": True})
    assert response.headers["content-type"] == "application/json"
    assert MARKUP in response.json()["predictions"][0]["probabilities"]


# ------------------------------------------------------------------------------------------------- while things change


def test_a_model_that_changes_is_opened_again_and_a_damaged_one_is_not(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    folder = tmp_path / "changing"
    shutil.copytree(runs / "films", folder)
    with client_of(str(folder)) as client:

        def labels() -> set[str]:
            answer = client.post("/v1/predict", json=PREDICT)
            return set(answer.json()["predictions"][0]["probabilities"])

        assert labels() == {"good", "bad"}
        (folder / "model.safetensors").write_bytes(b"half of")
        assert labels() == {"good", "bad"}  # what was opened before goes on
        load_predictor(runs / "odd").save_pretrained(folder)
        assert labels() == {MARKUP, "</script>"}
        late = tmp_path / "late"
        shutil.copytree(runs / "films", late)
        (late / "model.safetensors").write_bytes(b"half of")
    with client_of(str(tmp_path)) as client:
        assert "cannot be opened" in error_of(client.post("/v1/predict", json={**PREDICT, "model": "late"}), 404)
        assert client.post("/v1/predict", json={**PREDICT, "model": "changing"}).status_code == 200


def test_a_half_copied_model_is_tried_again(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    folder = tmp_path / "copied"
    shutil.copytree(runs / "films", folder)
    with client_of(str(folder)) as client:
        client.post("/v1/predict", json=PREDICT)
        (folder / "tokenizer.json").write_text("{")
        for name, labels in (
            ("config.json", {"good", "bad"}),
            ("model.safetensors", {"good", "bad"}),
            ("tokenizer.json", {MARKUP, "</script>"}),  # only now the copy is whole
        ):
            shutil.copy(runs / "odd" / name, folder / name)
            answer = client.post("/v1/predict", json=PREDICT).json()
            assert set(answer["predictions"][0]["probabilities"]) == labels


def test_a_folder_that_goes_away_leaves_the_others(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    monkeypatch.setattr("rnnnlp.server.catalogue.KEPT", 0.0)
    shutil.copytree(runs / "films", tmp_path / "films")
    with client_of(str(tmp_path / "films"), str(runs / "odd")) as client:
        assert client.post("/v1/predict", json={**PREDICT, "model": "films"}).status_code == 200
        shutil.rmtree(tmp_path / "films")
        error_of(client.post("/v1/predict", json={**PREDICT, "model": "films"}), 404)
        assert client.post("/v1/predict", json={**PREDICT, "model": "odd"}).status_code == 200
        shutil.copytree(runs / "films", tmp_path / "films")
        assert client.post("/v1/predict", json={**PREDICT, "model": "films"}).status_code == 200


def test_a_model_whose_folder_is_exchanged_goes_on(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nor does another one answer in its place."""
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    shutil.copytree(runs / "films", tmp_path / "models/films")
    shutil.copytree(runs / "odd", tmp_path / "models/odd")
    with client_of(str(tmp_path / "models")) as client:
        first = client.post("/v1/predict", json=PREDICT).json()
        assert first["model"] == "films"
        (tmp_path / "models/films").rename(tmp_path / "old")
        assert client.post("/v1/predict", json=PREDICT).json() == first
        assert client.post("/v1/predict", json={**PREDICT, "model": "films"}).json() == first
        (tmp_path / "old").rename(tmp_path / "models/films")
        assert client.post("/v1/predict", json=PREDICT).json() == first


def test_another_kind_of_model_takes_the_place_of_one(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    shutil.copytree(runs / "films", tmp_path / "model")
    with client_of(str(tmp_path / "model"), str(runs / "odd")) as client:
        assert client.post("/v1/predict", json={**PREDICT, "model": "model"}).status_code == 200
        shutil.rmtree(tmp_path / "model")
        shutil.copytree(runs / "book", tmp_path / "model")
        assert client.post("/v1/predict", json={**PREDICT, "model": "model"}).status_code == 404
        given = {"model": "model", "prompt": "He", "length": 5}
        assert client.post("/v1/generate", json=given).status_code == 200


def test_a_model_that_goes_while_it_is_opened(runs: Path, monkeypatch: pytest.MonkeyPatch):
    catalogue = Catalogue([str(runs / "films")])
    (entry,) = catalogue.entries()
    monkeypatch.setattr("rnnnlp.server.catalogue._open", lambda entry: catalogue._entries.clear())
    with pytest.raises(UnknownModelError, match="the model 'films' is not served any more"):
        asyncio.run(catalogue.opened(entry))


def test_the_threads_of_a_model_that_is_gone_end(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    monkeypatch.setattr("rnnnlp.server.catalogue.KEPT", 0.0)
    shutil.copytree(runs / "films", tmp_path / "films")
    before = set(threading.enumerate())
    with client_of(str(tmp_path / "films"), str(runs / "odd")) as client:
        assert client.post("/v1/predict", json={**PREDICT, "model": "films"}).status_code == 200
        classifying = [thread for thread in threading.enumerate() if thread.name == "classify" and thread not in before]
        assert classifying
        shutil.rmtree(tmp_path / "films")
        assert client.get("/v1/models").status_code == 200
        for thread in classifying:
            thread.join(timeout=PATIENCE)
        assert not any(thread.is_alive() for thread in classifying)


def test_a_name_is_looked_up_once(runs: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rnnnlp.server.catalogue.LOOKED_AT_EVERY", 0.0)
    asked: list[str] = []
    monkeypatch.setattr("rnnnlp.server.catalogue.model_folder", lambda name: asked.append(name) or runs / "films")
    catalogue = Catalogue(["owner/films"])
    assert [entry.name for entry in catalogue.entries()] == ["films"]
    assert asked == ["owner/films"]


def test_a_stream_ends_when_the_server_stops(runs: Path):
    from rnnnlp.server.generate import Generation

    model = CharLMNetwork.from_pretrained(runs / "book")
    stop = threading.Event()
    generation = Generation(model, "He", Sampling(length=5000), seed=1, seconds=60, stopping=stop.is_set)
    assert generation.part()
    stop.set()
    assert generation.part() is None
    assert generation.reason == "shutdown"
    assert generation.tokens == 64
    late = Generation(model, "He", Sampling(length=5000), seed=1, seconds=-1, stopping=lambda: False)
    assert late.part() is None
    assert late.reason == "time"


def test_a_text_that_nobody_waits_for_ends(runs: Path):
    server = Server(ServerOptions(runs=(str(runs),)))
    app = create_app(server)
    messages = [{"type": "http.request", "body": b'{"length": 10000}', "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/generate", "query_string": b"", "headers": headers}
    asyncio.run(app(scope, receive, send))
    server.close()
    assert 0 < server.counters.tokens["book"] < 1000
    assert server.streams == 0


def test_no_more_streams_begin_than_may(runs: Path):
    server = Server(ServerOptions(runs=(str(runs),), max_streams=1))
    app = create_app(server)

    async def main() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            given = {"length": 200, "stream": True}
            found = await asyncio.gather(*(client.post("/v1/generate", json=given) for _ in range(4)))
            return sorted(response.status_code for response in found)

    assert asyncio.run(main()) == [200, 429, 429, 429]
    server.close()


def test_a_request_that_does_not_end_when_the_server_stops(runs: Path):
    server = Server(ServerOptions(runs=(str(runs / "films"),)))
    app = create_app(server)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        reads = asyncio.Event()

        async def receive() -> Any:
            reads.set()
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": [(b"host", b"localhost")]}
        task = asyncio.create_task(app(scope, receive, send))
        await reads.wait()
        task.cancel()  # as uvicorn does, which shows a traceback for what comes out
        await task

    asyncio.run(main())
    server.close()
    assert [message.get("status") for message in sent] == [503, None]


def test_a_text_that_is_the_name_of_a_file_is_explained_like_any_other(client: TestClient):
    """Else clients could find out which files there are."""
    for text in ("/etc/hostname", __file__, "/no/such/file"):
        response = client.post("/v1/predict", json={"texts": [text], "explain": True, "model": "films"})
        assert response.status_code == 200, response.text
