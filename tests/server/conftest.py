"""Models for the server: a classifier and a language model, trained for a few steps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs rnnnlp[web]")
pytest.importorskip("httpx", reason="the test client of starlette needs it")

from starlette.testclient import TestClient

from rnnnlp import kernels
from rnnnlp.server.app import Server, create_app
from rnnnlp.server.settings import ServerOptions
from tests.runs import trained, trained_on

TINY = {"hidden_size": 6, "embedding_size": 5, "evaluations": 1}
MARKUP = "<img src=x onerror=alert(1)>"  # a label that must stay text


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of run folders: `films`, `odd` (its labels are markup) and `book`."""
    kernels.use("numpy")
    folder = tmp_path_factory.mktemp("served")
    texts = ["a good film, truly good", "a bad film, so bad"] * 12
    trained_on(texts, ["good", "bad"] * 12, folder / "films", steps=30, **TINY)
    trained_on(texts, [MARKUP, "</script>"] * 12, folder / "odd", steps=2, **TINY)
    text = folder / "text.txt"
    text.write_text('He said: "To be, or not to be (that is 1 question)."\n' * 30)
    trained("char_lm", folder / "book", data=str(text), steps=20, batch_size=2, bptt=16, **TINY)
    return folder


def client_of(*runs: str, **options: object) -> TestClient:
    """A client of an application, whose requests name its host."""
    app = create_app(Server(ServerOptions(runs=runs, **options)))  # type: ignore[arg-type]
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(scope="session")
def client(runs: Path) -> Iterator[TestClient]:
    with client_of(str(runs), max_texts=50, max_characters=5000, max_body=200_000, max_length=500) as client:
        yield client
