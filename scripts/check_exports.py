"""Holds exported models against the models themselves: the full matrix, on real texts.

    python scripts/check_exports.py --data DATA --node-modules FOLDER --chromium --tokenizers DATA... --charlm RUN

They run in ONNX Runtime; with --node-modules also in node, and with --chromium in that browser, by onnxruntime-web.

It prints the largest difference of two logits over all cells, directions, layers, poolings, n-gram features and
ensembles; whether tokenizers give the same ids in Python and JavaScript; and whether a character model writes the same
text at temperature 0. FOLDER has onnxruntime-web and @huggingface/tokenizers, installed by npm.
"""

import argparse
import functools
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.cli.main import reported
from rnnnlp.exchange.onnx_check import compare_classifier, session
from rnnnlp.exchange.onnx_classifier import classifier_graph
from rnnnlp.exchange.onnx_export import export_onnx, load
from rnnnlp.exchange.web_export import export_web
from rnnnlp.kernels.cells import CELLS
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Tokenizer, load_labelled
from rnnnlp.text.words import BPETokenizer, WordTokenizer

ANSWERS = Path(__file__).parents[1] / "tests" / "exchange" / "answers.mjs"
NAMES = ("cell", "directions", "layers", "ngram_buckets")
MOST = 1e-4
IN_BROWSER = """async ([first, folder, request]) => {
  const { open } = await import(new URL(`/${first}/rnnnlp.js`, location));
  const model = await open(new URL(`/${folder}/`, location));
  const answer = request.texts
    ? { found: await model.classify(request.texts) }
    : { text: await model.generate(request.prompt, { length: request.length, temperature: 0 }) };
  await model.session.release();
  return answer;
}"""
JavaScript = dict[str, Callable[[Sequence[Path], dict[str, Any]], Iterator[dict[str, Any]]]]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="reviews for the matrix of classifiers")
    parser.add_argument("--texts", type=int, default=200, metavar="N", help="number of reviews (default: 200)")
    parser.add_argument("--max-length", type=int, default=200, metavar="N", help="tokens of a review (default: 200)")
    parser.add_argument("--node-modules", metavar="FOLDER", help="also run everything in node")
    parser.add_argument("--chromium", action="store_true", help="also run the models in Chromium; needs --node-modules")
    parser.add_argument("--tokenizers", nargs="*", default=[], metavar="DATA", help="compare tokenizers on these sets")
    parser.add_argument("--javascript-texts", type=int, default=1000, metavar="N", help="of each set (default: 1000)")
    parser.add_argument("--charlm", metavar="RUN", help="a character model that writes 500 characters")
    options = parser.parse_args(words)
    if options.chromium and not options.node_modules:
        parser.error("--chromium needs --node-modules: the page has its libraries from there")
    return reported(lambda: check(options))


def check(options: argparse.Namespace) -> int:
    """Compares what is asked for; returns 1 if there are differences."""
    runners: JavaScript = {"node": in_node} if options.node_modules else {}
    if options.chromium:
        runners["Chromium"] = in_chromium
    fine = True
    if options.data:
        texts = [text for rows in load_labelled(options.data).splits.values() for text in rows.texts][: options.texts]
        fine &= matrix(texts, options.max_length, options.node_modules, runners)
    for data in options.tokenizers:
        fine &= tokenizers(data, options.javascript_texts, options.node_modules)
    if options.charlm:
        fine &= same_text(options.charlm, options.node_modules, runners)
    print("all the same" if fine else "THERE ARE DIFFERENCES")
    return 0 if fine else 1


def in_node(folders: Sequence[Path], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What each folder answers in node. The first one has the JavaScript of all."""
    done = subprocess.run(
        ["node", str(ANSWERS), *map(str, folders)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    return map(json.loads, done.stdout.splitlines())


class Quiet(SimpleHTTPRequestHandler):
    """Sends files, and says nothing of it."""

    def log_message(self, *args: Any) -> None:
        pass


def in_chromium(folders: Sequence[Path], request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What each folder answers in Chromium. The first one has the page of all."""
    from playwright.sync_api import sync_playwright

    place, first = folders[0].parent, folders[0].name
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(place)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/{first}/")
            page.wait_for_selector("body[data-ready=yes]", timeout=120_000)
            for folder in folders:
                yield page.evaluate(IN_BROWSER, [first, folder.name, request])
            browser.close()
    finally:
        server.shutdown()
        server.server_close()


def random_classifier(tokenizer: Tokenizer, seed: int, **options: Any) -> SentimentNetwork:
    rng = np.random.default_rng(seed)
    config = SentimentConfig(
        vocab_size=tokenizer.vocab_size, labels=("no", "yes"), embedding_size=16, hidden_size=24, **options
    )
    network = SentimentNetwork(config, tokenizer, rng=rng)
    if network.ngrams is not None:
        network.ngrams.log_count_ratio[...] = rng.normal(size=network.ngrams.log_count_ratio.shape)
        network.ngrams.weight.value[...] = 0.1 * rng.normal(size=network.ngrams.weight.value.shape)
    return network


def matrix(texts: list[str], max_length: int, node_modules: str | None, runners: JavaScript) -> bool:
    """All classifiers in ONNX Runtime, and ensembles of those that differ in their pooling, these in JavaScript too."""
    tokenizer = WordTokenizer.train(texts)
    largest, number, begun = {"onnxruntime": 0.0}, 0, time.monotonic()
    folders, expected = [], []
    with tempfile.TemporaryDirectory() as place:
        for seed, (cell, directions, layers, buckets) in enumerate(product(CELLS, (1, 2), (1, 2), (0, 5000))):
            shape: dict[str, Any] = {"cell": cell, "bidirectional": directions == 2, "num_layers": layers}
            members = [
                random_classifier(
                    tokenizer, seed, pooling=pooling, ngram_buckets=buckets, max_length=max_length, **shape
                )
                for pooling in POOLINGS
            ]
            ensemble = Ensemble(members, np.linspace(0.1, 0.5, len(members)))
            found = []
            for model in (*members, ensemble):
                made = classifier_graph(model)
                found.append(compare_classifier(made.graph.model("classifier", {}), made, model, texts))
            largest["onnxruntime"] = float(np.max([largest["onnxruntime"], *(one.largest for one in found)]))
            number += len(found)
            named = ", ".join(f"{n} {v}" for n, v in zip(NAMES, (cell, directions, layers, buckets), strict=True))
            print(
                f"{named}: {max(one.largest for one in found):.1e} of {max(one.logit for one in found):.3g}", flush=True
            )
            if node_modules:
                ensemble.save_pretrained(Path(place) / f"run-{seed}")
                folders.append(Path(place) / f"out-{seed}")
                expected.append(ensemble.logits_of(texts))
                if seed == 0:  # the JavaScript of the first runs the models of all
                    export_web(Path(place) / f"run-{seed}", folders[-1], libraries=node_modules)
                else:
                    export_onnx(Path(place) / f"run-{seed}", folders[-1])
        for where, run in runners.items():
            of_ensembles = [
                float(np.abs(np.array([one["logits"] for one in answer["found"]]) - logits).max())
                for logits, answer in zip(expected, run(folders, {"texts": texts}), strict=True)
            ]
            name = f"onnxruntime-web in {where}, {len(folders)} ensembles of one classifier a pooling"
            largest[name] = float(np.max(of_ensembles))
    print(f"{number} classifiers, {len(texts)} texts each, in {time.monotonic() - begun:.0f} s, largest difference:")
    for where, difference in largest.items():
        print(f"  {difference:.1e} in {where}")
    return bool(np.max([*largest.values()]) < MOST)  # Python's max may leave out NaN


def tokenizers(data: str, number: int, node_modules: str | None) -> bool:
    """Whether rules that JavaScript takes give the same ids as those before them, and in JavaScript too."""
    if Path(data).suffix == ".txt":
        texts = Path(data).read_text(encoding="utf-8").split("\n\n")
    else:
        texts = [text for rows in load_labelled(data).splits.values() for text in rows.texts]
    fine = True
    some = texts[:: max(1, len(texts) // number)]
    words, subwords = WordTokenizer.train(texts), BPETokenizer.train(texts[:20_000], normalizer="html", lowercase=True)
    before: list[Tokenizer] = [
        WordTokenizer(words.words, rules=2),
        BPETokenizer(subwords.symbols, subwords.merges, lowercase=True, normalizer="html", rules=2),
    ]
    for now, old in zip((words, subwords), before, strict=True):
        found = now.encode_batch(texts)
        different = sum(not np.array_equal(a, b) for a, b in zip(found, old.encode_batch(texts), strict=True))
        line = f"{data}, {now.kind}: {different} of {len(texts)} texts have other ids than with the rules before"
        wrong = 0
        if node_modules:
            network = random_classifier(now, 0)
            with tempfile.TemporaryDirectory() as place:
                network.save_pretrained(Path(place) / "run")
                export_web(Path(place) / "run", Path(place) / "web", libraries=node_modules)
                (answer,) = in_node([Path(place) / "web"], {"texts": some, "only": "ids"})
            own = now.encode_batch(some)
            wrong = sum(ids != a.tolist() for (ids,), a in zip(answer["ids"], own, strict=True))
            line += f"; {wrong} of {len(some)} other ids in JavaScript"
        print(line, flush=True)
        fine &= different == 0 and wrong == 0
    return fine


def same_text(run: str, node_modules: str | None, runners: JavaScript) -> bool:
    """Whether a character model writes the same 500 characters at temperature 0."""
    model = load(run)
    assert isinstance(model, CharLMNetwork)
    prompt, length = "ROMEO:", 500
    expected = "".join(generate(model, prompt, Sampling(length, 0), rng=np.random.default_rng(0)))
    with tempfile.TemporaryDirectory() as place:
        exported = export_onnx(run, Path(place) / "onnx")
        print(f"{run}: largest difference of logits {exported.difference.largest:.1e}")
        found = {"onnxruntime": greedy(Path(place) / "onnx", model, prompt, length)}
        if node_modules:
            export_web(run, Path(place) / "web", libraries=node_modules)
        for where, answers in runners.items():
            (answer,) = answers([Path(place) / "web"], {"prompt": prompt, "length": length})
            found[f"onnxruntime-web in {where}"] = answer["text"]
    for name, text in found.items():
        print(f"{run}: {name} writes {'the same' if text == expected else 'OTHER'} {len(text)} characters")
    return all(text == expected for text in found.values())


def greedy(folder: Path, model: CharLMNetwork, prompt: str, length: int) -> str:
    """The most probable tokens, by ONNX Runtime."""
    running, described = session((folder / "model.onnx").read_bytes()), json.loads((folder / "model.json").read_text())
    zeros = np.zeros((described["layers"], 1, described["hidden_size"]), np.float32)
    state = {name["input"]: zeros for name in described["states"]}
    ids, made = model.tokenizer.encode(prompt).astype(np.int64)[None], []
    for _ in range(length):
        logits, *after = running.run(
            ["logits", *(name["output"] for name in described["states"])], {"ids": ids, **state}
        )
        state = {name["input"]: value for name, value in zip(described["states"], after, strict=True)}
        last = logits[0, -1]
        if described["unknown_id"] is not None:
            last[described["unknown_id"]] = -np.inf
        made.append(int(last.argmax()))
        ids = np.array([[made[-1]]])
    return model.tokenizer.decode(made)


if __name__ == "__main__":
    sys.exit(main())
