"""Models for the server, trained for a few steps; a client without a browser; and the page in a browser."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rnnnlp import kernels
from tests.runs import trained, trained_on

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from starlette.testclient import TestClient

TINY = {"hidden_size": 6, "embedding_size": 5, "evaluations": 1}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE_MILLISECONDS = 60_000  # milliseconds, of a busy machine
MARKUP = "<img src=x onerror=alert(1)>"  # a label that must stay text


def pytest_pycollect_makemodule() -> None:
    """Skips the tests in this folder where the extra is missing; RNNNLP_REQUIRE_CHROMIUM=1 makes that an error."""
    if os.environ.get("RNNNLP_REQUIRE_CHROMIUM") == "1":
        for package in ("fastapi", "httpx", "playwright.sync_api"):
            import_module(package)
    pytest.importorskip("fastapi", reason="needs rnnnlp[web]")
    pytest.importorskip("httpx", reason="the test client of starlette needs it")


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


def client_of(*runs: str, **options: object) -> "TestClient":
    """A client of an application, whose requests name its host."""
    from starlette.testclient import TestClient

    from rnnnlp.server.app import Server, create_app
    from rnnnlp.server.settings import ServerOptions

    app = create_app(Server(ServerOptions(runs=runs, **options)))  # type: ignore[arg-type]
    return TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture(scope="session")
def client(runs: Path) -> Iterator["TestClient"]:
    with client_of(str(runs), max_texts=50, max_characters=5000, max_body=200_000, max_length=500) as client:
        yield client


@contextmanager
def serving(*runs: str, **options: object) -> Iterator[str]:
    """A running server; the context gives its address."""
    import uvicorn

    from rnnnlp.server.app import Server, create_app
    from rnnnlp.server.settings import ServerOptions

    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    app = create_app(Server(ServerOptions(runs=runs, **options)))  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield "http://{}:{}".format(*sock.getsockname())
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """The address of a running server."""
    with serving(str(runs)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        if os.environ.get("RNNNLP_REQUIRE_CHROMIUM") == "1":
            pytest.fail("RNNNLP_REQUIRE_CHROMIUM is 1, but there is no chromium")
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser", address: str) -> Iterator["Page"]:
    """A page; afterwards nothing was said on the console, asked of another host, or run."""
    from playwright.sync_api import expect

    context = browser.new_context(locale="en-US", accept_downloads=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PAGE_MILLISECONDS)
    expect.set_options(timeout=PAGE_MILLISECONDS)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith((address, "blob:")) or wrong.append(request.url))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    yield page
    assert wrong == []
    context.close()
