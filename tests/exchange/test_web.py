"""`rnnnlp export --to web`: the page in a browser, and its JavaScript in node, answer as the model does."""

import functools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.exchange.web_export import FILES, export_web
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.text import Tokenizer
from rnnnlp.text.characters import ByteTokenizer, CharTokenizer
from rnnnlp.text.words import BPETokenizer, WordTokenizer
from tests.conftest import PATIENCE
from tests.exchange.made import TEXTS, classifier, language_model

pytestmark = pytest.mark.usefixtures("onnx_or_skip")
ANSWERS = Path(__file__).with_name("answers.mjs")
REQUIRED = os.environ.get("RNNNLP_REQUIRE_WEB") == "1"
ODD = [
    *TEXTS,
    "<BR />a&AMP;b &lt;3 it's ''quoted'' ... !!!! x\u0085y\ufeffz\u00a0w",
    "ΟΔΥΣΣΕΥΣ ΣΑΣ. ÇİĞ ŞIK Straße ½ ² x² ที่ดี བཀྲ་ཤིས། e\u0301 \u200d\u200c",
    "Wei\xdfer\r\nnew\tline \U0001f469\u200d\U0001f4bb",
    " \t\u3000It broke.\x85\r\n",
    "\r\n",
    "a \n b \n\n\tc\n",
]


def skip(reason: str) -> None:
    if REQUIRED:
        pytest.fail(f"RNNNLP_REQUIRE_WEB is 1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def libraries() -> Path:
    """A node_modules folder with the two libraries: RNNNLP_NODE_MODULES names it."""
    if shutil.which("node") is None:
        skip("node is not installed")
    place = os.environ.get("RNNNLP_NODE_MODULES")
    if place is None:
        skip("RNNNLP_NODE_MODULES names no node_modules folder")
    return Path(str(place))


def answers(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What an exported folder answers in node."""
    done = subprocess.run(
        ["node", str(ANSWERS), str(folder)], input=json.dumps(request), capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_classifier_in_node(tmp_path: Path, libraries: Path):
    members = [
        classifier(
            views=("words", "characters", "character_ratios"),
            tokenizer=WordTokenizer.train(ODD, min_frequency=1),
            ngram_buckets=32,
        ),
        classifier(tokenizer=CharTokenizer.train(TEXTS), seed=1),
        classifier(tokenizer=BPETokenizer.train(ODD, vocab_size=300, normalizer="html", lowercase=True), seed=2),
        classifier(tokenizer=ByteTokenizer(), seed=3),
        classifier(tokenizer=WordTokenizer([*"ab"], rules=2), seed=4),  # is written with rules that JavaScript takes
    ]
    model = Ensemble(members, [0.5, 0.2, 0.9, 0.4, 0.2])
    model.save_pretrained(tmp_path / "run")
    export_web(tmp_path / "run", tmp_path / "out", libraries=libraries)
    found = answers(tmp_path / "out", {"texts": ODD})
    ids = answers(tmp_path / "out", {"texts": ODD, "only": "ids"})["ids"]
    for k, text in enumerate(ODD):
        assert ids[k] == [member.tokenizer.encode(text).tolist() for member in members], text
    logits = np.array([one["logits"] for one in found["found"]])
    assert np.abs(logits - model.logits_of(ODD)).max() < 1e-5
    probabilities = np.array([one["probabilities"] for one in found["found"]])
    assert probabilities == pytest.approx(model.predict_proba(ODD), abs=1e-5)
    assert [one["label"] for one in found["found"]] == model.predict(ODD).tolist()


def test_the_unknown_words_of_a_classifier_in_node(tmp_path: Path, libraries: Path):
    members = [classifier(), classifier(tokenizer=CharTokenizer.train(TEXTS), seed=1, max_length=8)]
    model = Ensemble(members, [0.5, 0.5])
    model.save_pretrained(tmp_path / "run")
    export_web(tmp_path / "run", tmp_path / "out", libraries=libraries)
    texts = [*TEXTS, "A lovely robot", "zzz 777", "!?", "電影 很 好", " \t"]
    found = answers(tmp_path / "out", {"texts": texts})["found"]
    unknown = model.probabilities_and_unknown(texts)[1]
    assert [one["unknownWords"] for one in found] == pytest.approx(unknown)
    assert 0 < sum(unknown) < len(texts)


@pytest.mark.parametrize("prompt", ["What a", "What a ", "What a good film. " * 40])
@pytest.mark.parametrize(
    "tokenizer",
    [
        CharTokenizer.train(TEXTS),
        BPETokenizer.train(TEXTS, vocab_size=300),
        WordTokenizer.train(TEXTS, vocab_size=50, min_frequency=1),
    ],
)
def test_a_language_model_in_node(tokenizer: Tokenizer, prompt: str, tmp_path: Path, libraries: Path):
    model = language_model(tokenizer=tokenizer, num_layers=2)
    model.save_pretrained(tmp_path / "run")
    export_web(tmp_path / "run", tmp_path / "out", libraries=libraries)
    found = answers(tmp_path / "out", {"prompt": prompt, "length": 40})
    sampling = Sampling(length=40, temperature=0)
    assert found["text"] == "".join(generate(model, prompt, sampling, rng=np.random.default_rng(0)))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def page_of(folder: Path) -> Iterator[tuple[Any, str]]:
    """A page of Chromium, and the address at which a server on loopback has the files of a folder."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        skip("the page needs chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip("the page needs playwright")
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(), address
        browser.close()


def test_both_pages_in_chromium(tmp_path: Path, libraries: Path):
    model, writer = classifier(views=("characters", "words")), language_model()
    for name, one in (("reviews", model), ("book", writer)):
        one.save_pretrained(tmp_path / name)
        export_web(tmp_path / name, tmp_path / "site" / name, libraries=libraries)
    wrong, elsewhere = [], []
    with page_of(tmp_path / "site") as (page, address):
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(f"{address}reviews/")
        page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
        page.fill("#text", TEXTS[0])
        page.wait_for_selector("#result:not([hidden]) .best")
        shares = page.eval_on_selector_all(".share", "found => found.map(one => parseFloat(one.textContent))")
        assert shares == pytest.approx(100 * model.predict_proba(TEXTS[:1])[0], abs=0.06)
        assert page.inner_text("#label") == model.predict(TEXTS[:1])[0]
        page.goto(f"{address}book/")
        page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
        page.fill("#prompt", "What a")
        page.fill("#temperature", "0")
        page.fill("#length", "30")
        page.click("#write")
        page.wait_for_selector("#output[data-done=yes]", timeout=120_000)
        text = "".join(generate(writer, "What a", Sampling(30, 0), rng=np.random.default_rng(0)))
        assert page.evaluate("document.getElementById('output').textContent") == f"What a{text}"
    assert wrong == []
    assert [url for url in elsewhere if not url.startswith((address, "data:"))] == []


@pytest.fixture
def run(tmp_path: Path) -> Path:
    classifier().save_pretrained(tmp_path / "run")
    return tmp_path / "run"


def pretended(folder: Path) -> Path:
    """A node_modules folder of empty libraries."""
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name in ("onnxruntime-web", "@huggingface/tokenizers"):
        (folder / name / "package.json").write_text('{"version": "1.2.3", "license": "MIT"}')
    return folder


def test_the_command_writes_a_whole_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    words = ["export", str(run), "--to", "web", "--out", str(tmp_path / "out")]
    words += ["--libraries", str(pretended(tmp_path / "libraries"))]
    assert main(words) == 0
    assert "vendor/tokenizers.min.mjs" in capsys.readouterr().out
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    own = {"index.html", "page.js", "rnnnlp.js", "model.onnx", "model.json", "tokenizer.json", "README.md"}
    assert found == own | {f"vendor/{name}" for name in (*FILES.values(), "LIBRARIES.txt")}
    assert "onnxruntime-web 1.2.3, licence MIT" in (tmp_path / "out" / "vendor" / "LIBRARIES.txt").read_text()
    assert 'await model.classify(["a text"]);' in (tmp_path / "out" / "README.md").read_text()
    (tmp_path / "out" / "own.html").write_text("a page of my own")
    assert main([*words, "--overwrite"]) == 0
    assert main([*words[:3], "onnx", *words[4:6], "--overwrite"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("model.onnx", "model.json", "tokenizer.json", "README.md"),
        "own.html",  # what is of no export stays
    }


def test_libraries_that_are_not_to_be_had(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    monkeypatch.setenv("PATH", str(npm.parent))
    with pytest.raises(UserError, match=r"npm is not there to install them; install Node\.js, or give libraries a"):
        export_web(run, tmp_path / "out")
    npm.write_text('#!/bin/sh\necho "$@": no network >&2\nexit 1\n')
    npm.chmod(0o755)
    with pytest.raises(UserError, match=r"npm could not install .*: no network\); check the connection") as raised:
        export_web(run, tmp_path / "out")
    assert "(install --ignore-scripts " in str(raised.value)  # no code of a package runs
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UserError, match=r"cannot be read \(No such file or directory\); give libraries the node_modules"
    ):
        export_web(run, tmp_path / "out", libraries=tmp_path / "empty")
    assert not (tmp_path / "out").exists()


def test_patterns_of_version_0_2_are_refused(tmp_path: Path):
    classifier(tokenizer=WordTokenizer([*"ab"], rules=1)).save_pretrained(tmp_path / "run")
    with pytest.raises(UserError, match="was trained by an earlier version, and its patterns cannot be read"):
        export_web(tmp_path / "run", tmp_path / "out")
